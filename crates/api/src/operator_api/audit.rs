//! The audit log of the operators.

use actix_web::{HttpResponse, get, web};
use serde::Serialize;
use std::collections::BTreeMap;
use trigrun_core::{domain::operator::OperatorEntry, store::operator_audit};
use utoipa::ToSchema;

use super::auth::OperatorRequest;
use crate::{
    enums,
    extract::query::{Paged, Parameters, query},
    result::ApiResult,
    routes::{audit::TargetView, list::ListView},
    state::State,
    time::instant,
};

/// What an operator has done, and why.
#[derive(Serialize, ToSchema)]
#[schema(as = OperatorAuditEntry)]
pub struct OperatorEntryView {
    #[schema(example = "aud_01k9x2v6m8f5q0c3r7t1w4y6za")]
    id: String,
    #[schema(format = DateTime)]
    created_at: String,
    /// opr_…; null for a command.
    operator_id: Option<String>,
    /// The operator's name at that time.
    #[schema(example = "ada")]
    operator: String,
    #[schema(value_type = enums::OperatorAction, example = "workspace.suspended")]
    action: String,
    #[schema(example = "unpaid since October")]
    reason: String,
    target: TargetView,
    /// Details of the action as text, for example a plan.
    #[schema(example = json!({ "plan": "pro" }))]
    details: BTreeMap<String, String>,
    /// The id of the request, as in its response and in the logs; null for a command.
    request_id: Option<String>,
    /// The network address of the client; null for a command.
    address: Option<String>,
}

impl OperatorEntryView {
    fn new(entry: &OperatorEntry) -> Self {
        Self {
            id: entry.id.to_string(),
            created_at: instant(entry.at),
            operator_id: entry.operator_id.map(|id| id.to_string()),
            operator: entry.operator.clone(),
            action: entry.action.clone(),
            reason: entry.reason.clone(),
            target: TargetView::from(&entry.target),
            details: entry.details.iter().cloned().collect(),
            request_id: entry.request_id.clone(),
            address: entry.address.clone(),
        }
    }
}

query! {
    pub struct OperatorAuditFilter {
        /// Only what was done to the object with this id, or to `installation`. The object may have been deleted.
        target: Option<String> = Parameters::text,
    }
}

/// Lists what operators have done, the newest first. The entries stay, also when their workspaces, users and operators are deleted.
#[utoipa::path(
    operation_id = "list_operator_audit_log", tag = "audit",
    params(Paged::<OperatorAuditFilter>),
    responses((status = 200, body = ListView<OperatorEntryView>)),
    security(("operator" = [])),
)]
#[get("/audit-log")]
pub async fn list_operator_audit_log(
    state: web::Data<State>,
    operator: OperatorRequest<Paged<OperatorAuditFilter>>,
) -> ApiResult<HttpResponse> {
    let Paged { filter, page, filters } = operator.query;
    let mut conn = state.connections.for_list().await?;
    let list = operator_audit::list(&mut conn, filter.target.as_deref(), page).await?;
    Ok(HttpResponse::Ok().json(ListView::new(
        list,
        &filters,
        |entry| entry.id.uuid(),
        OperatorEntryView::new,
    )))
}
