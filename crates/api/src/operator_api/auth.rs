//! Authentication of operators. Each may do everything here.

use actix_web::{FromRequest, HttpRequest, dev::Payload, http::header};
use chrono::{DateTime, Utc};
use futures_util::future::LocalBoxFuture;
use std::net::IpAddr;
use trigrun_core::{
    crypto,
    domain::{
        access::TokenKind,
        operator::{Operator, OperatorAuthor},
    },
    store::operators,
};

use super::reason::Because;
use crate::{
    auth::{bearer, record_auth_failure, state, unknown},
    extract::query::{NoParameters, Query},
    problem::Problem,
    request_id,
    result::ApiResult,
    state::State,
};

/// An operator's request. `Q` reads the query string, after authentication.
pub struct OperatorRequest<Q = NoParameters> {
    pub query: Q,
    operator: Operator,
    at: DateTime<Utc>,
    request_id: Option<String>,
    address: Option<IpAddr>,
}

impl<Q> OperatorRequest<Q> {
    /// The author of the changes that the request makes.
    pub fn author(self, reason: String) -> OperatorAuthor {
        let Self { operator, at, request_id, address, .. } = self;
        OperatorAuthor {
            operator_id: Some(operator.id),
            operator: operator.name,
            reason,
            at,
            request_id,
            address,
        }
    }
}

impl OperatorRequest<Because> {
    /// The same for an operation without a body.
    pub fn because(self) -> OperatorAuthor {
        let reason = self.query.reason.clone();
        self.author(reason)
    }
}

impl<Q: Query> FromRequest for OperatorRequest<Q> {
    type Error = Problem;
    type Future = LocalBoxFuture<'static, ApiResult<Self>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let request = request.clone();
        Box::pin(async move {
            let state = state(&request)?;
            let found = find_operator(&state, &request).await;
            let operator = found.map_err(|problem| record_auth_failure(&state, &request, problem))?;
            let query = Q::read(request.query_string())?;
            let (request_id, address) = (request_id::current(), state.limits.client(&request));
            Ok(Self { query, operator, at: state.clock.now(), request_id, address })
        })
    }
}

async fn find_operator(state: &State, request: &HttpRequest) -> ApiResult<Operator> {
    let mut given = request.headers().get_all(header::AUTHORIZATION);
    let (Some(value), None) = (given.next(), given.next()) else { return Err(missing()) };
    let secret = bearer(value).map_err(|_| missing())?;
    if secret.kind() != TokenKind::Operator {
        return Err(missing());
    }
    let hash = crypto::token_hash(&secret);
    operators::find_by_hash(&mut *state.conn().await?, &hash).await?.ok_or_else(unknown)
}

fn missing() -> Problem {
    let detail =
        "Send one header `Authorization: Bearer tro_…` with the token of an operator, as it was printed.";
    Problem::unauthorized(detail)
}
