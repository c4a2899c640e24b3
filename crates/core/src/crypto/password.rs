//! Passwords: argon2id with the parameters that OWASP recommends (19 MiB, two passes), which are argon2's own defaults.
//!
//! Both take some fifty milliseconds of a core: never on a thread that others wait for.

use argon2::{
    Argon2, PasswordHash, PasswordHasher, PasswordVerifier,
    password_hash::{SaltString, rand_core::OsRng},
};
use std::sync::LazyLock;

#[derive(Debug, thiserror::Error)]
#[error("the password could not be hashed: {0}")]
pub struct HashError(argon2::password_hash::Error);

/// The hash, as a PHC string with a salt of its own.
pub fn hash(password: &str) -> Result<String, HashError> {
    let salt = SaltString::generate(&mut OsRng);
    Argon2::default()
        .hash_password(password.as_bytes(), &salt)
        .map(|hash| hash.to_string())
        .map_err(HashError)
}

/// Whether it is the password of this hash. Without a hash, because there is no such person, it takes as long to say no.
pub fn verify(password: &str, hash: Option<&str>) -> bool {
    static NOBODYS: LazyLock<String> = LazyLock::new(|| self::hash("of nobody").unwrap_or_default());
    let is_right = PasswordHash::new(hash.unwrap_or(&NOBODYS))
        .is_ok_and(|hash| Argon2::default().verify_password(password.as_bytes(), &hash).is_ok());
    is_right && hash.is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_right_one() {
        let stored = hash("correct horse").unwrap();
        assert!(stored.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{stored}");
        assert!(verify("correct horse", Some(&stored)));
        assert!(!verify("correct horsf", Some(&stored)) && !verify("of nobody", None));
        assert!(!verify("x", Some("nonsense")));
        assert_ne!(stored, hash("correct horse").unwrap());
    }
}
