//! Standard Webhooks signatures: HMAC-SHA256 over `id.timestamp.body` (standard-webhooks specification, "Signature scheme").

use base64::{Engine, engine::general_purpose::STANDARD};
use ring::{
    hmac::{Context, HMAC_SHA256, Key},
    rand::{SecureRandom, SystemRandom},
};

use super::NoRandomness;

const PREFIX: &str = "whsec_";
const SECRET_BYTES: usize = 32;
/// A space, the version, and 32 bytes in base64.
const MAX_SIGNATURE_CHARS: usize = 48;

/// A new signing secret: `whsec_` and 32 random bytes in base64.
pub fn new_secret() -> Result<String, NoRandomness> {
    let mut bytes = [0; SECRET_BYTES];
    SystemRandom::new().fill(&mut bytes).map_err(|_| NoRandomness)?;
    Ok(format!("{PREFIX}{}", STANDARD.encode(bytes)))
}

/// The current signing secrets of a workspace: the newest, and for a period after rotation the previous one.
pub struct Signer(Vec<Key>);

impl Signer {
    /// `None` if one of them is not in the format of a signing secret.
    pub fn new<'a>(secrets: impl IntoIterator<Item = &'a str>) -> Option<Self> {
        let key =
            |secret: &str| Some(Key::new(HMAC_SHA256, &STANDARD.decode(secret.strip_prefix(PREFIX)?).ok()?));
        secrets.into_iter().map(key).collect::<Option<Vec<_>>>().map(Self)
    }

    /// The value of `webhook-signature`: one signature per secret.
    pub fn sign(&self, id: &str, timestamp_seconds: i64, body: &[u8]) -> String {
        let head = format!("{id}.{timestamp_seconds}.");
        let mut signatures = String::with_capacity(self.0.len() * MAX_SIGNATURE_CHARS);
        for key in &self.0 {
            // In parts, because a body may be large.
            let mut context = Context::with_key(key);
            context.update(head.as_bytes());
            context.update(body);
            signatures.push_str(if signatures.is_empty() { "v1," } else { " v1," });
            STANDARD.encode_string(context.sign(), &mut signatures);
        }
        signatures
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example from the specification's reference libraries.
    #[test]
    fn the_signature_matches_the_reference() {
        let signer = Signer::new(["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"]).unwrap();
        let signature = signer.sign("msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, b"{\"test\": 2432232314}");
        assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn two_secrets_give_two_signatures() {
        let (old, new) = (new_secret().unwrap(), new_secret().unwrap());
        let both = Signer::new([new.as_str(), &old]).unwrap().sign("a", 1, b"");
        let alone = |secret: &str| Signer::new([secret]).unwrap().sign("a", 1, b"");
        assert_eq!(both, format!("{} {}", alone(&new), alone(&old)));
        assert!(Signer::new(["nonsense"]).is_none() && Signer::new(["whsec_%"]).is_none());
    }
}
