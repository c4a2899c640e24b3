//! CSRF tokens: what a page must know to use the cookie of a session. It follows from the secret of the session, so nothing is stored, and
//! it does not show the secret.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use ring::hmac::{self, HMAC_SHA256, Key, Tag};

use crate::domain::access::TokenSecret;

/// What the secret authenticates here. It must not be used for anything else.
const PURPOSE: &[u8] = b"trigrun csrf";

/// The CSRF token of the session with this secret: HMAC-SHA256 in base64url, 43 characters.
pub fn token(session: &TokenSecret) -> String {
    let tag: Tag = hmac::sign(&key(session), PURPOSE);
    URL_SAFE_NO_PAD.encode(tag)
}

/// Whether `given` is the CSRF token of the session. Takes the same time for every wrong token.
pub fn is_of(session: &TokenSecret, given: &[u8]) -> bool {
    let tag = URL_SAFE_NO_PAD.decode(given);
    tag.is_ok_and(|tag| hmac::verify(&key(session), PURPOSE, &tag).is_ok())
}

fn key(session: &TokenSecret) -> Key {
    Key::new(HMAC_SHA256, session.reveal().as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{crypto::new_token, domain::access::TokenKind};

    #[test]
    fn a_token_is_good_for_its_session_alone() {
        let session = || new_token(TokenKind::Session).unwrap();
        let (own, other) = (session(), session());
        let token = token(&own);
        assert!(is_of(&own, token.as_bytes()));
        assert!(!token.contains(own.reveal()) && token.len() == 43);
        for wrong in [&super::token(&other), "", own.reveal(), &token[..42], &format!("{token}="), "\u{e4}"] {
            assert!(!is_of(&own, wrong.as_bytes()), "{wrong}");
        }
        assert!(!is_of(&other, token.as_bytes()));
    }
}
