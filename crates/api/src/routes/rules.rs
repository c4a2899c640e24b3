//! Notification rules: which events of a job notify which channel.

use actix_web::{HttpResponse, delete, get, patch, post, web};
use serde::{Deserialize, Serialize};
use trigrun_core::{
    domain::{
        id::{ChannelId, RuleId},
        invalid::{Checked, FieldErrors, Invalid, both},
        notification::{MAX_RULES, Rule},
    },
    store::{
        StoreError,
        rules::{self, JobRule, NewRule},
    },
};
use utoipa::ToSchema;

use crate::{
    auth::{Authorized, NotificationsWrite},
    enums,
    extract::{
        body::{JsonText, required},
        path::PathJob,
        read_only::ReadOnly,
        values::{given, given_integer, integer},
    },
    problem::{Problem, ProblemBody, ProblemCode},
    result::ApiResult,
    sought,
    state::State,
    time::instant,
};

/// The channel, and when to notify it.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
#[schema(as = RuleInput)]
pub struct RuleBody {
    #[schema(required, example = "chn_01k9x2v6m8f5q0c3r7t1w4y6za")]
    pub channel_id: Option<String>,
    /// on_completion: success and failure. on_recovery: the first success after a failure.
    #[schema(required, value_type = Option<enums::RuleEvent>, example = "on_failure")]
    pub event: Option<String>,
    /// With on_failure, the rule applies to exactly this failure in a row; with on_recovery, to a success after at least this many.
    #[schema(minimum = 1, maximum = 1000, example = 3)]
    #[serde(deserialize_with = "integer")]
    pub after_failures: Option<i64>,
}

/// The fields to change.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
#[schema(as = RulePatch)]
pub struct RulePatchBody {
    #[serde(deserialize_with = "given")]
    #[schema(value_type = Option<String>, nullable = false, example = "chn_01k9x2v6m8f5q0c3r7t1w4y6za")]
    pub channel_id: Option<Option<String>>,
    #[serde(deserialize_with = "given")]
    #[schema(value_type = Option<enums::RuleEvent>, nullable = false)]
    pub event: Option<Option<String>>,
    #[serde(deserialize_with = "given_integer")]
    #[schema(value_type = Option<i64>, minimum = 1, maximum = 1000)]
    pub after_failures: Option<Option<i64>>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = Rule)]
pub struct RuleView {
    #[schema(example = "rul_01k9x2v6m8f5q0c3r7t1w4y6za")]
    id: String,
    channel_id: String,
    #[schema(value_type = enums::RuleEvent)]
    event: &'static str,
    after_failures: Option<u16>,
    #[schema(format = DateTime)]
    created_at: String,
}

/// Of rules for one job and for many.
pub const READ_ONLY: ReadOnly = ReadOnly { fixed: &["id", "created_at"], moving: &[], masked: &[] };

#[derive(Serialize, ToSchema)]
#[schema(as = Rules)]
pub struct RulesView {
    data: Vec<RuleView>,
}

impl RuleView {
    fn new(rule: &JobRule) -> Self {
        Self {
            id: rule.id.to_string(),
            channel_id: rule.channel.to_string(),
            event: rule.rule.event.as_str(),
            after_failures: rule.rule.after_failures,
            created_at: instant(rule.created_at),
        }
    }
}

/// Creates a rule. It applies to executions that start from now on.
#[utoipa::path(
    operation_id = "create_rule", tag = "notifications", params(("id" = String, Path)), request_body = RuleBody,
    responses(
        (status = 201, body = RuleView),
        (status = 409, body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("token" = ["notifications:write"])),
)]
#[post("/jobs/{id}/notification-rules")]
pub async fn create_rule(
    state: web::Data<State>,
    auth: Authorized<NotificationsWrite>,
    path: PathJob,
    text: JsonText,
) -> ApiResult<HttpResponse> {
    let job = path.id(&state, auth.workspace).await?;
    let mut errors = FieldErrors::default();
    let body: RuleBody = READ_ONLY.leave_out_of_copy(text).read(&mut errors).await?;
    let checked = check(body, &mut errors);
    let (channel, rule) = errors.finish(checked)?;
    let now = state.clock.now();
    let created = JobRule { id: RuleId::at(now), channel, rule, created_at: now };
    let (new, workspace) = (NewRule { id: created.id, channel, rule, now }, auth.workspace);
    let insert = async move |state: State| {
        rules::insert(&mut *state.conn().await?, workspace, job, &new).await.map_err(conflict)
    };
    state.run(insert).await?;
    Ok(HttpResponse::Created().json(RuleView::new(&created)))
}

/// Lists the rules of a job, oldest first. A job has at most 20.
#[utoipa::path(
    operation_id = "list_rules", tag = "notifications", params(("id" = String, Path)),
    responses((status = 200, body = RulesView)),
    security(("token" = ["notifications:write"])),
)]
#[get("/jobs/{id}/notification-rules")]
pub async fn list_rules(
    state: web::Data<State>,
    auth: Authorized<NotificationsWrite>,
    path: PathJob,
) -> ApiResult<HttpResponse> {
    let job = path.id(&state, auth.workspace).await?;
    let rules = rules::list(&mut *state.connections.for_list().await?, auth.workspace, job).await?;
    Ok(HttpResponse::Ok().json(RulesView { data: rules.iter().map(RuleView::new).collect() }))
}

/// Changes a rule. It keeps its count of failures in a row.
#[utoipa::path(
    operation_id = "patch_rule", tag = "notifications", params(("id" = String, Path), ("rule_id" = String, Path)),
    request_body = RulePatchBody,
    responses(
        (status = 200, body = RuleView),
        (status = 409, body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("token" = ["notifications:write"])),
)]
#[patch("/jobs/{id}/notification-rules/{rule_id}")]
pub async fn patch_rule(
    state: web::Data<State>,
    auth: Authorized<NotificationsWrite>,
    ids: web::Path<(String, String)>,
    text: JsonText,
) -> ApiResult<HttpResponse> {
    let mut errors = FieldErrors::default();
    let (job, rule) = ids.into_inner();
    let job = PathJob::read(&job).id(&state, auth.workspace).await?;
    let rule = rule_id(&rule)?;
    let mut changed = rules::get(&mut *state.conn().await?, auth.workspace, job, rule).await?;
    let text = READ_ONLY.leave_out(text, &RuleView::new(&changed), &mut errors);
    let patch: RulePatchBody = text.read(&mut errors).await?;
    let patched = patch.apply(changed.channel, changed.rule, &mut errors);
    (changed.channel, changed.rule) = errors.finish(patched)?;
    let (workspace, wanted) = (auth.workspace, changed.clone());
    let change = async move |state: State| {
        rules::change(&mut *state.conn().await?, workspace, job, &wanted).await.map_err(conflict)
    };
    state.run(change).await?;
    Ok(HttpResponse::Ok().json(RuleView::new(&changed)))
}

/// Deletes a rule. Its notifications remain in the log, and pending ones are delivered.
#[utoipa::path(
    operation_id = "delete_rule", tag = "notifications", params(("id" = String, Path), ("rule_id" = String, Path)),
    responses((status = 204)),
    security(("token" = ["notifications:write"])),
)]
#[delete("/jobs/{id}/notification-rules/{rule_id}")]
pub async fn delete_rule(
    state: web::Data<State>,
    auth: Authorized<NotificationsWrite>,
    ids: web::Path<(String, String)>,
) -> ApiResult<HttpResponse> {
    let (job, rule) = ids.into_inner();
    let job = PathJob::read(&job).id(&state, auth.workspace).await?;
    let rule = rule_id(&rule)?;
    rules::delete(&mut *state.conn().await?, auth.workspace, job, rule).await?;
    Ok(HttpResponse::NoContent().finish())
}

pub fn rule_id(text: &str) -> ApiResult<RuleId> {
    sought::by_id("notification rule", text);
    text.parse().map_err(|_: Invalid| Problem::not_found())
}

impl RulePatchBody {
    /// The channel and the rule with these changes.
    pub fn apply(
        self,
        channel: ChannelId,
        rule: Rule,
        errors: &mut FieldErrors,
    ) -> Checked<(ChannelId, Rule)> {
        let Self { channel_id, event, after_failures } = self;
        check(
            RuleBody {
                channel_id: channel_id.unwrap_or_else(|| Some(channel.to_string())),
                event: event.unwrap_or_else(|| Some(rule.event.as_str().to_owned())),
                after_failures: after_failures.unwrap_or(rule.after_failures.map(i64::from)),
            },
            errors,
        )
    }
}

pub fn check(body: RuleBody, errors: &mut FieldErrors) -> Checked<(ChannelId, Rule)> {
    let channel = required(errors, "/channel_id", body.channel_id)
        .and_then(|id| errors.take("/channel_id", id.parse::<ChannelId>()));
    let event =
        required(errors, "/event", body.event).and_then(|event| errors.take("/event", event.parse()))?;
    let rule = errors.take("/after_failures", Rule::check(event, body.after_failures));
    both(channel, rule)
}

pub fn conflict(error: StoreError) -> Problem {
    if error.is_conflict("channel") {
        return Problem::of_field(
            "/channel_id",
            Invalid::new("channel_unknown", "is not the id of a channel of this workspace"),
        );
    }
    if error.is_conflict("notification_rules_once") {
        return Problem::new(ProblemCode::RuleExists, "The job already has this rule.");
    }
    if error.is_conflict("workspace_rules_once") {
        return Problem::new(ProblemCode::RuleExists, "The workspace already has this rule.");
    }
    if error.is_conflict("full") {
        let detail =
            format!("A job can have at most {MAX_RULES} rules. Delete one that is no longer needed.");
        return Problem::new(ProblemCode::TooManyRules, detail);
    }
    error.into()
}

/// A channel that was looked up by its name was deleted meanwhile; other errors stay what they are.
pub fn channel_gone(error: StoreError) -> Problem {
    if !error.is_conflict("channel") {
        return error.into();
    }
    let invalid = Invalid::new("channel_unknown", "names a channel that does not exist any more");
    Problem::of_field("/jobs", invalid)
}
