//! The master key of the tests.

use secrecy::SecretString;
use trigrun_core::crypto::seal::{KeySettings, MasterKeys};

/// In the form of the settings.
pub const MASTER: &str = "test:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

pub fn settings() -> KeySettings {
    KeySettings { master: vec![SecretString::from(MASTER)] }
}

pub fn keys() -> MasterKeys {
    MasterKeys::new(&settings()).expect("the key of the tests is one")
}
