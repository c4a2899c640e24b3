//! The credentials of a request: a token in the header Authorization, or the cookie of a session.

use actix_web::{
    HttpRequest,
    http::header::{self, HeaderValue},
};
use trigrun_core::domain::{access::TokenSecret, invalid::Invalid, session::SessionKind};

use crate::{problem::Problem, result::ApiResult, session_cookie::Csrf, state::State};

pub struct Credentials {
    pub secret: TokenSecret,
    /// If it is the secret of a session: how it was sent.
    pub sent_as: SessionKind,
}

impl Credentials {
    /// With a header Authorization, valid or not, the cookie is not looked at.
    pub fn read(state: &State, request: &HttpRequest, csrf: Csrf) -> ApiResult<Self> {
        let mut given = request.headers().get_all(header::AUTHORIZATION);
        let (secret, sent_as) = match (given.next(), given.next()) {
            (Some(value), None) => (bearer(value)?, SessionKind::Token),
            (Some(_), Some(_)) => return Err(missing()),
            (None, _) => {
                let cookie = state.session_cookie.read(request, csrf).ok_or_else(missing)?;
                (cookie?, SessionKind::Cookie)
            }
        };
        Ok(Self { secret, sent_as })
    }
}

fn missing() -> Problem {
    Problem::unauthorized("Send one header `Authorization: Bearer trg_…` with an API token.")
}

/// Text with a wrong checksum is refused without a look-up.
pub fn bearer(value: &HeaderValue) -> ApiResult<TokenSecret> {
    let token = value.to_str().ok().and_then(|value| value.split_once(' '));
    match token {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => {
            token.trim().parse().map_err(|invalid: Invalid| Problem::unauthorized(&invalid.detail))
        }
        _ => Err(Problem::unauthorized("The header must read `Authorization: Bearer trg_…`.")),
    }
}
