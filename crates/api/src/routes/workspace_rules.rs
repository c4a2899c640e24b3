//! Notification rules for many jobs: all of the workspace, those with a tag, or those that call a host.

use actix_web::{HttpResponse, delete, get, http::header, patch, post, web};
use serde::{Deserialize, Serialize};
use trigrun_core::{
    domain::{
        id::RuleId,
        invalid::{Checked, FieldErrors, both},
        notification::{MAX_WORKSPACE_RULES, Selector, SelectorKind},
    },
    store::{
        StoreError,
        workspace_rules::{self, WorkspaceRule},
    },
};
use utoipa::ToSchema;

use crate::{
    auth::{Authorized, NotificationsWrite},
    enums,
    extract::{
        body::JsonText,
        path::PathId,
        values::{given, given_integer, integer},
    },
    problem::{Problem, ProblemBody, ProblemCode},
    result::ApiResult,
    routes::rules::{self, READ_ONLY, RuleBody, RulePatchBody},
    state::State,
    time::instant,
};

/// The jobs, the channel, and when to notify it.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
#[schema(as = WorkspaceRuleInput)]
pub struct WorkspaceRuleBody {
    /// Which jobs: all of the workspace, those with a tag, or those that call a host.
    #[schema(value_type = Option<enums::RuleSelector>, default = "all", example = "tag")]
    selector: Option<String>,
    /// The tag, or the host. A host without a port matches any port.
    #[schema(example = "billing")]
    value: Option<String>,
    #[schema(required, example = "chn_01k9x2v6m8f5q0c3r7t1w4y6za")]
    channel_id: Option<String>,
    /// on_completion: success and failure. on_recovery: the first success after a failure.
    #[schema(required, value_type = Option<enums::RuleEvent>, example = "on_failure")]
    event: Option<String>,
    /// With on_failure, the rule applies to exactly this failure in a row; with on_recovery, to a success after at least this many.
    #[schema(minimum = 1, maximum = 1000, example = 3)]
    #[serde(deserialize_with = "integer")]
    after_failures: Option<i64>,
}

/// The fields to change.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
#[schema(as = WorkspaceRulePatch)]
pub struct WorkspaceRulePatchBody {
    #[serde(deserialize_with = "given")]
    #[schema(value_type = Option<enums::RuleSelector>, nullable = false)]
    selector: Option<Option<String>>,
    #[serde(deserialize_with = "given")]
    #[schema(value_type = Option<String>)]
    value: Option<Option<String>>,
    #[serde(deserialize_with = "given")]
    #[schema(value_type = Option<String>, nullable = false, example = "chn_01k9x2v6m8f5q0c3r7t1w4y6za")]
    channel_id: Option<Option<String>>,
    #[serde(deserialize_with = "given")]
    #[schema(value_type = Option<enums::RuleEvent>, nullable = false)]
    event: Option<Option<String>>,
    #[serde(deserialize_with = "given_integer")]
    #[schema(value_type = Option<i64>, minimum = 1, maximum = 1000)]
    after_failures: Option<Option<i64>>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = WorkspaceRule)]
pub struct WorkspaceRuleView {
    #[schema(example = "rul_01k9x2v6m8f5q0c3r7t1w4y6za")]
    id: String,
    #[schema(value_type = enums::RuleSelector)]
    selector: &'static str,
    /// The tag or the host; null for all jobs.
    value: Option<String>,
    channel_id: String,
    #[schema(value_type = enums::RuleEvent)]
    event: &'static str,
    after_failures: Option<u16>,
    #[schema(format = DateTime)]
    created_at: String,
}

#[derive(Serialize, ToSchema)]
#[schema(as = WorkspaceRules)]
pub struct WorkspaceRulesView {
    data: Vec<WorkspaceRuleView>,
}

impl WorkspaceRuleView {
    fn new(rule: &WorkspaceRule) -> Self {
        Self {
            id: rule.id.to_string(),
            selector: rule.selector.kind().as_str(),
            value: rule.selector.value().map(str::to_owned),
            channel_id: rule.channel.to_string(),
            event: rule.rule.event.as_str(),
            after_failures: rule.rule.after_failures,
            created_at: instant(rule.created_at),
        }
    }
}

/// Creates a rule for many jobs. It applies to executions that end from now on, also of jobs that are created later.
#[utoipa::path(
    operation_id = "create_workspace_rule", tag = "notifications", request_body = WorkspaceRuleBody,
    responses(
        (status = 201, body = WorkspaceRuleView, headers(("Location" = String))),
        (status = 409, body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("token" = ["notifications:write"])),
)]
#[post("/notification-rules")]
pub async fn create_workspace_rule(
    state: web::Data<State>,
    auth: Authorized<NotificationsWrite>,
    text: JsonText,
) -> ApiResult<HttpResponse> {
    let mut errors = FieldErrors::default();
    let WorkspaceRuleBody { selector, value, channel_id, event, after_failures } =
        READ_ONLY.leave_out_of_copy(text).read(&mut errors).await?;
    let selector = check_selector(selector, value, &mut errors);
    let rule = rules::check(RuleBody { channel_id, event, after_failures }, &mut errors);
    let (selector, (channel, rule)) = errors.finish(both(selector, rule))?;
    let now = state.clock.now();
    let created = WorkspaceRule { id: RuleId::at(now), channel, selector, rule, created_at: now };
    let (workspace, by, new) = (auth.workspace, auth.by, created.clone());
    let insert = async move |state: State| {
        workspace_rules::insert(&mut *state.conn().await?, workspace, &new, &by).await.map_err(conflict)
    };
    state.run(insert).await?;
    let location = (header::LOCATION, format!("/v1/notification-rules/{}", created.id));
    Ok(HttpResponse::Created().insert_header(location).json(WorkspaceRuleView::new(&created)))
}

/// Lists the rules for many jobs, oldest first. A workspace has at most 20.
#[utoipa::path(
    operation_id = "list_workspace_rules", tag = "notifications",
    responses((status = 200, body = WorkspaceRulesView)),
    security(("token" = ["notifications:write"])),
)]
#[get("/notification-rules")]
pub async fn list_workspace_rules(
    state: web::Data<State>,
    auth: Authorized<NotificationsWrite>,
) -> ApiResult<HttpResponse> {
    let rules = workspace_rules::list(&mut *state.connections.for_list().await?, auth.workspace).await?;
    let data = rules.iter().map(WorkspaceRuleView::new).collect();
    Ok(HttpResponse::Ok().json(WorkspaceRulesView { data }))
}

/// Returns a rule for many jobs.
#[utoipa::path(
    operation_id = "get_workspace_rule", tag = "notifications", params(("id" = String, Path)),
    responses((status = 200, body = WorkspaceRuleView)),
    security(("token" = ["notifications:write"])),
)]
#[get("/notification-rules/{id}")]
pub async fn get_workspace_rule(
    state: web::Data<State>,
    auth: Authorized<NotificationsWrite>,
    PathId(id): PathId<RuleId>,
) -> ApiResult<HttpResponse> {
    let rule = workspace_rules::get(&mut *state.conn().await?, auth.workspace, id).await?;
    Ok(HttpResponse::Ok().json(WorkspaceRuleView::new(&rule)))
}

/// Changes a rule for many jobs.
#[utoipa::path(
    operation_id = "patch_workspace_rule", tag = "notifications", params(("id" = String, Path)),
    request_body = WorkspaceRulePatchBody,
    responses(
        (status = 200, body = WorkspaceRuleView),
        (status = 409, body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("token" = ["notifications:write"])),
)]
#[patch("/notification-rules/{id}")]
pub async fn patch_workspace_rule(
    state: web::Data<State>,
    auth: Authorized<NotificationsWrite>,
    PathId(id): PathId<RuleId>,
    text: JsonText,
) -> ApiResult<HttpResponse> {
    let mut errors = FieldErrors::default();
    let before = workspace_rules::get(&mut *state.conn().await?, auth.workspace, id).await?;
    let text = READ_ONLY.leave_out(text, &WorkspaceRuleView::new(&before), &mut errors);
    let patch: WorkspaceRulePatchBody = text.read(&mut errors).await?;
    let patched = patch.apply(before, &mut errors);
    let changed = errors.finish(patched)?;
    let (workspace, by, wanted) = (auth.workspace, auth.by, changed.clone());
    let change = async move |state: State| {
        workspace_rules::change(&mut *state.conn().await?, workspace, &wanted, &by).await.map_err(conflict)
    };
    state.run(change).await?;
    Ok(HttpResponse::Ok().json(WorkspaceRuleView::new(&changed)))
}

/// Deletes a rule for many jobs. Its notifications remain in the log, and pending ones are delivered.
#[utoipa::path(
    operation_id = "delete_workspace_rule", tag = "notifications", params(("id" = String, Path)),
    responses((status = 204)),
    security(("token" = ["notifications:write"])),
)]
#[delete("/notification-rules/{id}")]
pub async fn delete_workspace_rule(
    state: web::Data<State>,
    auth: Authorized<NotificationsWrite>,
    PathId(id): PathId<RuleId>,
) -> ApiResult<HttpResponse> {
    let (workspace, by) = (auth.workspace, auth.by);
    let deleted = state.run(async move |state| {
        Ok(workspace_rules::delete(&mut *state.conn().await?, workspace, id, &by).await?)
    });
    deleted.await?;
    Ok(HttpResponse::NoContent().finish())
}

impl WorkspaceRulePatchBody {
    fn apply(self, before: WorkspaceRule, errors: &mut FieldErrors) -> Checked<WorkspaceRule> {
        let Self { selector, value, channel_id, event, after_failures } = self;
        let kind = selector.unwrap_or_else(|| Some(before.selector.kind().as_str().to_owned()));
        // A selector of another kind does not keep the value.
        let keeps_value = kind.as_deref() == Some(before.selector.kind().as_str());
        let kept = before.selector.value().filter(|_| keeps_value).map(str::to_owned);
        let selector = check_selector(kind, value.unwrap_or(kept), errors);
        let rule =
            RulePatchBody { channel_id, event, after_failures }.apply(before.channel, before.rule, errors);
        let (selector, (channel, rule)) = both(selector, rule)?;
        Ok(WorkspaceRule { selector, channel, rule, ..before })
    }
}

fn check_selector(
    kind: Option<String>,
    value: Option<String>,
    errors: &mut FieldErrors,
) -> Checked<Selector> {
    let kind = kind.map_or(Ok(SelectorKind::All), |kind| errors.take("/selector", kind.parse()))?;
    errors.take("/value", Selector::check(kind, value))
}

fn conflict(error: StoreError) -> Problem {
    if error.is_conflict("full") {
        let detail = format!(
            "A workspace can have at most {MAX_WORKSPACE_RULES} rules for many jobs. Delete one that is no longer needed."
        );
        return Problem::new(ProblemCode::TooManyRules, detail);
    }
    rules::conflict(error)
}
