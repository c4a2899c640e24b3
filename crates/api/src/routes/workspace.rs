//! Workspaces: those of a person, this one, and the secret that its requests are signed with.

use actix_web::{HttpResponse, delete, get, http::StatusCode, patch, post, web};
use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};
use std::num::NonZeroU32;
use trigrun_core::{
    domain::{
        id::WorkspaceId,
        invalid::FieldErrors,
        user::{MAX_OWNED, Role, User},
        workspace::{self, Workspace},
    },
    store::{
        StoreError, members,
        signing::{self, Signing},
        workspace_keys, workspaces,
    },
};
use utoipa::ToSchema;

use crate::{
    auth::{AnyScope, Authorized, Caller, SessionUser, WorkspaceAdmin},
    extract::{
        body::{JsonText, read, required},
        query::Force,
    },
    problem::{Problem, ProblemBody},
    result::ApiResult,
    routes::auth::MembershipView,
    state::State,
    time::instant,
};

/// What every outgoing request is signed with, by the Standard Webhooks specification.
#[derive(Serialize, ToSchema)]
#[schema(as = SigningSecret)]
pub struct SigningView {
    #[schema(example = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")]
    secret: String,
    /// The secret before the last rotation: it signs, too, until then.
    previous: Option<PreviousView>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = PreviousSigningSecret)]
pub struct PreviousView {
    secret: String,
    valid_until: String,
}

impl SigningView {
    fn new(signing: &Signing) -> Self {
        Self {
            secret: signing.newest.expose_secret().to_owned(),
            previous: signing.previous.as_ref().map(|previous| PreviousView {
                secret: previous.secret.expose_secret().to_owned(),
                valid_until: instant(previous.until),
            }),
        }
    }
}

/// The signing secret, for those who verify `webhook-signature`.
#[utoipa::path(
    operation_id = "get_signing_secret", tag = "workspace",
    responses(
        (status = 200, body = SigningView),
    ),
    security(("token" = ["workspace:admin"])),
)]
#[get("/workspace/signing-secret")]
pub async fn get_signing_secret(
    state: web::Data<State>,
    allowed: Authorized<WorkspaceAdmin>,
) -> ApiResult<HttpResponse> {
    let mut conn = state.conn().await?;
    let key = workspace_keys::data_key(&mut conn, allowed.workspace, &state.keys).await?;
    let signing = signing::get(&mut conn, allowed.workspace, &key, state.clock.now()).await?;
    Ok(HttpResponse::Ok().json(SigningView::new(&signing)))
}

/// Makes a new signing secret. Old and new both sign for 24 hours; in that time another rotation is refused, unless `force=true`, which ends
/// the older of the two at once.
#[utoipa::path(
    operation_id = "rotate_signing_secret", tag = "workspace", params(Force),
    responses(
        (status = 200, body = SigningView),
        (status = 409, body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("token" = ["workspace:admin"])),
)]
#[post("/workspace/signing-secret/rotate")]
pub async fn rotate_signing_secret(
    state: web::Data<State>,
    allowed: Authorized<WorkspaceAdmin, Force>,
) -> ApiResult<HttpResponse> {
    let Force { force } = allowed.query;
    let (workspace, by) = (allowed.workspace, allowed.by);
    let rotated = state.run(async move |state| {
        let mut conn = state.conn().await?;
        let key = workspace_keys::data_key(&mut conn, workspace, &state.keys).await?;
        match signing::rotate(&mut conn, workspace, &key, &by, force).await {
            Err(error) if error.is_conflict("overlap") => Err(Problem::conflict(
                "rotation_pending",
                "The secret before the present one still signs. Wait until it does not, or add ?force=true to end it now.",
            )),
            rotated => Ok(rotated?),
        }
    });
    Ok(HttpResponse::Ok().json(SigningView::new(&rotated.await?)))
}

#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
#[schema(as = WorkspaceInput)]
pub struct WorkspaceBody {
    /// 1 to 200 characters.
    #[schema(required, example = "billing")]
    name: Option<String>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = Workspace)]
pub struct WorkspaceView {
    #[schema(example = "ws_01k9x2v6m8f5q0c3r7t1w4y6za")]
    id: String,
    name: String,
    quotas: QuotasView,
}

/// What the plan of a workspace allows; null is without limit.
#[derive(Serialize, ToSchema)]
#[schema(as = Quotas)]
pub struct QuotasView {
    jobs: Option<u32>,
    tokens: Option<u32>,
    /// Asked for by run-now, replay and one_time jobs; fires of schedules are not counted.
    executions_per_minute: Option<u32>,
}

impl WorkspaceView {
    async fn of(state: &State, workspace: Workspace) -> ApiResult<Self> {
        let plan = state.quotas.plan(&state.db, workspace.id).await?;
        let executions_per_minute = plan.executions_per_minute().map(NonZeroU32::get);
        let quotas = QuotasView { jobs: plan.jobs(), tokens: plan.tokens(), executions_per_minute };
        Ok(Self { id: workspace.id.to_string(), name: workspace.name, quotas })
    }
}

/// The workspaces of a person.
#[derive(Serialize, ToSchema)]
#[schema(as = Memberships)]
pub struct MembershipsView {
    data: Vec<MembershipView>,
}

fn name_in(text: &JsonText) -> ApiResult<String> {
    let mut errors = FieldErrors::default();
    let WorkspaceBody { name } = read(text.object()?, &mut errors)?;
    let name =
        required(&mut errors, "/name", name).and_then(|name| errors.take("/name", workspace::name(&name)));
    Problem::validation(errors)?;
    name.ok_or_else(Problem::internal)
}

/// The workspaces that one is a member of, and as what. For people who have logged in.
#[utoipa::path(
    operation_id = "list_workspaces", tag = "workspace",
    responses(
        (status = 200, body = MembershipsView),
    ),
    security(("token" = [])),
)]
#[get("/workspaces")]
pub async fn list_workspaces(state: web::Data<State>, person: SessionUser) -> ApiResult<HttpResponse> {
    let memberships = members::of_user(&mut *state.conn().await?, person.user.id).await?;
    Ok(HttpResponse::Ok()
        .json(MembershipsView { data: memberships.iter().map(MembershipView::from).collect() }))
}

/// Makes a workspace, of which one is the owner. For people who have logged in.
#[utoipa::path(
    operation_id = "create_workspace", tag = "workspace", request_body = WorkspaceBody,
    responses(
        (status = 201, body = WorkspaceView),
        (status = 409, body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("token" = [])),
)]
#[post("/workspaces")]
pub async fn create_workspace(
    state: web::Data<State>,
    person: SessionUser,
    text: JsonText,
) -> ApiResult<HttpResponse> {
    let workspace = Workspace { id: WorkspaceId::at(person.by.at), name: name_in(&text)? };
    let (owner, by, new) = (person.user.id, person.by, workspace.clone());
    let made = async move |state: State| {
        members::create_with_owner(&mut *state.conn().await?, &new, owner, &by).await.map_err(not_made)
    };
    state.run(made).await?;
    Ok(HttpResponse::Created().json(WorkspaceView::of(&state, workspace).await?))
}

fn not_made(error: StoreError) -> Problem {
    if error.is_conflict("full") {
        let detail =
            format!("One person owns at most {MAX_OWNED} workspaces; delete one that is no longer needed.");
        return Problem::conflict("too_many_workspaces", &detail);
    }
    error.into()
}

/// The workspace of this token.
#[utoipa::path(
    operation_id = "get_workspace", tag = "workspace",
    responses(
        (status = 200, body = WorkspaceView),
    ),
    security(("token" = [])),
)]
#[get("/workspace")]
pub async fn get_workspace(
    state: web::Data<State>,
    allowed: Authorized<AnyScope>,
) -> ApiResult<HttpResponse> {
    let workspace = workspaces::get(&mut *state.conn().await?, allowed.workspace).await?;
    Ok(HttpResponse::Ok().json(WorkspaceView::of(&state, workspace).await?))
}

/// Renames the workspace.
#[utoipa::path(
    operation_id = "patch_workspace", tag = "workspace", request_body = WorkspaceBody,
    responses(
        (status = 200, body = WorkspaceView),
    ),
    security(("token" = ["workspace:admin"])),
)]
#[patch("/workspace")]
pub async fn patch_workspace(
    state: web::Data<State>,
    allowed: Authorized<WorkspaceAdmin>,
    text: JsonText,
) -> ApiResult<HttpResponse> {
    let name = name_in(&text)?;
    let workspace = Workspace { id: allowed.workspace, name };
    let Workspace { id, name } = workspace.clone();
    let rename = async move |state: State| {
        Ok(workspaces::rename(&mut *state.conn().await?, id, &name, &allowed.by).await?)
    };
    state.run(rename).await?;
    Ok(HttpResponse::Ok().json(WorkspaceView::of(&state, workspace).await?))
}

/// Deletes the workspace with everything in it, at once and for good. For its owners.
#[utoipa::path(
    operation_id = "delete_workspace", tag = "workspace",
    responses(
        (status = 204),
    ),
    security(("token" = ["workspace:admin"])),
)]
#[delete("/workspace")]
pub async fn delete_workspace(
    state: web::Data<State>,
    allowed: Authorized<WorkspaceAdmin>,
) -> ApiResult<HttpResponse> {
    let Caller::User { user: User { id: owner, .. }, role: Role::Owner } = allowed.caller else {
        let detail = "Only an owner who has logged in can delete a workspace.";
        return Err(Problem::new(StatusCode::FORBIDDEN, "owner_required", detail));
    };
    let (workspace, by) = (allowed.workspace, allowed.by);
    state
        .run(async move |state| {
            workspaces::delete(&mut *state.conn().await?, workspace, by.at).await?;
            // Its audit log goes with it.
            tracing::info!(%workspace, %owner, request_id = by.request_id, "a workspace was deleted");
            Ok(())
        })
        .await?;
    Ok(HttpResponse::NoContent().finish())
}
