//! API tokens of a workspace. A response contains the secret only once, when it is created.

use actix_web::{HttpResponse, delete, get, post, web};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use std::str::FromStr;
use trigrun_core::{
    crypto,
    domain::{
        access::{Scope, TokenKind},
        id::TokenId,
        invalid::{Checked, FieldErrors, Invalid, both},
        job,
        rights::Rights,
    },
    store::tokens::{self, NewToken, Token},
};
use utoipa::ToSchema;

use crate::{
    auth::{Authorized, WorkspaceAdmin},
    enums,
    extract::{
        body::{EmptyBody, JsonText, required},
        path::PathId,
        query::{NoParameters, Paged},
    },
    problem::{Problem, ProblemCode},
    quotas::Quota,
    result::ApiResult,
    routes::list::ListView,
    state::State,
    time::instant,
};

#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
#[schema(as = TokenInput)]
pub struct TokenBody {
    #[schema(required, min_length = 1, max_length = 200, example = "ci")]
    name: Option<String>,
    /// The permissions of the token. By default, all scopes of the caller.
    #[schema(value_type = Option<Vec<enums::Scope>>, min_items = 1, example = json!(["jobs:read", "executions:read"]))]
    scopes: Option<Vec<String>>,
    /// RFC 3339, in the future. By default, the token does not expire, or expires with the token that creates it.
    #[schema(format = DateTime)]
    expires_at: Option<String>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = Token)]
pub struct TokenView {
    #[schema(example = "tok_01k9x2v6m8f5q0c3r7t1w4y6za")]
    id: String,
    name: String,
    #[schema(value_type = Vec<enums::Scope>)]
    scopes: Vec<&'static str>,
    #[schema(format = DateTime)]
    created_at: String,
    /// The user who created or last rotated the token, directly or with a token; null for the operator.
    created_by: Option<String>,
    #[schema(format = DateTime)]
    expires_at: Option<String>,
    /// Accurate to the minute.
    #[schema(format = DateTime)]
    last_used_at: Option<String>,
    /// The secret. Only the response that creates it contains it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "trg_…")]
    token: Option<String>,
}

impl TokenView {
    fn new(token: &Token) -> Self {
        Self {
            id: token.id.to_string(),
            name: token.name.clone(),
            scopes: token.scopes.iter().map(|scope| scope.as_str()).collect(),
            created_at: instant(token.created_at),
            created_by: token.created_by.map(|user| user.to_string()),
            expires_at: token.expires_at.map(instant),
            last_used_at: token.last_used_at.map(instant),
            token: None,
        }
    }
}

/// Lists the tokens of the workspace, newest first, without their secrets.
#[utoipa::path(
    operation_id = "list_tokens", tag = "tokens",
    params(Paged::<NoParameters>),
    responses(
        (status = 200, body = ListView<TokenView>),
    ),
    security(("token" = ["workspace:admin"])),
)]
#[get("/tokens")]
pub async fn list_tokens(
    state: web::Data<State>,
    auth: Authorized<WorkspaceAdmin, Paged>,
) -> ApiResult<HttpResponse> {
    let Paged { page, filters, .. } = auth.query;
    let list = tokens::list(&mut *state.connections.for_list().await?, auth.workspace, page).await?;
    Ok(HttpResponse::Ok().json(ListView::new(list, &filters, |token| token.id.uuid(), TokenView::new)))
}

/// Creates a token. It cannot have a scope that the caller lacks.
#[utoipa::path(
    operation_id = "create_token", tag = "tokens", request_body = TokenBody,
    responses(
        (status = 201, body = TokenView),
    ),
    security(("token" = ["workspace:admin"])),
)]
#[post("/tokens")]
pub async fn create_token(
    state: web::Data<State>,
    auth: Authorized<WorkspaceAdmin>,
    text: JsonText,
) -> ApiResult<HttpResponse> {
    let (now, own) = (auth.by.at, auth.caller.scopes());
    auth.caller.check_confirmed(now)?;
    let mut errors = FieldErrors::default();
    let TokenBody { name, scopes, expires_at } = text.read(&mut errors).await?;
    let name = required(&mut errors, "/name", name).and_then(|name| errors.take("/name", job::name(&name)));
    let scopes = check_scopes(scopes, own, &mut errors);
    let expires_at = errors.take("/expires_at", check_expiry(expires_at, now, &auth.caller.rights()));
    let ((name, scopes), expires_at) = errors.finish(both(both(name, scopes), expires_at))?;
    auth.caller.check_gives(&Rights::of_token(&scopes, expires_at))?;
    let (id, secret) =
        (TokenId::at(now), crypto::new_token(TokenKind::Api).map_err(|_| Problem::internal())?);
    let hash = crypto::token_hash(&secret);
    let plan = auth.plan;
    let created = state.run(async move |state| {
        let mut conn = state.conn().await?;
        let giver = &auth.caller.giver();
        let new = NewToken { id, name: &name, hash: &hash, scopes: &scopes, expires_at, giver };
        let inserted = tokens::insert(&mut conn, auth.workspace, new, &auth.by, plan.tokens()).await;
        inserted.map_err(|error| plan.exceeded(Quota::Tokens, error))?;
        Ok(tokens::get(&mut conn, auth.workspace, id).await?)
    });
    let created = created.await?;
    Ok(HttpResponse::Created()
        .json(TokenView { token: Some(secret.reveal().to_owned()), ..TokenView::new(&created) }))
}

/// By default, the token expires with the caller: no token outlives the one that created it.
fn check_expiry(
    given: Option<String>,
    now: DateTime<Utc>,
    own: &Rights,
) -> Result<Option<DateTime<Utc>>, Invalid> {
    let Some(text) = given else { return Ok(own.latest(None)) };
    let at = DateTime::parse_from_rfc3339(&text).ok().map(|at| at.to_utc()).filter(|at| *at > now);
    let at = at.ok_or_else(|| {
        Invalid::new("instant_invalid", "must be a date and time in the future, with an offset")
    })?;
    match own.latest(Some(at)) {
        Some(latest) if latest < at => {
            let detail =
                format!("must be {} or earlier, when the token that creates it expires", instant(latest));
            Err(Invalid::new("expires_too_late", detail))
        }
        latest => Ok(latest),
    }
}

fn check_scopes(given: Option<Vec<String>>, own: &[Scope], errors: &mut FieldErrors) -> Checked<Vec<Scope>> {
    let Some(texts) = given else { return Ok(own.to_vec()) };
    if texts.is_empty() {
        errors.push("/scopes", Invalid::new("empty", "must name at least one scope"));
    }
    let scope = |(at, text): (usize, &String)| errors.take(&format!("/scopes/{at}"), Scope::from_str(text));
    let mut scopes = texts.iter().enumerate().map(scope).collect::<Checked<Vec<Scope>>>()?;
    scopes.sort_by_key(|scope| scope.as_str());
    scopes.dedup();
    Ok(scopes)
}

/// Gives a token a new secret. The previous secret becomes invalid immediately, and so does what was created with it. The caller must have all
/// scopes of the token.
#[utoipa::path(
    operation_id = "rotate_token", tag = "tokens", params(("id" = String, Path)),
    responses(
        (status = 200, body = TokenView),
    ),
    security(("token" = ["workspace:admin"])),
)]
#[post("/tokens/{id}/rotate")]
pub async fn rotate_token(
    state: web::Data<State>,
    auth: Authorized<WorkspaceAdmin>,
    PathId(id): PathId<TokenId>,
    _: EmptyBody,
) -> ApiResult<HttpResponse> {
    auth.caller.check_confirmed(auth.by.at)?;
    let secret = crypto::new_token(TokenKind::Api).map_err(|_| Problem::internal())?;
    let hash = crypto::token_hash(&secret);
    let rotate = async move |state: State| {
        let mut conn = state.conn().await?;
        // A token keeps its scopes and its expiry, so this cannot race.
        let old = tokens::get(&mut conn, auth.workspace, id).await?;
        auth.caller.check_gives(&Rights::of_token(&old.scopes, old.expires_at))?;
        if !auth.caller.rights().may_give_until(old.expires_at) {
            let detail = "The token outlives the one that you use. Use a session, or a token that is valid for as long.";
            return Err(Problem::new(ProblemCode::ExpiresTooEarly, detail));
        }
        Ok(tokens::rotate(&mut conn, auth.workspace, id, &hash, &auth.caller.giver(), &auth.by).await?)
    };
    let rotated = state.run(rotate).await?;
    Ok(HttpResponse::Ok()
        .json(TokenView { token: Some(secret.reveal().to_owned()), ..TokenView::new(&rotated) }))
}

/// Revokes a token. It becomes invalid immediately, and so does what was created with it.
#[utoipa::path(
    operation_id = "delete_token", tag = "tokens", params(("id" = String, Path)),
    responses(
        (status = 204),
    ),
    security(("token" = ["workspace:admin"])),
)]
#[delete("/tokens/{id}")]
pub async fn delete_token(
    state: web::Data<State>,
    auth: Authorized<WorkspaceAdmin>,
    PathId(id): PathId<TokenId>,
) -> ApiResult<HttpResponse> {
    let delete = async move |state: State| {
        Ok(tokens::delete(&mut *state.conn().await?, auth.workspace, id, &auth.by).await?)
    };
    state.run(delete).await?;
    Ok(HttpResponse::NoContent().finish())
}
