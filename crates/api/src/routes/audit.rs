//! The audit log: who changed secrets, tokens, members, channels and the workspace's settings.

use actix_web::{HttpResponse, get, web};
use serde::Serialize;
use std::collections::BTreeMap;
use trigrun_core::{
    domain::audit::{Action, Actor, Entry as AuditEntry},
    store::audit::{self, Filter},
};
use utoipa::ToSchema;

use crate::{
    auth::{Authorized, WorkspaceAdmin},
    extract::query::{Paged, Parameters, query},
    result::ApiResult,
    routes::list::ListView,
    state::State,
    time::instant,
};

/// One change. It names things, and never holds a value.
#[derive(Serialize, ToSchema)]
#[schema(as = AuditEntry)]
pub struct EntryView {
    #[schema(example = "aud_01k9x2v6m8f5q0c3r7t1w4y6za")]
    id: String,
    created_at: String,
    actor: ActorView,
    /// What was done, like secret.changed. There may be new ones at any time.
    #[schema(example = "secret.changed")]
    action: String,
    target: TargetView,
    /// What else is to be said of it, as text: a role, scopes, a version.
    #[schema(example = json!({ "version": "2" }))]
    details: BTreeMap<String, String>,
    /// Of the request, as its answer and the logs have it; null if it was a command of the operator's.
    request_id: Option<String>,
    /// The network address that it came from.
    address: Option<String>,
}

/// Who did it, and what they were called then.
#[derive(Serialize, ToSchema)]
#[schema(as = AuditActor)]
pub struct ActorView {
    /// user, token, or operator: whoever has a shell where TrigRun runs.
    r#type: &'static str,
    /// usr_… or tok_…; null for the operator.
    id: Option<String>,
    /// The e-mail address of a user, the name of a token.
    name: Option<String>,
}

/// What it was done to, and what that was called then.
#[derive(Serialize, ToSchema)]
#[schema(as = AuditTarget)]
pub struct TargetView {
    id: String,
    name: Option<String>,
}

impl From<&Actor> for ActorView {
    fn from(actor: &Actor) -> Self {
        let (r#type, id, name) = match actor {
            Actor::User { id, email } => ("user", Some(id.to_string()), Some(email.clone())),
            Actor::Token { id, name } => ("token", Some(id.to_string()), Some(name.clone())),
            Actor::Operator => ("operator", None, None),
        };
        Self { r#type, id, name }
    }
}

impl EntryView {
    fn new(entry: &AuditEntry) -> Self {
        Self {
            id: entry.id.to_string(),
            created_at: instant(entry.at),
            actor: ActorView::from(&entry.actor),
            action: entry.action.clone(),
            target: TargetView { id: entry.target.id.clone(), name: entry.target.name.clone() },
            details: entry.details.iter().cloned().collect(),
            request_id: entry.request_id.clone(),
            address: entry.address.clone(),
        }
    }
}

query! {
    pub struct AuditFilter {
        /// Only this action, for example token.created.
        #[param(value_type = Option<String>)]
        action: Option<Action> = Parameters::parsed,
    }
}

/// Lists changes to secrets, tokens, members, channels and the workspace itself, newest first.
#[utoipa::path(
    operation_id = "list_audit_log", tag = "workspace",
    params(Paged::<AuditFilter>),
    responses((status = 200, body = ListView<EntryView>)),
    security(("token" = ["workspace:admin"])),
)]
#[get("/audit-log")]
pub async fn list_audit_log(
    state: web::Data<State>,
    allowed: Authorized<WorkspaceAdmin, Paged<AuditFilter>>,
) -> ApiResult<HttpResponse> {
    let Paged { filter, page, filters } = allowed.query;
    let filter = Filter { action: filter.action };
    let list = audit::list(&mut *state.conn().await?, allowed.workspace, filter, page).await?;
    Ok(HttpResponse::Ok().json(ListView::new(list, &filters, EntryView::new)))
}
