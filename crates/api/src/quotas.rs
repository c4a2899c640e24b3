//! The quotas of workspaces. The settings define plans and their limits; the database says which plan a workspace has, and which limits of
//! its own.
//!
//! A quota never drops a fire of a schedule: each job has at most one per minute, and the number of jobs is limited.

use actix_web::http::{StatusCode, header};
use serde::Deserialize;
use std::{collections::BTreeMap, num::NonZeroU32, time::Duration};
use trigrun_core::{
    domain::{
        id::WorkspaceId,
        workspace::{OwnLimits, WorkspacePlan},
    },
    store::StoreError,
    stream::{
        RedisSettings, StreamError,
        limiter::{Limiter, Rate, RateDecision},
    },
};

use crate::{
    problem::{Problem, ProblemCode},
    rate_limits::seconds,
    result::ApiResult,
};

/// The sections `[plans.…]`, by name.
pub type PlanSettings = BTreeMap<String, Plan>;

/// The plan of workspaces without one, and of those whose plan is no longer in the settings.
pub const DEFAULT_PLAN: &str = "default";

/// Many executions are counted in parts of what a plan allows, so that few of a minute are left unused.
const BATCHES_PER_MINUTE: u32 = 10;

/// One section, or what a workspace has; 0 means no limit.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Plan {
    pub jobs: u32,
    pub tokens: u32,
    pub executions_per_minute: u32,
    pub members: u32,
    pub channels: u32,
}

impl Plan {
    pub fn jobs(self) -> Option<u32> {
        (self.jobs > 0).then_some(self.jobs)
    }

    pub fn tokens(self) -> Option<u32> {
        (self.tokens > 0).then_some(self.tokens)
    }

    pub fn executions_per_minute(self) -> Option<NonZeroU32> {
        NonZeroU32::new(self.executions_per_minute)
    }

    pub fn members(self) -> Option<u32> {
        (self.members > 0).then_some(self.members)
    }

    pub fn channels(self) -> Option<u32> {
        (self.channels > 0).then_some(self.channels)
    }

    /// With what an operator allows one workspace.
    fn with(self, own: OwnLimits) -> Self {
        Self {
            jobs: own.jobs.unwrap_or(self.jobs),
            tokens: own.tokens.unwrap_or(self.tokens),
            executions_per_minute: own.executions_per_minute.unwrap_or(self.executions_per_minute),
            members: own.members.unwrap_or(self.members),
            channels: own.channels.unwrap_or(self.channels),
        }
    }

    /// The problem when this quota conflicts; other errors stay what they are.
    pub fn exceeded(self, quota: Quota, error: StoreError) -> Problem {
        if !error.is_conflict("quota") {
            return error.into();
        }
        let (max, what, remedy) = match quota {
            Quota::Jobs => (self.jobs, "job", "Delete one that is no longer needed"),
            Quota::Tokens => (self.tokens, "API token", "Delete one that is no longer needed"),
            Quota::Members => (self.members, "member", "Remove a member or an invitation"),
            Quota::Channels => (self.channels, "notification channel", "Delete one that is no longer needed"),
        };
        let several = if max == 1 { "" } else { "s" };
        let with = if matches!(quota, Quota::Members) { ", with the users who are invited" } else { "" };
        let detail = format!(
            "This workspace may have {max} {what}{several}{with}. {remedy}, or ask your administrator for a higher limit."
        );
        Problem::new(ProblemCode::QuotaExceeded, detail)
    }
}

/// What a quota counts.
#[derive(Clone, Copy)]
pub enum Quota {
    Jobs,
    Tokens,
    Members,
    Channels,
}

pub struct Quotas {
    plans: PlanSettings,
    limiter: Limiter<1>,
}

impl Quotas {
    pub fn new(plans: PlanSettings, redis: &RedisSettings) -> Result<Self, StreamError> {
        // Each workspace has a rate of its own.
        let limiter = Limiter::new(redis, [Rate::per_minute(NonZeroU32::MIN)])?;
        Ok(Self { plans, limiter })
    }

    /// All plans, by name.
    pub fn plans(&self) -> impl Iterator<Item = (&str, Plan)> {
        self.plans.iter().map(|(name, plan)| (name.as_str(), *plan))
    }

    /// What a workspace may have.
    pub fn of(&self, plan: &WorkspacePlan) -> Plan {
        let named = self.plans.get(&plan.name).or_else(|| self.plans.get(DEFAULT_PLAN));
        named.copied().unwrap_or_default().with(plan.own)
    }

    /// Counts executions whose time a client chooses: all of them, or none.
    pub async fn run(&self, plan: Plan, workspace: WorkspaceId, count: u32) -> ApiResult<()> {
        let Some(max) = plan.executions_per_minute() else { return Ok(()) };
        if count > max.get() {
            let detail = format!(
                "This workspace may request {max} executions per minute; this request is for {count}."
            );
            return Err(Problem::new(ProblemCode::QuotaExceeded, detail));
        }
        let Some(wait) = self.limited(max, workspace, count).await else { return Ok(()) };
        let wait = seconds(wait).max(1);
        let detail =
            format!("This workspace may request {max} executions per minute. Try again in {wait} s.");
        Err(Problem::new(ProblemCode::QuotaExceeded, detail)
            .with_status(StatusCode::TOO_MANY_REQUESTS)
            .with_header(header::RETRY_AFTER, wait.to_string()))
    }

    /// How many of many executions to count at a time: at most so many, and few enough for the plan.
    pub fn batch(plan: Plan, most: u32) -> usize {
        let max = plan.executions_per_minute();
        let size = max.map_or(most, |max| (max.get() / BATCHES_PER_MINUTE).clamp(1, most));
        usize::try_from(size).unwrap_or(usize::MAX)
    }

    /// Counts some of many executions, all or none: how long to wait if the plan does not allow them yet.
    pub async fn wait(&self, plan: Plan, workspace: WorkspaceId, count: usize) -> Option<Duration> {
        let max = plan.executions_per_minute()?;
        self.limited(max, workspace, u32::try_from(count).unwrap_or(u32::MAX)).await
    }

    async fn limited(&self, max: NonZeroU32, workspace: WorkspaceId, count: u32) -> Option<Duration> {
        let rates = [Rate::per_minute(max)];
        match self.limiter.check_all(&workspace.to_string(), ["runs"], rates, count).await {
            RateDecision::Allowed { .. } => None,
            RateDecision::Limited { wait } => Some(wait),
        }
    }
}
