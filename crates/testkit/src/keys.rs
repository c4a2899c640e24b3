//! The master key of all tests of this process.

use secrecy::SecretString;
use std::sync::LazyLock;
use trigrun_core::crypto::seal::{self, KeySettings, MasterKeys};

/// In the format of the settings. A new one each time: no key of an installation is in the repository.
pub fn master() -> &'static str {
    static MASTER: LazyLock<String> =
        LazyLock::new(|| seal::new_master_key().expect("the system provides random bytes"));
    &MASTER
}

pub fn settings() -> KeySettings {
    KeySettings { master: vec![SecretString::from(master())] }
}

pub fn keys() -> MasterKeys {
    MasterKeys::new(&settings()).expect("the test key is valid")
}
