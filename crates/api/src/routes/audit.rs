//! The audit log: who changed secrets, tokens, members, channels and the workspace's settings.

use actix_web::{HttpResponse, get, web};
use serde::Serialize;
use std::collections::BTreeMap;
use trigrun_core::{
    domain::audit::{Action, Actor, AuditEntry, Target},
    store::audit::{self, Filter},
};
use utoipa::ToSchema;

use crate::{
    auth::{Authorized, WorkspaceAdmin},
    enums,
    extract::query::{Paged, Parameters, query},
    result::ApiResult,
    routes::list::ListView,
    state::State,
    time::instant,
};

/// A change. It contains ids and names, never secret values.
#[derive(Serialize, ToSchema)]
#[schema(as = AuditEntry)]
pub struct AuditEntryView {
    #[schema(example = "aud_01k9x2v6m8f5q0c3r7t1w4y6za")]
    id: String,
    #[schema(format = DateTime)]
    created_at: String,
    actor: ActorView,
    #[schema(value_type = enums::AuditAction, example = "secret.changed")]
    action: String,
    target: TargetView,
    /// Details of the action as text, for example a role, scopes or a version.
    #[schema(example = json!({ "version": "2" }))]
    details: BTreeMap<String, String>,
    /// The id of the request, as in its response and in the logs; null for a command of the operator.
    request_id: Option<String>,
    /// The network address of the client.
    address: Option<String>,
}

/// Who made the change, with the name at that time.
#[derive(Serialize, ToSchema)]
#[schema(as = AuditActor)]
pub struct ActorView {
    /// operator: a command of `trigrun-api`.
    #[schema(value_type = enums::ActorType)]
    r#type: &'static str,
    /// usr_… or tok_…; null for the operator.
    id: Option<String>,
    /// The e-mail address of a user, or the name of a token.
    name: Option<String>,
}

/// The object of the change, with its name at that time.
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

impl From<&Target> for TargetView {
    fn from(target: &Target) -> Self {
        Self { id: target.id.clone(), name: target.name.clone() }
    }
}

impl AuditEntryView {
    fn new(entry: &AuditEntry) -> Self {
        Self {
            id: entry.id.to_string(),
            created_at: instant(entry.at),
            actor: ActorView::from(&entry.actor),
            action: entry.action.clone(),
            target: TargetView::from(&entry.target),
            details: entry.details.iter().cloned().collect(),
            request_id: entry.request_id.clone(),
            address: entry.address.clone(),
        }
    }
}

query! {
    pub struct AuditFilter {
        /// Only this action.
        #[param(value_type = Option<enums::AuditAction>)]
        action: Option<Action> = Parameters::parsed,
    }
}

/// Lists the audit log: changes to secrets, tokens, members, channels and the workspace itself, newest first.
#[utoipa::path(
    operation_id = "list_audit_log", tag = "workspace",
    params(Paged::<AuditFilter>),
    responses((status = 200, body = ListView<AuditEntryView>)),
    security(("token" = ["workspace:admin"])),
)]
#[get("/audit-log")]
pub async fn list_audit_log(
    state: web::Data<State>,
    auth: Authorized<WorkspaceAdmin, Paged<AuditFilter>>,
) -> ApiResult<HttpResponse> {
    let Paged { filter, page, filters } = auth.query;
    let filter = Filter { action: filter.action };
    let list = audit::list(&mut *state.connections.for_list().await?, auth.workspace, filter, page).await?;
    Ok(HttpResponse::Ok().json(ListView::new(list, &filters, |entry| entry.id.uuid(), AuditEntryView::new)))
}
