//! Secrets: values that requests contain. The API accepts values and never returns them.

use actix_web::{HttpResponse, delete, get, http::header, post, put, web};
use serde::{Deserialize, Serialize};
use trigrun_core::{
    domain::{
        invalid::{Checked, FieldErrors, both},
        secret,
    },
    store::{
        secrets::{self, NewValue, Secret, User as JobUsing},
        workspace_keys,
    },
};
use utoipa::ToSchema;

use crate::{
    auth::{Authorized, SecretsWrite},
    extract::{
        body::{JsonText, required},
        query::{Force, NoParameters, Paged},
    },
    problem::{Problem, ProblemBody, ProblemCode},
    result::ApiResult,
    routes::list::ListView,
    sought::sought,
    state::State,
    time::instant,
};

/// A new secret.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
#[schema(as = SecretInput)]
pub struct SecretBody {
    /// Characters of a-z, 0-9, - and _, starting with a letter or digit.
    #[schema(
        required,
        min_length = 1,
        max_length = 64,
        pattern = "^[a-z0-9][a-z0-9_-]*$",
        example = "stripe-key"
    )]
    name: Option<String>,
    /// At most 8,192 bytes in UTF-8, without line breaks. No response contains it.
    #[schema(required, min_length = 1, max_length = 8192, example = "sk_live_…", write_only)]
    value: Option<String>,
}

/// A new value of a secret.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
#[schema(as = SecretValueInput)]
pub struct ValueBody {
    /// At most 8,192 bytes in UTF-8, without line breaks. No response contains it.
    #[schema(required, min_length = 1, max_length = 8192, write_only)]
    value: Option<String>,
}

/// A secret without its value.
#[derive(Serialize, ToSchema)]
#[schema(as = Secret)]
pub struct SecretView {
    #[schema(example = "sec_01k9x2v6m8f5q0c3r7t1w4y6za")]
    id: String,
    name: String,
    /// Incremented by every new value.
    version: i32,
    /// Jobs whose current version references the secret, at most 100. Absent in lists.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    used_by: Option<Vec<JobUsingView>>,
    /// What is allowed but may be unintended, such as a value that is too short to be redacted.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    warnings: Vec<String>,
    #[schema(format = DateTime)]
    created_at: String,
    #[schema(format = DateTime)]
    updated_at: String,
}

#[derive(Serialize, ToSchema)]
#[schema(as = SecretUser)]
pub struct JobUsingView {
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
            warnings: Vec::new(),
            created_at: instant(secret.created_at),
            updated_at: instant(secret.updated_at),
        }
    }
}

/// Creates a secret. Headers of jobs reference it as `secret://name`.
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
    auth: Authorized<SecretsWrite>,
    text: JsonText,
) -> ApiResult<HttpResponse> {
    let mut errors = FieldErrors::default();
    let SecretBody { name, value } = text.read(&mut errors).await?;
    let name =
        required(&mut errors, "/name", name).and_then(|name| errors.take("/name", secret::name(&name)));
    let value = check_value(&mut errors, value);
    let (name, value) = errors.finish(both(name, value))?;
    let (location, warnings) = (location(&name), secret::warning(&value).into_iter().collect());
    let (stored, _) = store(&state, auth, (name, value), Existing::Refuse).await?;
    Ok(HttpResponse::Created()
        .insert_header(location)
        .json(SecretView { warnings, ..SecretView::new(&stored) }))
}

/// Lists secrets without their values, newest first.
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
    auth: Authorized<SecretsWrite, Paged>,
) -> ApiResult<HttpResponse> {
    let Paged { page, filters, .. } = auth.query;
    let list = secrets::list(&mut *state.connections.for_list().await?, auth.workspace, page).await?;
    Ok(HttpResponse::Ok().json(ListView::new(list, &filters, |secret| secret.id.uuid(), SecretView::new)))
}

/// Returns a secret without its value, and the jobs that use it.
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
    auth: Authorized<SecretsWrite>,
    name: web::Path<String>,
) -> ApiResult<HttpResponse> {
    let name = valid_name(&name)?;
    let mut conn = state.conn().await?;
    let secret = secrets::get(&mut conn, auth.workspace, &name).await?;
    let jobs = secrets::jobs_using(&mut conn, auth.workspace, &name).await?;
    let view = |job: JobUsing| JobUsingView { job_id: job.job.to_string(), name: job.name };
    let used_by = Some(jobs.into_iter().map(view).collect());
    Ok(HttpResponse::Ok().json(SecretView { used_by, ..SecretView::new(&secret) }))
}

/// Changes the value of a secret, or creates the secret. The value applies from the next attempt on.
#[utoipa::path(
    operation_id = "put_secret", tag = "secrets", params(("name" = String, Path)), request_body = ValueBody,
    responses(
        (status = 200, description = "The secret has the new value.", body = SecretView),
        (status = 201, body = SecretView, headers(("Location" = String))),
    ),
    security(("token" = ["secrets:write"])),
)]
#[put("/secrets/{name}")]
pub async fn put_secret(
    state: web::Data<State>,
    auth: Authorized<SecretsWrite>,
    name: web::Path<String>,
    text: JsonText,
) -> ApiResult<HttpResponse> {
    let mut errors = FieldErrors::default();
    let ValueBody { value } = text.read(&mut errors).await?;
    let name = errors.take("{name}", secret::name(&name));
    let value = check_value(&mut errors, value);
    let (name, value) = errors.finish(both(name, value))?;
    let (location, warnings) = (location(&name), secret::warning(&value).into_iter().collect());
    let (stored, is_new) = store(&state, auth, (name, value), Existing::Replace).await?;
    let mut response = if is_new { HttpResponse::Created() } else { HttpResponse::Ok() };
    if is_new {
        response.insert_header(location);
    }
    Ok(response.json(SecretView { warnings, ..SecretView::new(&stored) }))
}

/// What happens if the secret exists.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Existing {
    Refuse,
    Replace,
}

/// Seals and stores the value; `true` if the secret is new.
async fn store(
    state: &State,
    auth: Authorized<SecretsWrite>,
    (name, value): (String, String),
    existing: Existing,
) -> ApiResult<(Secret, bool)> {
    let stored = state.run(async move |state| {
        let mut conn = state.conn().await?;
        let key = workspace_keys::data_key(&mut conn, auth.workspace, &state.keys).await?;
        let new = NewValue { name: &name, value: &value, key: &key, by: &auth.by };
        if existing == Existing::Replace {
            return Ok(secrets::put(&mut conn, auth.workspace, new).await?);
        }
        match secrets::insert(&mut conn, auth.workspace, new).await {
            Err(error) if error.is_conflict("secrets_name") => {
                let detail =
                    format!("The secret {name} already exists. PUT /v1/secrets/{name} changes its value.");
                Err(Problem::new(ProblemCode::SecretExists, detail))
            }
            stored => Ok((stored?, true)),
        }
    });
    stored.await
}

fn location(name: &str) -> (header::HeaderName, String) {
    (header::LOCATION, format!("/v1/secrets/{name}"))
}

/// Deletes a secret. While jobs use it, this requires `force=true`. Executions of these jobs then fail, and send nothing.
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
    auth: Authorized<SecretsWrite, Force>,
    name: web::Path<String>,
) -> ApiResult<HttpResponse> {
    let Force { force } = auth.query;
    let name = valid_name(&name)?;
    let mut conn = state.conn().await?;
    secrets::get(&mut conn, auth.workspace, &name).await?;
    if !force {
        let jobs = secrets::jobs_using(&mut conn, auth.workspace, &name).await?;
        check_unused(&jobs)?;
    }
    drop(conn);
    let delete = async move |state: State| {
        let mut conn = state.conn().await?;
        Ok(secrets::delete(&mut conn, auth.workspace, &name, &auth.by).await?)
    };
    state.run(delete).await?;
    Ok(HttpResponse::NoContent().finish())
}

fn check_unused(jobs: &[JobUsing]) -> ApiResult<()> {
    const MAX_NAMED: usize = 5;
    if jobs.is_empty() {
        return Ok(());
    }
    let named: Vec<String> = jobs.iter().take(MAX_NAMED).map(|job| job.job.to_string()).collect();
    let more = if jobs.len() > MAX_NAMED { " and others" } else { "" };
    let detail = format!(
        "These jobs use the secret: {}{more}. Add ?force=true to delete it anyway.",
        named.join(", ")
    );
    Err(Problem::new(ProblemCode::SecretInUse, detail))
}

fn check_value(errors: &mut FieldErrors, value: Option<String>) -> Checked<String> {
    let value = required(errors, "/value", value)?;
    errors.take("/value", secret::value(&value)).map(|()| value)
}

/// An invalid name is not found.
fn valid_name(name: &str) -> ApiResult<String> {
    sought("There is no secret with this name in this workspace.");
    secret::name(name).map_err(|_| Problem::not_found())
}
