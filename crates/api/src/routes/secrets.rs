//! Secrets: values that requests need and nobody may read. A value goes in, and never comes out again.

use actix_web::{
    HttpResponse, delete, get,
    http::{StatusCode, header},
    post, put, web,
};
use serde::{Deserialize, Serialize};
use trigrun_core::{
    domain::{audit::Author, id::WorkspaceId, invalid::FieldErrors, secret},
    store::{
        secrets::{self, NewValue, Secret, User},
        workspace_keys,
    },
};
use utoipa::ToSchema;

use crate::{
    auth::{Authorized, SecretsWrite},
    extract::{
        body::{JsonText, read, required},
        query::{Force, NoParameters, Paged},
    },
    problem::{Problem, ProblemBody},
    result::ApiResult,
    routes::list::ListView,
    state::State,
    time::instant,
};

/// A new secret.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
#[schema(as = SecretInput)]
pub struct SecretBody {
    /// 1 to 64 of a-z, 0-9, - and _; begins with a letter or digit.
    #[schema(required, example = "stripe-key")]
    name: Option<String>,
    /// 1 to 8,192 bytes without line breaks. Never shown again.
    #[schema(required, example = "sk_live_…", write_only)]
    value: Option<String>,
}

/// A new value of a secret.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
#[schema(as = SecretValue)]
pub struct ValueBody {
    #[schema(required, write_only)]
    value: Option<String>,
}

/// What may be known of a secret: everything but its value.
#[derive(Serialize, ToSchema)]
#[schema(as = Secret)]
pub struct SecretView {
    #[schema(example = "sec_01k9x2v6m8f5q0c3r7t1w4y6za")]
    id: String,
    name: String,
    /// Raised by every new value.
    version: i32,
    /// Jobs that mention it now, at most 100; only where a single secret is asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false)]
    used_by: Option<Vec<UserView>>,
    created_at: String,
    updated_at: String,
}

#[derive(Serialize, ToSchema)]
#[schema(as = SecretUser)]
pub struct UserView {
    job_id: String,
    name: String,
}

impl SecretView {
    fn new(secret: &Secret) -> Self {
        Self {
            id: secret.id.to_string(),
            name: secret.name.clone(),
            version: secret.version,
            used_by: None,
            created_at: instant(secret.created_at),
            updated_at: instant(secret.updated_at),
        }
    }
}

/// Stores a value under a name. Headers of jobs mention it as `secret://name`.
#[utoipa::path(
    operation_id = "create_secret", tag = "secrets", request_body = SecretBody,
    responses(
        (status = 201, body = SecretView, headers(("Location" = String))),
        (status = 409, body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("token" = ["secrets:write"])),
)]
#[post("/secrets")]
pub async fn create_secret(
    state: web::Data<State>,
    allowed: Authorized<SecretsWrite>,
    text: JsonText,
) -> ApiResult<HttpResponse> {
    let mut errors = FieldErrors::default();
    let SecretBody { name, value } = read(text.object()?, &mut errors)?;
    let name =
        required(&mut errors, "/name", name).and_then(|name| errors.take("/name", secret::name(&name)));
    let value = checked(&mut errors, value);
    Problem::validation(errors)?;
    let (name, value) = name.zip(value).ok_or_else(Problem::internal)?;
    let location = (header::LOCATION, format!("/v1/secrets/{name}"));
    let stored = store(&state, allowed.workspace, allowed.by, (name, value), true).await?;
    Ok(HttpResponse::Created().insert_header(location).json(SecretView::new(&stored)))
}

/// Lists secrets, newest first. Values are not shown, here or anywhere.
#[utoipa::path(
    operation_id = "list_secrets", tag = "secrets",
    params(Paged::<NoParameters>),
    responses(
        (status = 200, body = ListView<SecretView>),
    ),
    security(("token" = ["secrets:write"])),
)]
#[get("/secrets")]
pub async fn list_secrets(
    state: web::Data<State>,
    allowed: Authorized<SecretsWrite, Paged>,
) -> ApiResult<HttpResponse> {
    let Paged { page, filters, .. } = allowed.query;
    let list = secrets::list(&mut *state.conn().await?, allowed.workspace, page).await?;
    Ok(HttpResponse::Ok().json(ListView::new(list, &filters, SecretView::new)))
}

/// One secret, without its value, and the jobs that use it.
#[utoipa::path(
    operation_id = "get_secret", tag = "secrets", params(("name" = String, Path)),
    responses(
        (status = 200, body = SecretView),
    ),
    security(("token" = ["secrets:write"])),
)]
#[get("/secrets/{name}")]
pub async fn get_secret(
    state: web::Data<State>,
    allowed: Authorized<SecretsWrite>,
    name: web::Path<String>,
) -> ApiResult<HttpResponse> {
    let name = known(&name)?;
    let mut conn = state.conn().await?;
    let secret = secrets::get(&mut conn, allowed.workspace, &name).await?;
    let users = secrets::jobs_using(&mut conn, allowed.workspace, &name).await?;
    let user = |user: User| UserView { job_id: user.job.to_string(), name: user.name };
    let used_by = Some(users.into_iter().map(user).collect());
    Ok(HttpResponse::Ok().json(SecretView { used_by, ..SecretView::new(&secret) }))
}

/// Gives a secret a new value, which counts from the next attempt on.
#[utoipa::path(
    operation_id = "put_secret", tag = "secrets", params(("name" = String, Path)), request_body = ValueBody,
    responses(
        (status = 200, body = SecretView),
    ),
    security(("token" = ["secrets:write"])),
)]
#[put("/secrets/{name}")]
pub async fn put_secret(
    state: web::Data<State>,
    allowed: Authorized<SecretsWrite>,
    name: web::Path<String>,
    text: JsonText,
) -> ApiResult<HttpResponse> {
    let mut errors = FieldErrors::default();
    let ValueBody { value } = read(text.object()?, &mut errors)?;
    let value = checked(&mut errors, value);
    Problem::validation(errors)?;
    let value = value.ok_or_else(Problem::internal)?;
    let stored = store(&state, allowed.workspace, allowed.by, (known(&name)?, value), false).await?;
    Ok(HttpResponse::Ok().json(SecretView::new(&stored)))
}

/// Deletes a secret. While jobs mention it, only with `force=true`: their executions fail then, and nothing is sent.
#[utoipa::path(
    operation_id = "delete_secret", tag = "secrets",
    params(("name" = String, Path), Force),
    responses(
        (status = 204),
        (status = 409, body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("token" = ["secrets:write"])),
)]
#[delete("/secrets/{name}")]
pub async fn delete_secret(
    state: web::Data<State>,
    allowed: Authorized<SecretsWrite, Force>,
    name: web::Path<String>,
) -> ApiResult<HttpResponse> {
    let Force { force } = allowed.query;
    let name = known(&name)?;
    let mut conn = state.conn().await?;
    secrets::get(&mut conn, allowed.workspace, &name).await?;
    if !force {
        let users = secrets::jobs_using(&mut conn, allowed.workspace, &name).await?;
        in_use(&users)?;
    }
    drop(conn);
    let delete = async move |state: State| {
        let mut conn = state.conn().await?;
        Ok(secrets::delete(&mut conn, allowed.workspace, &name, &allowed.by).await?)
    };
    state.run(delete).await?;
    Ok(HttpResponse::NoContent().finish())
}

fn in_use(users: &[User]) -> ApiResult<()> {
    const NAMED: usize = 5;
    if users.is_empty() {
        return Ok(());
    }
    let named: Vec<String> = users.iter().take(NAMED).map(|user| user.job.to_string()).collect();
    let more = if users.len() > NAMED { " and others" } else { "" };
    let detail =
        format!("Jobs use it: {}{more}. Add ?force=true to delete it all the same.", named.join(", "));
    Err(Problem::new(StatusCode::CONFLICT, "secret_in_use", detail))
}

fn checked(errors: &mut FieldErrors, value: Option<String>) -> Option<String> {
    let value = required(errors, "/value", value)?;
    errors.take("/value", secret::value(&value)).map(|()| value)
}

/// What is no name is simply not there.
fn known(name: &str) -> ApiResult<String> {
    secret::name(name).map_err(|_| Problem::not_found())
}

async fn store(
    state: &State,
    workspace: WorkspaceId,
    by: Author,
    (name, value): (String, String),
    is_new: bool,
) -> ApiResult<Secret> {
    let stored = state.run(async move |state| {
        let mut conn = state.conn().await?;
        let key = workspace_keys::data_key(&mut conn, workspace, &state.keys).await?;
        let new = NewValue { name: &name, value: &value, key: &key, by: &by };
        if !is_new {
            return Ok(secrets::change(&mut conn, workspace, new).await?);
        }
        match secrets::insert(&mut conn, workspace, new).await {
            Err(error) if error.is_conflict("secrets_name") => {
                let detail =
                    format!("There is a secret {name} already. PUT /v1/secrets/{name} gives it a new value.");
                Err(Problem::conflict("secret_exists", &detail))
            }
            stored => Ok(stored?),
        }
    });
    stored.await
}
