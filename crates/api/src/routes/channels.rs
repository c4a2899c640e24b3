//! Notification channels: where a workspace is told. What leads there goes in, and is never masked again.

use actix_web::{HttpResponse, delete, get, http::header, patch, post, web};
use serde::{Deserialize, Deserializer, Serialize};
use trigrun_core::{
    domain::{
        audit::Author,
        channel::{ChannelType, Destination, MAX_CHANNELS, Wanted},
        id::{ChannelId, JobId, WorkspaceId},
        invalid::FieldErrors,
        job,
    },
    store::{
        StoreError,
        channels::{self, Channel, ChannelChange, NewChannel},
        notifications, workspace_keys,
    },
};
use utoipa::ToSchema;

use crate::{
    auth::{Authorized, NotificationsWrite},
    extract::{
        body::{JsonText, object, read, required},
        path::PathId,
        query::{Force, NoParameters, Paged},
    },
    problem::{Problem, ProblemBody},
    result::ApiResult,
    routes::{list::ListView, notifications::NotificationView},
    state::State,
    time::instant,
};

/// A new channel.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
#[schema(as = ChannelInput)]
pub struct ChannelBody {
    /// 1 to 200 characters, unlike any other channel's.
    #[schema(required, example = "on call")]
    name: Option<String>,
    /// webhook, email, slack or discord.
    #[serde(rename = "type")]
    #[schema(required, example = "webhook")]
    kind: Option<String>,
    #[serde(deserialize_with = "object")]
    #[schema(required)]
    config: Option<ConfigBody>,
}

/// What changes; the rest stays. A config replaces the one before.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
#[schema(as = ChannelPatch)]
pub struct ChannelPatchBody {
    /// Not null: a channel has a name.
    #[serde(deserialize_with = "given")]
    #[schema(example = "on call", value_type = Option<String>)]
    name: Option<Option<String>>,
    #[serde(deserialize_with = "object")]
    config: Option<ConfigBody>,
}

/// `Some(None)` where null is written.
fn given<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Option<String>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

/// Where a channel leads. Never masked again as a whole.
#[derive(Default, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
#[schema(as = ChannelConfigInput)]
pub struct ConfigBody {
    /// Of a webhook, slack or discord.
    #[schema(example = "https://example.com/hook", write_only)]
    url: Option<String>,
    /// Of email: 1 to 10 addresses.
    #[schema(example = json!(["ops@example.com"]))]
    to: Option<Vec<String>>,
}

impl From<ConfigBody> for Wanted {
    fn from(ConfigBody { url, to }: ConfigBody) -> Self {
        Self { url, to }
    }
}

/// What may be known of a channel.
#[derive(Serialize, ToSchema)]
#[schema(as = Channel)]
pub struct ChannelView {
    #[schema(example = "chn_01k9x2v6m8f5q0c3r7t1w4y6za")]
    id: String,
    name: String,
    #[serde(rename = "type")]
    #[schema(example = "webhook")]
    kind: &'static str,
    config: ConfigView,
    created_at: String,
    updated_at: String,
}

/// Where a channel leads, as far as that can be masked: what follows the host of a URL is a credential.
#[derive(Serialize, ToSchema)]
#[schema(as = ChannelConfig)]
pub struct ConfigView {
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false, example = "https://example.com/…")]
    url: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false)]
    to: Option<Vec<String>>,
}

impl ChannelView {
    fn new(channel: &Channel) -> Self {
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
            created_at: instant(channel.created_at),
            updated_at: instant(channel.updated_at),
        }
    }
}

/// Makes a channel, for rules of jobs to name.
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
    allowed: Authorized<NotificationsWrite>,
    text: JsonText,
) -> ApiResult<HttpResponse> {
    let mut errors = FieldErrors::default();
    let ChannelBody { name, kind, config } = read(text.object()?, &mut errors)?;
    let name = required(&mut errors, "/name", name).and_then(|name| errors.take("/name", job::name(&name)));
    let kind = required(&mut errors, "/type", kind).and_then(|kind| errors.take("/type", kind.parse()));
    let config = required(&mut errors, "/config", config);
    let destination = kind.zip(config).and_then(|(kind, config)| {
        Destination::check(kind, config.into(), &state.policy, "/config", &mut errors)
    });
    Problem::validation(errors)?;
    let (name, destination) = name.zip(destination).ok_or_else(Problem::internal)?;
    let made = insert(&state, allowed.workspace, allowed.by, name, destination).await?;
    let location = (header::LOCATION, format!("/v1/notification-channels/{}", made.id));
    Ok(HttpResponse::Created().insert_header(location).json(ChannelView::new(&made)))
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
    allowed: Authorized<NotificationsWrite, Paged>,
) -> ApiResult<HttpResponse> {
    let Paged { page, filters, .. } = allowed.query;
    let list = channels::list(&mut *state.conn().await?, allowed.workspace, page).await?;
    Ok(HttpResponse::Ok().json(ListView::new(list, &filters, ChannelView::new)))
}

/// One channel.
#[utoipa::path(
    operation_id = "get_channel", tag = "notifications", params(("id" = String, Path)),
    responses((status = 200, body = ChannelView)),
    security(("token" = ["notifications:write"])),
)]
#[get("/notification-channels/{id}")]
pub async fn get_channel(
    state: web::Data<State>,
    allowed: Authorized<NotificationsWrite>,
    PathId(id): PathId<ChannelId>,
) -> ApiResult<HttpResponse> {
    let channel = channels::get(&mut *state.conn().await?, allowed.workspace, id).await?;
    Ok(HttpResponse::Ok().json(ChannelView::new(&channel)))
}

/// Changes the name or the config of a channel. The type stays: what speaks another language is another channel.
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
    allowed: Authorized<NotificationsWrite>,
    PathId(id): PathId<ChannelId>,
    text: JsonText,
) -> ApiResult<HttpResponse> {
    let mut errors = FieldErrors::default();
    let ChannelPatchBody { name, config } = read(text.object()?, &mut errors)?;
    let kind = channels::get(&mut *state.conn().await?, allowed.workspace, id).await?.kind;
    let name = name.and_then(|name| {
        required(&mut errors, "/name", name).and_then(|name| errors.take("/name", job::name(&name)))
    });
    let destination = config
        .and_then(|config| Destination::check(kind, config.into(), &state.policy, "/config", &mut errors));
    Problem::validation(errors)?;
    let changed = change(&state, allowed.workspace, allowed.by, id, (name, destination)).await?;
    Ok(HttpResponse::Ok().json(ChannelView::new(&changed)))
}

/// Deletes a channel, and what it was still to be told. While jobs have rules that name it, only with `force=true`: they go too.
#[utoipa::path(
    operation_id = "delete_channel", tag = "notifications",
    params(("id" = String, Path), Force),
    responses((status = 204), (status = 409, body = ProblemBody, content_type = "application/problem+json")),
    security(("token" = ["notifications:write"])),
)]
#[delete("/notification-channels/{id}")]
pub async fn delete_channel(
    state: web::Data<State>,
    allowed: Authorized<NotificationsWrite, Force>,
    PathId(id): PathId<ChannelId>,
) -> ApiResult<HttpResponse> {
    let Force { force } = allowed.query;
    let (workspace, by) = (allowed.workspace, allowed.by);
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

/// Sends a test message through a channel. The answer names the notification, which shows what became of it.
#[utoipa::path(
    operation_id = "test_channel", tag = "notifications", params(("id" = String, Path)),
    responses((status = 202, body = NotificationView, headers(("Location" = String)))),
    security(("token" = ["notifications:write"])),
)]
#[post("/notification-channels/{id}/test")]
pub async fn test_channel(
    state: web::Data<State>,
    allowed: Authorized<NotificationsWrite>,
    PathId(id): PathId<ChannelId>,
) -> ApiResult<HttpResponse> {
    state.limits.test_channel(&allowed.workspace.to_string()).await?;
    let mut conn = state.conn().await?;
    let made = notifications::insert_test(&mut conn, allowed.workspace, id, state.clock.now()).await?;
    let notification = notifications::get(&mut conn, allowed.workspace, made).await?;
    let location = (header::LOCATION, format!("/v1/notifications/{made}"));
    Ok(HttpResponse::Accepted().insert_header(location).json(NotificationView::new(&notification)))
}

async fn insert(
    state: &State,
    workspace: WorkspaceId,
    by: Author,
    name: String,
    destination: Destination,
) -> ApiResult<Channel> {
    let inserted = state.run(async move |state| {
        let mut conn = state.conn().await?;
        let key = workspace_keys::data_key(&mut conn, workspace, &state.keys).await?;
        let id = ChannelId::at(by.at);
        let new = NewChannel { id, name: &name, destination: &destination, key: &key, by: &by };
        channels::insert(&mut conn, workspace, new).await.map_err(refused)
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
        channels::change(&mut conn, workspace, id, change).await.map_err(refused)
    });
    changed.await
}

fn refused(error: StoreError) -> Problem {
    if error.is_conflict("channels_name") {
        return Problem::conflict("channel_exists", "There is a channel of this name already.");
    }
    if error.is_conflict("full") {
        let detail =
            format!("A workspace has at most {MAX_CHANNELS} channels; delete one that is no longer needed.");
        return Problem::conflict("too_many_channels", &detail);
    }
    error.into()
}

fn in_use(jobs: &[JobId]) -> Problem {
    const NAMED: usize = 5;
    let named: Vec<String> = jobs.iter().take(NAMED).map(ToString::to_string).collect();
    let more = if jobs.len() > NAMED { " and others" } else { "" };
    let named = named.join(", ");
    let detail =
        format!("Rules of jobs name it: {named}{more}. Add ?force=true to delete it and them all the same.");
    Problem::conflict("channel_in_use", &detail)
}
