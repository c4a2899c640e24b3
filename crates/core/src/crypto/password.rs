//! Passwords: argon2id with the parameters that OWASP recommends (19 MiB, two passes), which are argon2's own defaults.
//!
//! Hashing and verifying each take about fifty milliseconds of a core. Never call them on an async worker thread.

use argon2::{
    Algorithm, Argon2, Block, Params, PasswordHash,
    password_hash::{Ident, Output, ParamsString, Salt, SaltString, rand_core::OsRng},
};

#[derive(Debug, thiserror::Error)]
#[error("the password could not be hashed: {0}")]
pub struct HashError(argon2::password_hash::Error);

/// The memory of one hash at a time. The allocator keeps blocks of this size once they are freed, per thread, so they are used again.
pub struct HashMemory(Vec<Block>);

impl HashMemory {
    /// 19 MiB.
    pub const BYTES: usize = Params::DEFAULT_M_COST as usize * Block::SIZE;
}

impl Default for HashMemory {
    fn default() -> Self {
        Self(vec![Block::new(); Params::DEFAULT.block_count()])
    }
}

/// The hash, as a PHC string with a random salt.
pub fn hash(password: &str, memory: &mut HashMemory) -> Result<String, HashError> {
    let salt = SaltString::generate(&mut OsRng);
    let argon2 = Argon2::default();
    let output = output(&argon2, password, salt.as_salt(), memory).map_err(HashError)?;
    let hash = PasswordHash {
        algorithm: Ident::new_unwrap(Algorithm::Argon2id.as_str()),
        version: Some(argon2::Version::V0x13.into()),
        params: ParamsString::try_from(argon2.params()).map_err(HashError)?,
        salt: Some(salt.as_salt()),
        hash: Some(output),
    };
    Ok(hash.to_string())
}

/// Whether the password matches the hash. Without a hash, because there is no such user, it returns false after the same time.
pub fn verify(password: &str, hash: Option<&str>, memory: &mut HashMemory) -> bool {
    /// Of no password.
    const DUMMY_HASH: &str =
        "$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    let is_right = matches(password, hash.unwrap_or(DUMMY_HASH), memory).unwrap_or(false);
    is_right && hash.is_some()
}

fn matches(password: &str, hash: &str, memory: &mut HashMemory) -> argon2::password_hash::Result<bool> {
    let stored = PasswordHash::new(hash)?;
    let algorithm = Algorithm::try_from(stored.algorithm)?;
    let version = stored.version.map_or(Ok(argon2::Version::default()), argon2::Version::try_from)?;
    let argon2 = Argon2::new(algorithm, version, Params::try_from(&stored)?);
    let salt = stored.salt.ok_or(argon2::password_hash::Error::Password)?;
    // Compares in constant time.
    Ok(stored.hash == Some(output(&argon2, password, salt, memory)?))
}

fn output(
    argon2: &Argon2<'_>,
    password: &str,
    salt: Salt<'_>,
    memory: &mut HashMemory,
) -> argon2::password_hash::Result<Output> {
    let mut bytes = [0; Salt::MAX_LENGTH];
    let salt = salt.decode_b64(&mut bytes)?;
    Output::init_with(Params::DEFAULT_OUTPUT_LEN, |out| {
        Ok(argon2.hash_password_into_with_memory(password.as_bytes(), salt, out, &mut memory.0)?)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use argon2::{PasswordHasher, PasswordVerifier};

    #[test]
    fn only_the_right_password_verifies() {
        let memory = &mut HashMemory::default();
        let stored = hash("correct horse", memory).unwrap();
        assert!(stored.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{stored}");
        assert!(verify("correct horse", Some(&stored), memory));
        assert!(!verify("correct horsf", Some(&stored), memory) && !verify("no such user", None, memory));
        assert!(!verify("", None, memory) && !verify("x", Some("nonsense"), memory));
        assert_ne!(stored, hash("correct horse", memory).unwrap());
        assert_eq!(memory.0.len() * Block::SIZE, HashMemory::BYTES);
    }

    #[test]
    fn used_memory_changes_no_hash() {
        let memory = &mut HashMemory::default();
        let ours = hash("correct horse", memory).unwrap();
        let theirs = PasswordHash::new(&ours).unwrap();
        assert!(Argon2::default().verify_password(b"correct horse", &theirs).is_ok());
        let salt = SaltString::generate(&mut OsRng);
        let theirs = Argon2::default().hash_password(b"correct horse", &salt).unwrap().to_string();
        assert!(verify("correct horse", Some(&theirs), memory));
    }
}
