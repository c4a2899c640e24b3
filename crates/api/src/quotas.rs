//! What a workspace may have, by its plan. What a plan allows is the operator's setting, which plan a workspace has is in the database.
//!
//! A fire of a schedule is never dropped for a quota: there is at most one a minute of each job, and jobs are counted.

use actix_web::http::{StatusCode, header};
use serde::Deserialize;
use std::{collections::BTreeMap, num::NonZeroU32};
use trigrun_core::{
    domain::id::WorkspaceId,
    store::{StoreError, workspaces},
    stream::{
        RedisSettings, StreamError,
        limiter::{Limiter, Rate, RateDecision},
    },
};

use crate::{
    problem::Problem,
    rate_limits::seconds,
    state::{ApiResult, State},
};

/// The sections `[plans.…]`, by name.
pub type PlanSettings = BTreeMap<String, Plan>;

/// The plan of workspaces that were given none, and of those whose plan is gone.
pub const DEFAULT: &str = "default";

/// One section; 0 is without limit.
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

    fn is_without_limit(self) -> bool {
        self.jobs().is_none() && self.tokens().is_none() && self.executions_per_minute().is_none()
    }

    /// The answer when a quota was in the way.
    pub fn refused(self, error: StoreError) -> Problem {
        if !error.is_conflict("quota") {
            return error.into();
        }
        let quotas = [(self.jobs(), "jobs"), (self.tokens(), "API tokens")];
        let allowed: Vec<String> =
            quotas.iter().filter_map(|(most, what)| Some(format!("{} {what}", (*most)?))).collect();
        let detail = format!(
            "That would be more than the plan of this workspace allows: {}. Delete what is no longer needed, or ask for a larger plan.",
            allowed.join(", ")
        );
        Problem::new(StatusCode::FORBIDDEN, "quota_exceeded", detail)
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

    /// What the workspace may have. Postgres is asked only where there is something to ask for.
    pub async fn plan(&self, state: &State, workspace: WorkspaceId) -> ApiResult<Plan> {
        Ok(self.of(state, workspace).await?.map_or_else(Plan::default, |(plan, _)| *plan))
    }

    /// One execution that somebody asks for.
    pub async fn run(&self, state: &State, workspace: WorkspaceId) -> ApiResult<()> {
        let Some((plan, Some(limiter))) = self.of(state, workspace).await? else { return Ok(()) };
        match limiter.pass(&workspace.to_string(), ["runs"]).await {
            RateDecision::Passed { .. } => Ok(()),
            RateDecision::Refused { wait } => {
                let (most, wait) = (plan.executions_per_minute, seconds(wait).max(1));
                let detail = format!(
                    "The plan of this workspace allows {most} executions a minute beside its schedules. Try again in {wait} s."
                );
                Err(Problem::new(StatusCode::TOO_MANY_REQUESTS, "quota_exceeded", detail)
                    .with_header(header::RETRY_AFTER, wait.to_string()))
            }
        }
    }

    async fn of(
        &self,
        state: &State,
        workspace: WorkspaceId,
    ) -> ApiResult<Option<&(Plan, Option<Limiter<1>>)>> {
        if self.0.values().all(|(plan, _)| plan.is_without_limit()) {
            return Ok(None);
        }
        let name = workspaces::plan(&mut *state.conn().await?, workspace).await?;
        Ok(self.0.get(&name).or_else(|| self.0.get(DEFAULT)))
    }

    /// Forgets workspaces that have been quiet.
    pub fn forget(&self) {
        self.0.values().filter_map(|(_, limiter)| limiter.as_ref()).for_each(Limiter::forget);
    }
}
