//! Workspaces: those of a user, the current one, and its signing secret.

use actix_web::{HttpResponse, delete, get, patch, post, web};
use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};
use std::num::NonZeroU32;
use trigrun_core::{
    domain::{
        id::WorkspaceId,
        invalid::{Checked, FieldErrors},
        user::{MAX_CREATED_WORKSPACES, Role, User},
        workspace::{self, Suspension, Workspace, WorkspacePlan},
    },
    store::{
        StoreError, members,
        signing::{self, Signing},
        workspace_keys, workspaces,
    },
};
use utoipa::ToSchema;

use crate::{
    auth::{AnyScope, Authorized, Caller, SessionUser, WorkspaceAdmin, check_confirmed},
    extract::{
        body::{EmptyBody, JsonText, required},
        query::Force,
        read_only::ReadOnly,
        values::given,
    },
    problem::{Problem, ProblemBody, ProblemCode},
    quotas::Plan,
    result::ApiResult,
    routes::{auth::MembershipView, suspension::SuspensionView},
    state::State,
    time::instant,
};

/// The secret with which TrigRun signs every outgoing request, as specified by Standard Webhooks.
#[derive(Serialize, ToSchema)]
#[schema(as = SigningSecret)]
pub struct SigningView {
    #[schema(example = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")]
    secret: String,
    /// The secret before the last rotation. Until valid_until, TrigRun signs with both.
    previous: Option<PreviousView>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = PreviousSigningSecret)]
pub struct PreviousView {
    secret: String,
    #[schema(format = DateTime)]
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

/// Returns the signing secret, with which receivers verify `webhook-signature`.
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
    auth: Authorized<WorkspaceAdmin>,
) -> ApiResult<HttpResponse> {
    auth.caller.check_confirmed(auth.by.at)?;
    let mut conn = state.conn().await?;
    let key = workspace_keys::data_key(&mut conn, auth.workspace, &state.keys).await?;
    let signing = signing::get(&mut conn, auth.workspace, &key, state.clock.now()).await?;
    Ok(HttpResponse::Ok().json(SigningView::new(&signing)))
}

/// Rotates the signing secret. Old and new secret both sign for 24 hours. During this time, another rotation requires `force=true`, which
/// invalidates the older secret immediately.
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
    auth: Authorized<WorkspaceAdmin, Force>,
    _: EmptyBody,
) -> ApiResult<HttpResponse> {
    auth.caller.check_confirmed(auth.by.at)?;
    let Force { force } = auth.query;
    let (workspace, by) = (auth.workspace, auth.by);
    let rotated = state.run(async move |state| {
        let mut conn = state.conn().await?;
        let key = workspace_keys::data_key(&mut conn, workspace, &state.keys).await?;
        match signing::rotate(&mut conn, workspace, &key, &by, force).await {
            Err(error) if error.is_conflict("overlap") => Err(Problem::new(
                ProblemCode::RotationPending,
                "The previous secret is still valid. Wait until it expires, or add ?force=true to invalidate it now.",
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
    #[schema(required, min_length = 1, max_length = 200, example = "billing")]
    name: Option<String>,
}

/// The fields to change.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
#[schema(as = WorkspacePatch)]
pub struct WorkspacePatchBody {
    #[serde(deserialize_with = "given")]
    #[schema(value_type = Option<String>, nullable = false, min_length = 1, max_length = 200, example = "billing")]
    name: Option<Option<String>>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = Workspace)]
pub struct WorkspaceView {
    #[schema(example = "ws_01k9x2v6m8f5q0c3r7t1w4y6za")]
    id: String,
    name: String,
    quotas: QuotasView,
    suspended: Option<SuspensionView>,
}

/// The limits of the workspace: its own, and otherwise those of its plan. Null means no limit.
#[derive(Serialize, ToSchema)]
#[schema(as = Quotas)]
pub struct QuotasView {
    jobs: Option<u32>,
    tokens: Option<u32>,
    /// Executions whose time a client chooses: run-now, replay, one_time and scheduled jobs. Fires of recurring and cron jobs do not count.
    executions_per_minute: Option<u32>,
    /// With the users who are invited.
    members: Option<u32>,
    /// There are never more than 100.
    channels: Option<u32>,
}

const READ_ONLY: ReadOnly = ReadOnly { fixed: &["id"], moving: &["quotas", "suspended"], masked: &[] };

impl WorkspaceView {
    fn new(workspace: Workspace, plan: Plan, suspension: Option<&Suspension>) -> Self {
        let quotas = QuotasView {
            jobs: plan.jobs(),
            tokens: plan.tokens(),
            executions_per_minute: plan.executions_per_minute().map(NonZeroU32::get),
            members: plan.members(),
            channels: plan.channels(),
        };
        let suspended = suspension.map(SuspensionView::from);
        Self { id: workspace.id.to_string(), name: workspace.name, quotas, suspended }
    }
}

/// The workspaces of a user.
#[derive(Serialize, ToSchema)]
#[schema(as = Memberships)]
pub struct MembershipsView {
    data: Vec<MembershipView>,
}

fn check_name(errors: &mut FieldErrors, name: Option<String>) -> Checked<String> {
    required(errors, "/name", name).and_then(|name| errors.take("/name", workspace::name(&name)))
}

/// Lists the workspaces of the caller, with the caller's role. Requires a session.
#[utoipa::path(
    operation_id = "list_workspaces", tag = "workspace",
    responses(
        (status = 200, body = MembershipsView),
    ),
    security(("token" = [])),
)]
#[get("/workspaces")]
pub async fn list_workspaces(state: web::Data<State>, caller: SessionUser) -> ApiResult<HttpResponse> {
    let memberships = members::of_user(&mut *state.conn().await?, caller.user.id).await?;
    Ok(HttpResponse::Ok()
        .json(MembershipsView { data: memberships.iter().map(MembershipView::from).collect() }))
}

/// Creates a workspace that the caller owns. Requires a session.
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
    caller: SessionUser,
    text: JsonText,
) -> ApiResult<HttpResponse> {
    let mut errors = FieldErrors::default();
    let WorkspaceBody { name } = text.read(&mut errors).await?;
    let name = check_name(&mut errors, name);
    let workspace = Workspace { id: WorkspaceId::at(caller.by.at), name: errors.finish(name)? };
    let (owner, by, new) = (caller.user.id, caller.by, workspace.clone());
    let create = async move |state: State| {
        members::create_with_owner(&mut *state.conn().await?, &new, owner, &by).await.map_err(create_failed)
    };
    state.run(create).await?;
    // Of the default plan, until an operator assigns another.
    let plan = state.quotas.of(&WorkspacePlan::default());
    Ok(HttpResponse::Created().json(WorkspaceView::new(workspace, plan, None)))
}

fn create_failed(error: StoreError) -> Problem {
    if error.is_conflict("full") {
        let detail = format!(
            "A user can create at most {MAX_CREATED_WORKSPACES} workspaces, counting those that belong to others now. One that is deleted no longer counts."
        );
        return Problem::new(ProblemCode::TooManyWorkspaces, detail);
    }
    if error.is_conflict("suspended") {
        let detail = "The operator has suspended a workspace that you created. You can create others when it is resumed or deleted.";
        return Problem::new(ProblemCode::WorkspaceSuspended, detail);
    }
    error.into()
}

/// Returns the workspace of the token, and its quotas.
#[utoipa::path(
    operation_id = "get_workspace", tag = "workspace",
    responses(
        (status = 200, body = WorkspaceView),
    ),
    security(("token" = [])),
)]
#[get("/workspace")]
pub async fn get_workspace(state: web::Data<State>, auth: Authorized<AnyScope>) -> ApiResult<HttpResponse> {
    let workspace = workspaces::get(&mut *state.conn().await?, auth.workspace).await?;
    Ok(HttpResponse::Ok().json(WorkspaceView::new(workspace, auth.plan, auth.suspension.as_ref())))
}

/// Renames the workspace.
#[utoipa::path(
    operation_id = "patch_workspace", tag = "workspace", request_body = WorkspacePatchBody,
    responses(
        (status = 200, body = WorkspaceView),
    ),
    security(("token" = ["workspace:admin"])),
)]
#[patch("/workspace")]
pub async fn patch_workspace(
    state: web::Data<State>,
    auth: Authorized<WorkspaceAdmin>,
    text: JsonText,
) -> ApiResult<HttpResponse> {
    let mut errors = FieldErrors::default();
    let own = workspaces::get(&mut *state.conn().await?, auth.workspace).await?;
    let text = READ_ONLY.leave_out(text, &WorkspaceView::new(own, auth.plan, None), &mut errors);
    let WorkspacePatchBody { name } = text.read(&mut errors).await?;
    let name = name.map(|name| check_name(&mut errors, name)).transpose();
    let (name, plan) = (errors.finish(name)?, auth.plan);
    let rename = async move |state: State| {
        let mut conn = state.conn().await?;
        if let Some(name) = name {
            workspaces::rename(&mut conn, auth.workspace, &name, &auth.by).await?;
        }
        Ok(workspaces::get(&mut conn, auth.workspace).await?)
    };
    let workspace = state.run(rename).await?;
    // A suspended workspace cannot be renamed.
    Ok(HttpResponse::Ok().json(WorkspaceView::new(workspace, plan, None)))
}

/// Deletes the workspace with everything in it, immediately and irrevocably. Requires an owner with a session.
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
    auth: Authorized<WorkspaceAdmin>,
) -> ApiResult<HttpResponse> {
    let Caller::User { user: User { id: owner, .. }, role: Role::Owner, session } = auth.caller else {
        let detail = "Only an owner with a session can delete a workspace.";
        return Err(Problem::new(ProblemCode::OwnerRequired, detail));
    };
    check_confirmed(&session, auth.by.at)?;
    let (workspace, by) = (auth.workspace, auth.by);
    state
        .run(async move |state| {
            workspaces::delete(&mut *state.conn().await?, workspace, by.at).await?;
            // The audit log is deleted with the workspace, so the process log records this.
            tracing::info!(%workspace, %owner, request_id = by.request_id, "workspace deleted");
            Ok(())
        })
        .await?;
    Ok(HttpResponse::NoContent().finish())
}
