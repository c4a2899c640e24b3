//! API tokens of a workspace. A secret is shown once, when it is made.

use actix_web::{HttpResponse, delete, get, http::StatusCode, post, web};
use chrono::DateTime;
use serde::{Deserialize, Serialize};
use std::str::FromStr;
use trigrun_core::{
    crypto,
    domain::{
        access::{Scope, TokenKind},
        id::TokenId,
        invalid::{FieldErrors, Invalid},
        job,
    },
    store::tokens::{self, NewToken, Token},
};
use utoipa::ToSchema;

use crate::{
    auth::{Authorized, WorkspaceAdmin},
    extract::{
        body::{JsonText, read, required},
        path::PathId,
        query::{NoParameters, Paged},
    },
    problem::Problem,
    result::ApiResult,
    routes::list::ListView,
    state::State,
    time::instant,
};

#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
#[schema(as = TokenInput)]
pub struct TokenBody {
    /// 1 to 200 characters.
    #[schema(required, example = "ci")]
    name: Option<String>,
    /// What it may do: jobs:read, jobs:write, jobs:run, executions:read, secrets:write, notifications:write, workspace:admin. All that you
    /// may, unless given.
    #[schema(example = json!(["jobs:read", "executions:read"]))]
    scopes: Option<Vec<String>>,
    /// RFC 3339, in the future; never unless given.
    expires_at: Option<String>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = Token)]
pub struct TokenView {
    #[schema(example = "tok_01k9x2v6m8f5q0c3r7t1w4y6za")]
    id: String,
    name: String,
    scopes: Vec<&'static str>,
    created_at: String,
    /// The person who made it or rotated it last, or whose token did; null if the operator did.
    created_by: Option<String>,
    expires_at: Option<String>,
    /// To the minute.
    last_used_at: Option<String>,
    /// The secret; only in the answer that made it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false, example = "trg_…")]
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
    allowed: Authorized<WorkspaceAdmin, Paged>,
) -> ApiResult<HttpResponse> {
    let Paged { page, filters, .. } = allowed.query;
    let list = tokens::list(&mut *state.conn().await?, allowed.workspace, page).await?;
    Ok(HttpResponse::Ok().json(ListView::new(list, &filters, TokenView::new)))
}

/// Makes a token. It can do no more than whoever makes it.
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
    allowed: Authorized<WorkspaceAdmin>,
    text: JsonText,
) -> ApiResult<HttpResponse> {
    let (now, mine) = (allowed.by.at, allowed.caller.scopes());
    let mut errors = FieldErrors::default();
    let TokenBody { name, scopes, expires_at } = read(text.object()?, &mut errors)?;
    let name = required(&mut errors, "/name", name).and_then(|name| errors.take("/name", job::name(&name)));
    let scopes = wanted_scopes(scopes, mine, &mut errors);
    let expires_at = expires_at.and_then(|text| {
        let at = DateTime::parse_from_rfc3339(&text).ok().map(|at| at.to_utc()).filter(|at| *at > now);
        errors.take(
            "/expires_at",
            at.ok_or_else(|| {
                Invalid::new("instant_invalid", "must be an instant in the future, as RFC 3339 writes it")
            }),
        )
    });
    Problem::validation(errors)?;
    let (name, scopes) = name.zip(scopes).ok_or_else(Problem::internal)?;
    covered(&scopes, mine)?;
    let (id, secret) =
        (TokenId::at(now), crypto::new_token(TokenKind::Api).map_err(|_| Problem::internal())?);
    let hash = crypto::token_hash(&secret);
    let plan = state.quotas.plan(&state.db, allowed.workspace).await?;
    let made = state.run(async move |state| {
        let mut conn = state.conn().await?;
        let created_by = allowed.caller.user_id();
        let new = NewToken { id, name: &name, hash: &hash, scopes: &scopes, expires_at, created_by };
        let inserted = tokens::insert(&mut conn, allowed.workspace, new, &allowed.by, plan.tokens()).await;
        inserted.map_err(|error| plan.exceeded(error))?;
        Ok(tokens::get(&mut conn, allowed.workspace, id).await?)
    });
    let made = made.await?;
    Ok(HttpResponse::Created()
        .json(TokenView { token: Some(secret.reveal().to_owned()), ..TokenView::new(&made) }))
}

/// Nobody gets the secret of a token that may do more than they.
fn covered(scopes: &[Scope], mine: &[Scope]) -> ApiResult<()> {
    let Some(more) = scopes.iter().find(|scope| !mine.contains(scope)) else { return Ok(()) };
    let detail = format!("The token cannot have {}, which you lack yourself.", more.as_str());
    Err(Problem::new(StatusCode::FORBIDDEN, "scope_missing", detail))
}

fn wanted_scopes(
    wanted: Option<Vec<String>>,
    mine: &[Scope],
    errors: &mut FieldErrors,
) -> Option<Vec<Scope>> {
    let Some(words) = wanted else { return Some(mine.to_vec()) };
    if words.is_empty() {
        errors.push("/scopes", Invalid::new("empty", "must name at least one scope"));
    }
    let scope = |(at, word): (usize, &String)| errors.take(&format!("/scopes/{at}"), Scope::from_str(word));
    let mut scopes = words.iter().enumerate().map(scope).collect::<Option<Vec<Scope>>>()?;
    scopes.sort_by_key(|scope| scope.as_str());
    scopes.dedup();
    Some(scopes)
}

/// Gives a token another secret. The one before is dead at once. It needs all that the token may do.
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
    allowed: Authorized<WorkspaceAdmin>,
    PathId(id): PathId<TokenId>,
) -> ApiResult<HttpResponse> {
    let secret = crypto::new_token(TokenKind::Api).map_err(|_| Problem::internal())?;
    let hash = crypto::token_hash(&secret);
    let rotate = async move |state: State| {
        let mut conn = state.conn().await?;
        // What a token may do never changes.
        covered(&tokens::get(&mut conn, allowed.workspace, id).await?.scopes, allowed.caller.scopes())?;
        let maker = allowed.caller.user_id();
        Ok(tokens::rotate(&mut conn, allowed.workspace, id, &hash, maker, &allowed.by).await?)
    };
    let rotated = state.run(rotate).await?;
    Ok(HttpResponse::Ok()
        .json(TokenView { token: Some(secret.reveal().to_owned()), ..TokenView::new(&rotated) }))
}

/// Revokes a token: it is dead at once.
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
    allowed: Authorized<WorkspaceAdmin>,
    PathId(id): PathId<TokenId>,
) -> ApiResult<HttpResponse> {
    let delete = async move |state: State| {
        Ok(tokens::delete(&mut *state.conn().await?, allowed.workspace, id, &allowed.by).await?)
    };
    state.run(delete).await?;
    Ok(HttpResponse::NoContent().finish())
}
