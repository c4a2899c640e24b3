//! Notification channels: where TrigRun notifies a workspace. The API accepts destinations, and returns them only masked.

use actix_web::{HttpResponse, delete, get, http::header, patch, post, web};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use trigrun_core::{
    domain::{
        audit::Author,
        channel::{ChannelType, Destination, MAX_CHANNELS, Wanted},
        id::{ChannelId, JobId, WorkspaceId},
        invalid::{FieldErrors, Invalid, both},
        job,
    },
    store::{
        StoreError,
        channels::{self, Channel, ChannelChange, NewChannel},
        notifications::{self, LastDelivery},
        workspace_keys,
    },
};
use utoipa::ToSchema;

use crate::{
    auth::{Authorized, NotificationsWrite},
    enums,
    extract::{
        body::{EmptyBody, JsonText, required},
        path::PathId,
        query::{Force, NoParameters, Paged},
        read_only::ReadOnly,
        values::{given, object},
    },
    problem::{Problem, ProblemBody, ProblemCode},
    quotas::{Plan, Quota},
    result::ApiResult,
    routes::{list::ListView, notifications::NotificationView},
    state::State,
    time::{instant, read_instant},
};

/// A new channel.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
#[schema(as = ChannelInput)]
pub struct ChannelBody {
    /// Unique in the workspace.
    #[schema(required, min_length = 1, max_length = 200, example = "on call")]
    name: Option<String>,
    #[serde(rename = "type")]
    #[schema(required, value_type = Option<enums::ChannelType>, example = "webhook")]
    kind: Option<String>,
    #[serde(deserialize_with = "object")]
    #[schema(required)]
    config: Option<ConfigBody>,
}

/// The fields to change. A config replaces the previous one.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
#[schema(as = ChannelPatch)]
pub struct ChannelPatchBody {
    #[serde(deserialize_with = "given")]
    #[schema(value_type = Option<String>, nullable = false, min_length = 1, max_length = 200, example = "on call")]
    name: Option<Option<String>>,
    #[serde(deserialize_with = "object")]
    config: Option<ConfigBody>,
}

/// The destination of a channel. Responses contain it only masked.
#[derive(Default, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
#[schema(as = ChannelConfigInput)]
pub struct ConfigBody {
    /// For webhook, slack and discord.
    #[schema(max_length = 2048, example = "https://example.com/hook", write_only)]
    url: Option<String>,
    /// For email.
    #[schema(min_items = 1, max_items = 10, example = json!(["ops@example.com"]))]
    to: Option<Vec<String>>,
}

impl From<ConfigBody> for Wanted {
    fn from(ConfigBody { url, to }: ConfigBody) -> Self {
        Self { url, to }
    }
}

/// A channel.
#[derive(Serialize, ToSchema)]
#[schema(as = Channel)]
pub struct ChannelView {
    #[schema(example = "chn_01k9x2v6m8f5q0c3r7t1w4y6za")]
    id: String,
    name: String,
    #[serde(rename = "type")]
    #[schema(value_type = enums::ChannelType, example = "webhook")]
    kind: &'static str,
    config: ConfigView,
    /// Until then, the channel is not notified of executions.
    #[schema(format = DateTime)]
    snoozed_until: Option<String>,
    /// Of the channel's last hundred notifications, the last one that was delivered or failed.
    last_delivery: Option<LastDeliveryView>,
    #[schema(format = DateTime)]
    created_at: String,
    #[schema(format = DateTime)]
    updated_at: String,
}

const READ_ONLY: ReadOnly = ReadOnly {
    fixed: &["id", "type", "created_at"],
    moving: &["snoozed_until", "last_delivery", "updated_at"],
    masked: &["config"],
};

/// A new one has a type.
const READ_ONLY_OF_NEW: ReadOnly = ReadOnly { fixed: &["id", "created_at"], ..READ_ONLY };

/// How the last delivery through a channel ended.
#[derive(Serialize, ToSchema)]
#[schema(as = LastDelivery)]
pub struct LastDeliveryView {
    #[schema(value_type = enums::NotificationStatus)]
    status: &'static str,
    #[schema(format = DateTime)]
    at: String,
    error_class: Option<String>,
}

/// How long to snooze a channel.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
#[schema(as = SnoozeInput)]
pub struct SnoozeBody {
    /// An instant in the future, RFC 3339. Without it, the snooze ends.
    #[schema(format = DateTime, example = "2026-12-24T08:00:00+01:00")]
    until: Option<String>,
}

/// The masked destination of a channel. The part of a URL after the host is a credential, so it is replaced by an ellipsis.
#[derive(Serialize, ToSchema)]
#[schema(as = ChannelConfig)]
pub struct ConfigView {
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "https://example.com/…")]
    url: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    to: Option<Vec<String>>,
}

impl ChannelView {
    fn new(channel: &Channel, now: DateTime<Utc>, last: Option<&LastDelivery>) -> Self {
        let masked = channel.masked.clone();
        let config = match channel.kind {
            ChannelType::Email => ConfigView { url: None, to: Some(masked) },
            _ => ConfigView { url: masked.into_iter().next(), to: None },
        };
        Self {
            id: channel.id.to_string(),
            name: channel.name.clone(),
            kind: channel.kind.as_str(),
            config,
            snoozed_until: channel.snoozed_until.filter(|until| *until > now).map(instant),
            last_delivery: last.map(|last| LastDeliveryView {
                status: last.status.as_str(),
                at: instant(last.at),
                error_class: last.error_class.clone(),
            }),
            created_at: instant(channel.created_at),
            updated_at: instant(channel.updated_at),
        }
    }
}

/// Creates a channel. Rules of jobs refer to channels.
#[utoipa::path(
    operation_id = "create_channel", tag = "notifications",
    request_body(content = ChannelBody, example = json!({ "name": "on call", "type": "webhook", "config": { "url": "https://example.com/hook" } })),
    responses(
        (status = 201, body = ChannelView, headers(("Location" = String))),
        (status = 409, body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("token" = ["notifications:write"])),
)]
#[post("/notification-channels")]
pub async fn create_channel(
    state: web::Data<State>,
    auth: Authorized<NotificationsWrite>,
    text: JsonText,
) -> ApiResult<HttpResponse> {
    let mut errors = FieldErrors::default();
    let text = READ_ONLY_OF_NEW.leave_out_of_copy(text);
    let ChannelBody { name, kind, config } = text.read(&mut errors).await?;
    let name = required(&mut errors, "/name", name).and_then(|name| errors.take("/name", job::name(&name)));
    let kind = required(&mut errors, "/type", kind).and_then(|kind| errors.take("/type", kind.parse()));
    let config = required(&mut errors, "/config", config);
    let destination = both(kind, config).and_then(|(kind, config)| {
        Destination::check(kind, config.into(), &state.policy, "/config", &mut errors)
    });
    let (name, destination) = errors.finish(both(name, destination))?;
    let created = insert(&state, (auth.workspace, auth.plan), auth.by, name, destination).await?;
    let location = (header::LOCATION, format!("/v1/notification-channels/{}", created.id));
    Ok(HttpResponse::Created().insert_header(location).json(ChannelView::new(
        &created,
        state.clock.now(),
        None,
    )))
}

/// Lists channels, newest first.
#[utoipa::path(
    operation_id = "list_channels", tag = "notifications",
    params(Paged::<NoParameters>),
    responses((status = 200, body = ListView<ChannelView>)),
    security(("token" = ["notifications:write"])),
)]
#[get("/notification-channels")]
pub async fn list_channels(
    state: web::Data<State>,
    auth: Authorized<NotificationsWrite, Paged>,
) -> ApiResult<HttpResponse> {
    let Paged { page, filters, .. } = auth.query;
    let mut conn = state.connections.for_list().await?;
    let list = channels::list(&mut conn, auth.workspace, page).await?;
    let ids: Vec<ChannelId> = list.data.iter().map(|channel| channel.id).collect();
    let (now, last) =
        (state.clock.now(), notifications::last_deliveries(&mut conn, auth.workspace, &ids).await?);
    let view = |channel: &Channel| ChannelView::new(channel, now, last.get(&channel.id));
    Ok(HttpResponse::Ok().json(ListView::new(list, &filters, |channel| channel.id.uuid(), view)))
}

/// Returns a channel.
#[utoipa::path(
    operation_id = "get_channel", tag = "notifications", params(("id" = String, Path)),
    responses((status = 200, body = ChannelView)),
    security(("token" = ["notifications:write"])),
)]
#[get("/notification-channels/{id}")]
pub async fn get_channel(
    state: web::Data<State>,
    auth: Authorized<NotificationsWrite>,
    PathId(id): PathId<ChannelId>,
) -> ApiResult<HttpResponse> {
    let channel = channels::get(&mut *state.conn().await?, auth.workspace, id).await?;
    Ok(HttpResponse::Ok().json(view(&state, auth.workspace, &channel).await?))
}

/// Changes the name or the config of a channel. The type cannot be changed.
#[utoipa::path(
    operation_id = "patch_channel", tag = "notifications", params(("id" = String, Path)), request_body = ChannelPatchBody,
    responses(
        (status = 200, body = ChannelView),
        (status = 409, body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("token" = ["notifications:write"])),
)]
#[patch("/notification-channels/{id}")]
pub async fn patch_channel(
    state: web::Data<State>,
    auth: Authorized<NotificationsWrite>,
    PathId(id): PathId<ChannelId>,
    text: JsonText,
) -> ApiResult<HttpResponse> {
    let mut errors = FieldErrors::default();
    let channel = channels::get(&mut *state.conn().await?, auth.workspace, id).await?;
    let (kind, own) = (channel.kind, ChannelView::new(&channel, state.clock.now(), None));
    let text = READ_ONLY.leave_out(text, &own, &mut errors);
    let ChannelPatchBody { name, config } = text.read(&mut errors).await?;
    let name = name.map(|name| {
        required(&mut errors, "/name", name).and_then(|name| errors.take("/name", job::name(&name)))
    });
    let destination =
        config.map(|config| Destination::check(kind, config.into(), &state.policy, "/config", &mut errors));
    let wanted = errors.finish(both(name.transpose(), destination.transpose()))?;
    let workspace = auth.workspace;
    let changed = change(&state, workspace, auth.by, id, wanted).await?;
    Ok(HttpResponse::Ok().json(view(&state, workspace, &changed).await?))
}

/// Snoozes a channel: until then, it is not notified of executions. Its notifications are recorded as skipped.
#[utoipa::path(
    operation_id = "snooze_channel", tag = "notifications", params(("id" = String, Path)), request_body = SnoozeBody,
    responses((status = 200, body = ChannelView)),
    security(("token" = ["notifications:write"])),
)]
#[post("/notification-channels/{id}/snooze")]
pub async fn snooze_channel(
    state: web::Data<State>,
    auth: Authorized<NotificationsWrite>,
    PathId(id): PathId<ChannelId>,
    text: JsonText,
) -> ApiResult<HttpResponse> {
    let mut errors = FieldErrors::default();
    let SnoozeBody { until } = text.read(&mut errors).await?;
    let now = state.clock.now();
    let until = until.map(|until| errors.take("/until", snooze_end(&until, now))).transpose();
    let until = errors.finish(until)?;
    let (workspace, by) = (auth.workspace, auth.by);
    let snoozed = state.run(async move |state| {
        Ok(channels::snooze(&mut *state.conn().await?, workspace, id, until, &by).await?)
    });
    let channel = snoozed.await?;
    Ok(HttpResponse::Ok().json(view(&state, workspace, &channel).await?))
}

fn snooze_end(text: &str, now: DateTime<Utc>) -> Result<DateTime<Utc>, Invalid> {
    let until = read_instant(text)?;
    if until <= now {
        return Err(Invalid::new("in_the_past", "must be in the future"));
    }
    Ok(until)
}

async fn view(state: &State, workspace: WorkspaceId, channel: &Channel) -> ApiResult<ChannelView> {
    let last = notifications::last_deliveries(&mut *state.conn().await?, workspace, &[channel.id]).await?;
    Ok(ChannelView::new(channel, state.clock.now(), last.get(&channel.id)))
}

/// Deletes a channel and its pending notifications. While rules refer to it, this requires `force=true`, which deletes these rules too.
#[utoipa::path(
    operation_id = "delete_channel", tag = "notifications",
    params(("id" = String, Path), Force),
    responses((status = 204), (status = 409, body = ProblemBody, content_type = "application/problem+json")),
    security(("token" = ["notifications:write"])),
)]
#[delete("/notification-channels/{id}")]
pub async fn delete_channel(
    state: web::Data<State>,
    auth: Authorized<NotificationsWrite, Force>,
    PathId(id): PathId<ChannelId>,
) -> ApiResult<HttpResponse> {
    let Force { force } = auth.query;
    let (workspace, by) = (auth.workspace, auth.by);
    state
        .run(async move |state| {
            let mut conn = state.conn().await?;
            match channels::delete(&mut conn, workspace, id, force, &by).await {
                Err(error) if error.is_conflict("in_use") => {
                    Err(in_use(&channels::jobs_using(&mut conn, workspace, id).await?))
                }
                deleted => Ok(deleted?),
            }
        })
        .await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Sends a test message through a channel. The response contains the notification, which shows the result later.
#[utoipa::path(
    operation_id = "test_channel", tag = "notifications", params(("id" = String, Path)),
    responses((status = 202, body = NotificationView, headers(("Location" = String)))),
    security(("token" = ["notifications:write"])),
)]
#[post("/notification-channels/{id}/test")]
pub async fn test_channel(
    state: web::Data<State>,
    auth: Authorized<NotificationsWrite>,
    PathId(id): PathId<ChannelId>,
    _: EmptyBody,
) -> ApiResult<HttpResponse> {
    state.limits.test_channel(&auth.workspace.to_string()).await?;
    let mut conn = state.conn().await?;
    let id = notifications::insert_test(&mut conn, auth.workspace, id, state.clock.now()).await?;
    let notification = notifications::get(&mut conn, auth.workspace, id).await?;
    let location = (header::LOCATION, format!("/v1/notifications/{id}"));
    Ok(HttpResponse::Accepted().insert_header(location).json(NotificationView::new(&notification)))
}

async fn insert(
    state: &State,
    (workspace, plan): (WorkspaceId, Plan),
    by: Author,
    name: String,
    destination: Destination,
) -> ApiResult<Channel> {
    let inserted = state.run(async move |state| {
        let mut conn = state.conn().await?;
        let key = workspace_keys::data_key(&mut conn, workspace, &state.keys).await?;
        let id = ChannelId::at(by.at);
        let new = NewChannel { id, name: &name, destination: &destination, key: &key, by: &by };
        channels::insert(&mut conn, workspace, new, plan.channels()).await.map_err(|error| {
            if error.is_conflict("quota") { plan.exceeded(Quota::Channels, error) } else { conflict(error) }
        })
    });
    inserted.await
}

async fn change(
    state: &State,
    workspace: WorkspaceId,
    by: Author,
    id: ChannelId,
    (name, destination): (Option<String>, Option<Destination>),
) -> ApiResult<Channel> {
    let changed = state.run(async move |state| {
        let mut conn = state.conn().await?;
        let key = workspace_keys::data_key(&mut conn, workspace, &state.keys).await?;
        let destination = destination.as_ref().map(|destination| (destination, &key));
        let change = ChannelChange { name: name.as_deref(), destination, by: &by };
        channels::change(&mut conn, workspace, id, change).await.map_err(conflict)
    });
    changed.await
}

fn conflict(error: StoreError) -> Problem {
    if error.is_conflict("channels_name") {
        return Problem::new(ProblemCode::ChannelExists, "A channel with this name already exists.");
    }
    if error.is_conflict("full") {
        let detail = format!(
            "A workspace can have at most {MAX_CHANNELS} channels. Delete one that is no longer needed."
        );
        return Problem::new(ProblemCode::TooManyChannels, detail);
    }
    error.into()
}

fn in_use(jobs: &[JobId]) -> Problem {
    if jobs.is_empty() {
        let detail = "Rules for many jobs refer to the channel. Add ?force=true to delete the channel and these rules.";
        return Problem::new(ProblemCode::ChannelInUse, detail);
    }
    const MAX_NAMED: usize = 5;
    let named: Vec<String> = jobs.iter().take(MAX_NAMED).map(ToString::to_string).collect();
    let more = if jobs.len() > MAX_NAMED { " and others" } else { "" };
    let named = named.join(", ");
    let detail = format!(
        "Rules of these jobs refer to the channel: {named}{more}. Add ?force=true to delete the channel and these rules."
    );
    Problem::new(ProblemCode::ChannelInUse, detail)
}
