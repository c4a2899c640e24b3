//! The quotas of workspaces. The settings define plans and their limits; the database says which plan a workspace has.
//!
//! A quota never drops a fire of a schedule: each job has at most one per minute, and the number of jobs is limited.

use actix_web::http::{StatusCode, header};
use serde::Deserialize;
use std::{collections::BTreeMap, num::NonZeroU32};
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
        match limiter.check_all(&workspace.to_string(), ["runs"], count).await {
            RateDecision::Allowed { .. } => Ok(()),
            RateDecision::Limited { wait } => {
                let wait = seconds(wait).max(1);
                let detail = format!(
                    "The plan of this workspace allows {max} requested executions per minute. Try again in {wait} s."
                );
                Err(Problem::new(ProblemCode::QuotaExceeded, detail)
                    .with_status(StatusCode::TOO_MANY_REQUESTS)
                    .with_header(header::RETRY_AFTER, wait.to_string()))
            }
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
