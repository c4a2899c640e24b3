//! The notification rules that an applied job is to have, by the names of their channels.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::collections::HashMap;
use trigrun_core::{
    domain::{
        id::{ChannelId, WorkspaceId},
        invalid::{Checked, FieldErrors, Invalid, Violations, both},
        notification::{ChannelRule, MAX_RULES, Rule},
    },
    store::{channels, rules::JobRule},
};
use utoipa::ToSchema;

use crate::{
    enums,
    extract::{body::required, json::read, values::integer},
    result::ApiResult,
    state::State,
};

/// A notification rule of an applied job.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
#[schema(as = NotifyInput)]
pub struct NotifyBody {
    /// The name of a channel, or its id.
    #[schema(required, example = "on-call")]
    channel: Option<String>,
    /// on_completion: success and failure. on_recovery: the first success after a failure.
    #[schema(required, value_type = Option<enums::RuleEvent>, example = "on_failure")]
    event: Option<String>,
    /// With on_failure, the rule applies to exactly this failure in a row; with on_recovery, to a success after at least this many.
    #[schema(minimum = 1, maximum = 1000, example = 3)]
    #[serde(deserialize_with = "integer")]
    after_failures: Option<i64>,
}

/// A rule as it is written.
struct WantedRule {
    channel: String,
    rule: Rule,
}

/// A rule as a file has it.
#[derive(Serialize)]
pub struct NotifyView<'a> {
    channel: &'a str,
    event: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    after_failures: Option<u16>,
}

/// Reads the value of the field `notify`. Pointers begin with `/notify`.
fn wanted_rules(value: &RawValue) -> Result<Vec<WantedRule>, Violations> {
    #[derive(Default, Deserialize)]
    #[serde(deny_unknown_fields, default)]
    struct Job {
        notify: Vec<NotifyBody>,
    }
    let mut errors = FieldErrors::default();
    let Job { notify } = read(&format!("{{\"notify\":{}}}", value.get()), &mut errors)?;
    if notify.len() > MAX_RULES as usize {
        let detail = format!("has {} rules; at most {MAX_RULES} are allowed", notify.len());
        let rejected = errors.push("/notify", Invalid::new("too_many", detail));
        return errors.finish(Err(rejected));
    }
    let all: Vec<Checked<WantedRule>> =
        notify.into_iter().enumerate().map(|(index, body)| wanted_rule(index, body, &mut errors)).collect();
    errors.finish(all.into_iter().collect())
}

fn wanted_rule(index: usize, body: NotifyBody, errors: &mut FieldErrors) -> Checked<WantedRule> {
    let at = |field: &str| format!("/notify/{index}/{field}");
    let channel = required(errors, &at("channel"), body.channel);
    let event = required(errors, &at("event"), body.event)
        .and_then(|event| errors.take(&at("event"), event.parse()))
        .and_then(|event| errors.take(&at("after_failures"), Rule::check(event, body.after_failures)));
    let (channel, rule) = both(channel, event)?;
    Ok(WantedRule { channel, rule })
}

/// The channels of a workspace by their names.
#[derive(Default)]
pub struct Channels(HashMap<ChannelId, String>);

impl Channels {
    pub async fn load(state: &State, workspace: WorkspaceId) -> ApiResult<Self> {
        Ok(Self(channels::names(&mut *state.conn().await?, workspace).await?))
    }

    /// The rules that the field `notify` asks for, in its order. Pointers begin with `/notify`.
    pub fn rules(&self, notify: &RawValue) -> Result<Vec<ChannelRule>, Violations> {
        let (wanted, mut errors) = (wanted_rules(notify)?, FieldErrors::default());
        let mut found: Vec<ChannelRule> = Vec::new();
        for (index, WantedRule { channel, rule }) in wanted.into_iter().enumerate() {
            match self.id_of(&channel) {
                Some(id) if found.contains(&(id, rule)) => {
                    errors.push(format!("/notify/{index}"), Invalid::new("rule_twice", "is given twice"));
                }
                Some(id) => found.push((id, rule)),
                None => {
                    let invalid =
                        Invalid::new("channel_unknown", "is not the name of a channel of this workspace");
                    let invalid = invalid.hint("GET /v1/notification-channels lists them.");
                    errors.push(format!("/notify/{index}/channel"), invalid);
                }
            }
        }
        errors.finish(Ok(found))
    }

    fn id_of(&self, channel: &str) -> Option<ChannelId> {
        let by_name = self.0.iter().find(|(_, name)| *name == channel).map(|(id, _)| *id);
        by_name.or_else(|| channel.parse().ok().filter(|id| self.0.contains_key(id)))
    }

    pub fn views(&self, rules: &[ChannelRule]) -> Vec<NotifyView<'_>> {
        let view = |(channel, rule): &ChannelRule| {
            let channel = self.0.get(channel)?;
            Some(NotifyView { channel, event: rule.event.as_str(), after_failures: rule.after_failures })
        };
        rules.iter().filter_map(view).collect()
    }
}

/// Whether a job has exactly these rules. Their order has no meaning.
pub fn are_same(present: &[ChannelRule], wanted: &[ChannelRule]) -> bool {
    present.len() == wanted.len() && wanted.iter().all(|rule| present.contains(rule))
}

pub fn of_job(rules: &[JobRule]) -> Vec<ChannelRule> {
    rules.iter().map(|rule| (rule.channel, rule.rule)).collect()
}
