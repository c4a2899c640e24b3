//! The quotas of workspaces. The settings define plans and their limits; the database says which plan a workspace has.
//!
//! A quota never drops a fire of a schedule: each job has at most one per minute, and the number of jobs is limited.

use actix_web::http::{StatusCode, header};
use serde::Deserialize;
use std::{collections::BTreeMap, num::NonZeroU32, time::Duration};
use trigrun_core::{
    domain::id::WorkspaceId,
    store::{Db, StoreError, workspaces},
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

/// One section; 0 means no limit.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Plan {
    pub jobs: u32,
    pub tokens: u32,
    pub executions_per_minute: u32,
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

    fn is_unlimited(self) -> bool {
        self.jobs().is_none() && self.tokens().is_none() && self.executions_per_minute().is_none()
    }

    /// The problem when the quota conflicts; other errors stay what they are.
    pub fn exceeded(self, error: StoreError) -> Problem {
        if !error.is_conflict("quota") {
            return error.into();
        }
        let quotas = [(self.jobs(), "jobs"), (self.tokens(), "API tokens")];
        let allowed: Vec<String> =
            quotas.iter().filter_map(|(max, what)| Some(format!("{} {what}", (*max)?))).collect();
        let detail = format!(
            "This exceeds the plan of this workspace, which allows {}. Delete what is no longer needed, or ask your administrator for a larger plan.",
            allowed.join(", ")
        );
        Problem::new(ProblemCode::QuotaExceeded, detail)
    }
}

pub struct Quotas(BTreeMap<String, (Plan, Option<Limiter<1>>)>);

impl Quotas {
    pub fn new(plans: &PlanSettings, redis: &RedisSettings) -> Result<Self, StreamError> {
        let with_limiter = |(name, plan): (&String, &Plan)| {
            let rate = plan.executions_per_minute().map(|rate| Limiter::new(redis, [Rate::per_minute(rate)]));
            Ok((name.clone(), (*plan, rate.transpose()?)))
        };
        plans.iter().map(with_limiter).collect::<Result<_, _>>().map(Self)
    }

    /// All plans, by name.
    pub fn plans(&self) -> impl Iterator<Item = (&str, Plan)> {
        self.0.iter().map(|(name, (plan, _))| (name.as_str(), *plan))
    }

    /// The plan of a workspace. Reads Postgres only if any plan has a limit.
    pub async fn plan(&self, db: &Db, workspace: WorkspaceId) -> ApiResult<Plan> {
        Ok(self.find(db, workspace).await?.map_or_else(Plan::default, |(plan, _)| *plan))
    }

    /// Counts executions whose time a client chooses: all of them, or none.
    pub async fn run(&self, db: &Db, workspace: WorkspaceId, count: u32) -> ApiResult<()> {
        let Some((plan, Some(limiter))) = self.find(db, workspace).await? else { return Ok(()) };
        let max = plan.executions_per_minute;
        if count > max {
            let detail = format!(
                "The plan of this workspace allows {max} requested executions per minute; this request is for {count}."
            );
            return Err(Problem::new(ProblemCode::QuotaExceeded, detail));
        }
        let Some(wait) = Self::limited(limiter, workspace, count).await else { return Ok(()) };
        let wait = seconds(wait).max(1);
        let detail = format!(
            "The plan of this workspace allows {max} requested executions per minute. Try again in {wait} s."
        );
        Err(Problem::new(ProblemCode::QuotaExceeded, detail)
            .with_status(StatusCode::TOO_MANY_REQUESTS)
            .with_header(header::RETRY_AFTER, wait.to_string()))
    }

    /// How many of many executions to count at a time: at most so many, and few enough for the plan.
    pub async fn batch(&self, db: &Db, workspace: WorkspaceId, most: u32) -> ApiResult<usize> {
        let max = self.plan(db, workspace).await?.executions_per_minute();
        let size = max.map_or(most, |max| (max.get() / BATCHES_PER_MINUTE).clamp(1, most));
        Ok(usize::try_from(size).unwrap_or(usize::MAX))
    }

    /// Counts some of many executions, all or none: how long to wait if the plan does not allow them yet.
    pub async fn wait(&self, db: &Db, workspace: WorkspaceId, count: usize) -> ApiResult<Option<Duration>> {
        let Some((_, Some(limiter))) = self.find(db, workspace).await? else { return Ok(None) };
        Ok(Self::limited(limiter, workspace, u32::try_from(count).unwrap_or(u32::MAX)).await)
    }

    async fn limited(limiter: &Limiter<1>, workspace: WorkspaceId, count: u32) -> Option<Duration> {
        match limiter.check_all(&workspace.to_string(), ["runs"], count).await {
            RateDecision::Allowed { .. } => None,
            RateDecision::Limited { wait } => Some(wait),
        }
    }

    async fn find(&self, db: &Db, workspace: WorkspaceId) -> ApiResult<Option<&(Plan, Option<Limiter<1>>)>> {
        if self.0.values().all(|(plan, _)| plan.is_unlimited()) {
            return Ok(None);
        }
        let name = workspaces::plan(&mut *db.conn().await?, workspace).await?;
        Ok(self.0.get(&name).or_else(|| self.0.get(DEFAULT_PLAN)))
    }
}
