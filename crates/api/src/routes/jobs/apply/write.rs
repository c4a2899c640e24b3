//! Carries out a plan: creations in one transaction, then each change in its own, deletions last.
//!
//! Two jobs are never locked together. What fails after the creations is reported for its job, as is what there was no time for; to apply the
//! same again converges.

use chrono::{SubsecRound, TimeDelta};
use std::time::Instant;
use trigrun_core::{
    domain::{
        id::{JobId, WorkspaceId},
        job::{
            Job, JobState, Prune,
            change::{JobChange, first_fire},
        },
        notification::ChannelRule,
    },
    store::{
        jobs::{self, Applied, NewJob, StackedJob},
        rules,
    },
    telemetry::trace,
};

use super::{
    SummaryView,
    body::Wanted,
    plan::{Creation, Plan, PlannedChange, name_of, plan_stale},
};
use crate::{
    job_writer::PendingJob,
    problem::{Problem, ProblemCode},
    result::ApiResult,
    routes::{
        jobs::{
            change::{self, Change, Changed},
            create::{Requested, refused},
            declare::{Decision, Names, declaration},
            put::{ChangeProblemView, ChangeView, NextRunView},
        },
        rules::channel_gone,
    },
    state::State,
    time::instant,
};

/// No change begins after this part of the time limit of a request.
const TIME_DIVISOR: u32 = 2;

/// What is shown of new jobs, the jobs, and their notification rules.
type Pending = (Vec<ChangeView>, Vec<PendingJob>, Vec<Vec<ChannelRule>>);

/// The request that is carried out.
pub struct Application<'a> {
    pub state: &'a State,
    pub workspace: WorkspaceId,
    pub wanted: &'a Wanted,
    pub by: Requested,
}

impl Application<'_> {
    /// Returns what was done to each job.
    pub async fn carry_out(self, plan: Plan) -> ApiResult<Vec<ChangeView>> {
        let Plan { creations, changes, orphans, prune, .. } = plan;
        // Time remains for the change that has begun, and for the response.
        let deadline = Instant::now() + self.state.request_timeout / TIME_DIVISOR;
        let mut views = self.create(creations).await?;
        for planned in changes {
            views.push(match Instant::now() > deadline {
                true => failed(planned.view, too_late())?,
                false => self.change(planned).await?,
            });
        }
        for orphan in orphans {
            views.push(match prune {
                Prune::Keep => orphan_view(&orphan, "orphan"),
                _ if Instant::now() > deadline => failed(orphan_view(&orphan, prune.as_str()), too_late())?,
                Prune::Pause => self.pause(&orphan).await?,
                Prune::Delete => self.delete(&orphan).await?,
            });
        }
        self.audit(&SummaryView::of(&views, 0)).await?;
        self.state.waker.wake();
        Ok(views)
    }

    /// All or none, with their notification rules: nothing has changed if this fails.
    async fn create(&self, creations: Vec<Creation>) -> ApiResult<Vec<ChangeView>> {
        if creations.is_empty() {
            return Ok(Vec::new());
        }
        let (state, workspace) = (self.state, self.workspace);
        let runs = creations.iter().filter(|creation| creation.definition.requests_run()).count();
        if let Some(runs) = u32::try_from(runs).ok().filter(|runs| *runs > 0) {
            state.quotas.run(self.by.plan, workspace, runs).await?;
        }
        let (views, pending, rules) = self.pending(creations)?;
        let by = self.by.clone();
        let inserted = state.run(async move |state| {
            let new = pending.iter().zip(&rules);
            let new = new.map(|(job, rules)| NewJob { applied: true, rules, ..job.new_job() });
            let new: Vec<NewJob<'_>> = new.collect();
            match jobs::insert_all(&mut *state.conn().await?, workspace, &new, by.plan.jobs()).await {
                Ok(_) => Ok(()),
                Err(error) if error.is_conflict("jobs_key") => {
                    let keys = pending.iter().filter_map(|job| job.definition.key.clone());
                    Err(plan_stale(&keys.collect::<Vec<_>>()))
                }
                Err(error) if error.is_conflict("channel") => Err(channel_gone(error)),
                Err(error) => Err(by.not_written(error)),
            }
        });
        inserted.await?;
        Ok(views)
    }

    /// Gives a job its notification rules, if nothing else changes.
    async fn with_rules(
        &self,
        view: ChangeView,
        job: JobId,
        rules: Vec<ChannelRule>,
    ) -> ApiResult<ChangeView> {
        let (workspace, now) = (self.workspace, self.state.clock.now());
        let replace = async move |state: State| {
            let mut conn = state.conn().await?;
            rules::replace(&mut conn, workspace, job, &rules, now).await.map_err(|error| {
                match error.is_conflict("version") {
                    true => Problem::new(
                        ProblemCode::JobChanges,
                        "Others change this job at the same time; try again.",
                    ),
                    false => channel_gone(error),
                }
            })
        };
        match self.state.run(replace).await {
            Ok(()) => Ok(view),
            Err(problem) => failed(view, problem),
        }
    }

    fn pending(&self, creations: Vec<Creation>) -> ApiResult<Pending> {
        // The precision that Postgres stores.
        let now = self.state.clock.now().trunc_subsecs(6);
        let traceparent = trace::current();
        let mut all = (Vec::new(), Vec::new(), Vec::new());
        for (index, Creation { definition, view, rules }) in creations.into_iter().enumerate() {
            let first_fire = first_fire(&definition, now, now).map_err(refused)?;
            // Ids are a microsecond apart, so that lists show the jobs in the order of the request.
            let id = JobId::at(now + TimeDelta::microseconds(index as i64));
            let next_run_at = NextRunView { before: None, after: first_fire.map(instant) };
            all.0.push(ChangeView { id: Some(id.to_string()), version: Some(1), next_run_at, ..view });
            all.1.push(PendingJob {
                workspace: self.workspace,
                id,
                definition,
                now,
                first_fire,
                traceparent: traceparent.clone(),
                depth: self.by.depth,
                by: self.by.author.clone(),
                token_hash: self.by.token_hash.clone(),
            });
            all.2.push(rules);
        }
        Ok(all)
    }

    async fn change(&self, planned: PlannedChange) -> ApiResult<ChangeView> {
        let PlannedChange { job, wanted, view, rules } = planned;
        let names = Names { key: &wanted.key, stack: Some(&self.wanted.stack) };
        let expected = view.version.filter(|_| self.wanted.expect.is_some());
        let decide = async |job: &Job| {
            let declared = declaration(self.state, names, &wanted.text, Some(job))?;
            match declared.decide(self.state, Some(job))? {
                Decision::Change(_) if expected.is_some_and(|version| version != job.version) => {
                    Err(plan_stale(std::slice::from_ref(&wanted.key)))
                }
                Decision::Change(change) => Ok(Some(JobChange { applied: true, ..*change })),
                Decision::Create(_) | Decision::Keep => Ok(None),
            }
        };
        let of = Change { rules: rules.clone(), ..self.change_of(job) };
        let changed = change::retrying(self.state, of, decide).await;
        // Otherwise the change has written them.
        let rules = rules.filter(|_| matches!(changed, Ok(Changed { is_changed: false, .. })));
        let view = reported(view, changed)?;
        match rules {
            Some(rules) => self.with_rules(view, job, rules).await,
            None => Ok(view),
        }
    }

    async fn pause(&self, orphan: &StackedJob) -> ApiResult<ChangeView> {
        let changed = change::set_state(self.state, self.change_of(orphan.id), JobState::Paused).await;
        let changed = match changed {
            // A completed job does not fire any more, and neither does a draft.
            Err(problem)
                if problem.has(ProblemCode::JobCompleted) || problem.has(ProblemCode::JobIsDraft) =>
            {
                return Ok(orphan_view(orphan, "orphan"));
            }
            Ok(Changed { is_changed: false, .. }) => return Ok(orphan_view(orphan, "orphan")),
            changed => changed,
        };
        reported(orphan_view(orphan, "pause"), changed)
    }

    async fn delete(&self, orphan: &StackedJob) -> ApiResult<ChangeView> {
        let (workspace, job, version) = (self.workspace, orphan.id, Some(orphan.version));
        let by = self.by.author.clone();
        let delete = async move |state: State| match jobs::delete(
            &mut *state.conn().await?,
            workspace,
            job,
            version,
            &by,
        )
        .await
        {
            Err(error) if error.is_conflict("version") => Err(change::stale()),
            deleted => Ok(deleted?),
        };
        let view = orphan_view(orphan, "delete");
        match self.state.run(delete).await {
            Ok(()) => Ok(view),
            Err(problem) => failed(view, problem),
        }
    }

    fn change_of(&self, job: JobId) -> Change {
        let Requested { depth, plan, author: by, .. } = self.by.clone();
        Change { workspace: self.workspace, plan, job, if_match: None, depth, by, rules: None }
    }

    async fn audit(&self, done: &SummaryView) -> ApiResult<()> {
        let changed = done.create + done.update + done.pause + done.delete;
        if changed == 0 {
            return Ok(());
        }
        let (workspace, stack, by) = (self.workspace, self.wanted.stack.clone(), self.by.author.later(1));
        let counts =
            Applied { created: done.create, updated: done.update, paused: done.pause, deleted: done.delete };
        self.state
            .run(async move |state| {
                Ok(jobs::record_application(&mut *state.conn().await?, workspace, &by, &stack, counts)
                    .await?)
            })
            .await
    }
}

pub fn orphan_view(orphan: &StackedJob, action: &'static str) -> ChangeView {
    ChangeView {
        key: name_of(orphan),
        id: Some(orphan.id.to_string()),
        version: Some(orphan.version),
        action,
        drifted: false,
        fields: Vec::new(),
        next_run_at: NextRunView { before: None, after: None },
        problem: None,
    }
}

fn reported(view: ChangeView, changed: ApiResult<Changed>) -> ApiResult<ChangeView> {
    match changed {
        Ok(Changed { job, .. }) => {
            let next_run_at = NextRunView { after: job.next_run_at.map(instant), ..view.next_run_at };
            Ok(ChangeView { version: Some(job.version), next_run_at, ..view })
        }
        Err(problem) => failed(view, problem),
    }
}

fn too_late() -> Problem {
    let detail = "There was no time left for this job. Apply the stack again.";
    Problem::new(ProblemCode::ApplicationIncomplete, detail)
}

/// A problem of one job does not stop the others. One of the server does.
fn failed(view: ChangeView, problem: Problem) -> ApiResult<ChangeView> {
    if problem.is_of_server() {
        return Err(problem);
    }
    Ok(ChangeView { problem: Some(ChangeProblemView::of(&problem)), ..view })
}
