//! The master key of all tests.

use secrecy::SecretString;
use trigrun_core::crypto::seal::{KeySettings, MasterKeys};

/// In the format of the settings.
pub const MASTER: &str = "test:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

pub fn settings() -> KeySettings {
    KeySettings { master: vec![SecretString::from(MASTER)] }
}

pub fn keys() -> MasterKeys {
    MasterKeys::new(&settings()).expect("the test key is valid")
}
