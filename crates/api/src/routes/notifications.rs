//! The log of notifications.

use actix_web::{HttpResponse, get, web};
use serde::Serialize;
use trigrun_core::{
    domain::{
        id::{ChannelId, ExecutionId, NotificationId},
        job::key::JobRef,
        notification::{Notification, NotificationAttempt, NotificationStatus},
    },
    store::notifications::{self, Filter},
};
use utoipa::ToSchema;

use crate::{
    auth::{Authorized, NotificationsWrite},
    enums,
    extract::{
        path::PathId,
        query::{Paged, Parameters, query},
    },
    job_refs::resolve_one,
    result::ApiResult,
    routes::list::ListView,
    state::State,
    time::instant,
};

/// One message about one execution to one channel.
#[derive(Serialize, ToSchema)]
#[schema(as = Notification)]
pub struct NotificationView {
    #[schema(example = "ntf_01k9x2v6m8f5q0c3r7t1w4y6za")]
    id: String,
    channel_id: String,
    /// Null, like job_id and execution_id, for a test of the channel.
    rule_id: Option<String>,
    job_id: Option<String>,
    execution_id: Option<String>,
    /// What the notification reports.
    #[schema(value_type = enums::NotificationEvent)]
    event: &'static str,
    #[schema(value_type = enums::NotificationStatus)]
    status: &'static str,
    /// The error class of the last attempt, if the notification failed.
    error_class: Option<String>,
    #[schema(format = DateTime)]
    next_attempt_at: Option<String>,
    #[schema(format = DateTime)]
    created_at: String,
    #[schema(format = DateTime)]
    finished_at: Option<String>,
    attempts: Vec<DeliveryAttemptView>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = NotificationAttempt)]
pub struct DeliveryAttemptView {
    number: u16,
    #[schema(value_type = enums::AttemptStatus)]
    status: &'static str,
    /// The status code of HTTP or SMTP.
    status_code: Option<u16>,
    error_class: Option<String>,
    /// A sentence with the likely cause.
    error: Option<String>,
    #[schema(format = DateTime)]
    started_at: String,
    /// Milliseconds.
    duration_ms: f64,
}

impl NotificationView {
    pub fn new(notification: &Notification) -> Self {
        Self {
            id: notification.id.to_string(),
            channel_id: notification.channel.to_string(),
            rule_id: notification.rule.map(|id| id.to_string()),
            job_id: notification.job.map(|id| id.to_string()),
            execution_id: notification.execution.map(|id| id.to_string()),
            event: notification.event.as_str(),
            status: notification.status.as_str(),
            error_class: notification.error_class.clone(),
            next_attempt_at: notification.next_attempt_at.map(instant),
            created_at: instant(notification.created_at),
            finished_at: notification.finished_at.map(instant),
            attempts: notification.attempts.iter().map(DeliveryAttemptView::new).collect(),
        }
    }
}

impl DeliveryAttemptView {
    fn new(attempt: &NotificationAttempt) -> Self {
        Self {
            number: attempt.number,
            status: attempt.status.as_str(),
            status_code: attempt.status_code,
            error_class: attempt.error_class.clone(),
            error: attempt.error.clone(),
            started_at: instant(attempt.started_at),
            duration_ms: attempt.total.as_secs_f64() * 1000.0,
        }
    }
}

query! {
    pub struct NotificationFilter {
        /// Notifications with this status.
        #[param(value_type = Option<enums::NotificationStatus>)]
        status: Option<NotificationStatus> = Parameters::parsed,
        #[param(value_type = Option<String>)]
        channel_id: Option<ChannelId> = Parameters::parsed,
        /// Notifications about the job with this id or key.
        #[param(value_type = Option<String>)]
        job_id: Option<JobRef> = Parameters::parsed,
        #[param(value_type = Option<String>)]
        execution_id: Option<ExecutionId> = Parameters::parsed,
    }
}

/// Lists notifications with their attempts, newest first.
#[utoipa::path(
    operation_id = "list_notifications", tag = "notifications",
    params(Paged::<NotificationFilter>),
    responses((status = 200, body = ListView<NotificationView>)),
    security(("token" = ["notifications:write"])),
)]
#[get("/notifications")]
pub async fn list_notifications(
    state: web::Data<State>,
    auth: Authorized<NotificationsWrite, Paged<NotificationFilter>>,
) -> ApiResult<HttpResponse> {
    let Paged { filter, page, filters } = auth.query;
    let NotificationFilter { status, channel_id, job_id, execution_id } = filter;
    let job = resolve_one(&state, auth.workspace, job_id.as_ref()).await?;
    let filter = Filter { status, channel: channel_id, job, execution: execution_id };
    let list =
        notifications::list(&mut *state.connections.for_list().await?, auth.workspace, &filter, page).await?;
    Ok(HttpResponse::Ok().json(ListView::new(
        list,
        &filters,
        |notification| notification.id.uuid(),
        NotificationView::new,
    )))
}

/// Returns a notification with its attempts.
#[utoipa::path(
    operation_id = "get_notification", tag = "notifications", params(("id" = String, Path)),
    responses((status = 200, body = NotificationView)),
    security(("token" = ["notifications:write"])),
)]
#[get("/notifications/{id}")]
pub async fn get_notification(
    state: web::Data<State>,
    auth: Authorized<NotificationsWrite>,
    PathId(id): PathId<NotificationId>,
) -> ApiResult<HttpResponse> {
    let notification = notifications::get(&mut *state.conn().await?, auth.workspace, id).await?;
    Ok(HttpResponse::Ok().json(NotificationView::new(&notification)))
}
