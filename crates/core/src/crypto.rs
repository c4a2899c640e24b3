//! Small interfaces over the `ring` library.

pub mod csrf;
pub mod password;
pub mod seal;
pub mod sign;

use ring::rand::{SecureRandom, SystemRandom};

use crate::domain::access::{TokenKind, TokenSecret};

#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("the system provided no random bytes")]
pub struct NoRandomness;

/// SHA-256 of a token, which is stored and looked up. The secret is random and long, so it needs neither salt nor stretching.
pub fn token_hash(secret: &TokenSecret) -> Vec<u8> {
    digest(secret.reveal().as_bytes())
}

/// SHA-256 of what is compared, not kept secret.
pub fn digest(bytes: &[u8]) -> Vec<u8> {
    ring::digest::digest(&ring::digest::SHA256, bytes).as_ref().to_vec()
}

pub fn new_token(kind: TokenKind) -> Result<TokenSecret, NoRandomness> {
    let mut bytes = [0; 128];
    SystemRandom::new().fill(&mut bytes).map_err(|_| NoRandomness)?;
    TokenSecret::from_random(kind, &bytes).ok_or(NoRandomness)
}

/// A random number in 0..1, for jitter.
pub fn unit() -> f64 {
    let mut bytes = [0; 4];
    // Without randomness returns the middle: jitter is not required for correctness.
    SystemRandom::new()
        .fill(&mut bytes)
        .map_or(0.5, |()| f64::from(u32::from_le_bytes(bytes)) / f64::from(u32::MAX))
}
