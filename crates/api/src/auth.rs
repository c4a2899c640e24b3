//! Who asks, and whether they may. The permission that a handler needs is a type in its signature.

use actix_web::{
    FromRequest, HttpRequest,
    dev::Payload,
    http::{StatusCode, header},
    web,
};
use futures_util::future::LocalBoxFuture;
use std::marker::PhantomData;
use trigrun_core::{
    crypto,
    domain::{
        access::{Grant, Scope, TokenSecret},
        id::WorkspaceId,
    },
    store::tokens,
};

use crate::{
    problem::Problem,
    state::{Answer, State},
};

/// The request's token was accepted and has the scope `S`. The workspace in it is the only one that a handler knows.
pub struct Allowed<S> {
    pub workspace: WorkspaceId,
    scope: PhantomData<S>,
}

/// A scope as a type.
pub trait Needs {
    const SCOPE: Scope;
}

macro_rules! needs {
    ($($name:ident),*) => {$(
        pub struct $name;

        impl Needs for $name {
            const SCOPE: Scope = Scope::$name;
        }
    )*};
}

needs!(JobsRead, JobsWrite, JobsRun, ExecutionsRead, SecretsWrite, WorkspaceAdmin);

impl<S: Needs> FromRequest for Allowed<S> {
    type Error = Problem;
    type Future = LocalBoxFuture<'static, Answer<Self>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let secret = secret(request);
        let state = request.app_data::<web::Data<State>>().cloned();
        Box::pin(async move {
            let (state, secret) = (state.ok_or_else(Problem::internal)?, secret?);
            let grant = look_up(&state, &secret).await?;
            if !grant.scopes.contains(&S::SCOPE) {
                let scope = S::SCOPE.as_str();
                let detail = format!("This token lacks the scope {scope}. Use one that has it.");
                return Err(Problem::new(StatusCode::FORBIDDEN, "scope_missing", detail));
            }
            Ok(Self { workspace: grant.workspace, scope: PhantomData })
        })
    }
}

/// The one token of the request; what cannot be a token is refused before anything is looked up.
fn secret(request: &HttpRequest) -> Answer<TokenSecret> {
    let mut given = request.headers().get_all(header::AUTHORIZATION);
    let (Some(value), None) = (given.next(), given.next()) else {
        return Err(Problem::unauthorized(
            "Send one header `Authorization: Bearer trg_…` with an API token.",
        ));
    };
    let token = value.to_str().ok().and_then(|value| value.split_once(' '));
    match token {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => token
            .trim()
            .parse()
            .map_err(|_| Problem::unauthorized("The token is mistyped or cut off: its checksum is wrong.")),
        _ => Err(Problem::unauthorized("The header must read `Authorization: Bearer trg_…`.")),
    }
}

async fn look_up(state: &State, secret: &TokenSecret) -> Answer<Grant> {
    let found = tokens::find_by_hash(&mut *state.conn().await?, &crypto::token_hash(secret)).await?;
    found.ok_or_else(|| Problem::unauthorized("The token is unknown, expired or revoked."))
}
