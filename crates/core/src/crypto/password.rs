//! Passwords: argon2id with the parameters that OWASP recommends (19 MiB, two passes), which are argon2's own defaults.
//!
//! Hashing and verifying each take about fifty milliseconds of a core. Never call them on an async worker thread.

use argon2::{
    Argon2, PasswordHash, PasswordHasher, PasswordVerifier,
    password_hash::{SaltString, rand_core::OsRng},
};
use std::sync::LazyLock;

#[derive(Debug, thiserror::Error)]
#[error("the password could not be hashed: {0}")]
pub struct HashError(argon2::password_hash::Error);

/// The hash, as a PHC string with a random salt.
pub fn hash(password: &str) -> Result<String, HashError> {
    let salt = SaltString::generate(&mut OsRng);
    Argon2::default()
        .hash_password(password.as_bytes(), &salt)
        .map(|hash| hash.to_string())
        .map_err(HashError)
}

/// Whether the password matches the hash. Without a hash, because there is no such user, it returns false after the same time.
pub fn verify(password: &str, hash: Option<&str>) -> bool {
    static DUMMY_HASH: LazyLock<String> = LazyLock::new(|| self::hash("no such user").unwrap_or_default());
    let is_right = PasswordHash::new(hash.unwrap_or(&DUMMY_HASH))
        .is_ok_and(|hash| Argon2::default().verify_password(password.as_bytes(), &hash).is_ok());
    is_right && hash.is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_right_password_verifies() {
        let stored = hash("correct horse").unwrap();
        assert!(stored.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{stored}");
        assert!(verify("correct horse", Some(&stored)));
        assert!(!verify("correct horsf", Some(&stored)) && !verify("no such user", None));
        assert!(!verify("x", Some("nonsense")));
        assert_ne!(stored, hash("correct horse").unwrap());
    }
}
