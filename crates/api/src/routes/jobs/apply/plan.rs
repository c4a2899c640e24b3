//! What an application does: compares the jobs that a stack is to have with those that exist.

use actix_web::http::header::HeaderMap;
use indexmap::IndexMap;
use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};
use trigrun_core::{
    domain::{
        id::{JobId, WorkspaceId},
        invalid::{FieldErrors, Invalid, Violations},
        job::{Definition, Job, JobState, Prune},
        notification::ChannelRule,
    },
    store::{
        jobs::{self, StackedJob},
        rules::{self, JobRule},
    },
};

use super::{
    body::{MAX_JOBS, Wanted, WantedJob},
    notify::{Channels, are_same, of_job},
};
use crate::{
    extract::json::MAX_ERRORS,
    problem::{Problem, ProblemCode},
    result::ApiResult,
    routes::jobs::{
        declare::{Decision, Names, declaration},
        difference::FieldChangeView,
        put::ChangeView,
    },
    state::State,
};

/// Jobs that are compared at a time, each with the body of its request, of up to 256 KiB.
const COMPARE_BATCH: usize = 32;
/// How many keys a problem names.
const MAX_NAMED_KEYS: usize = 10;

/// What an application does. Nothing has changed yet.
#[derive(Default)]
pub struct Plan {
    pub creations: Vec<Creation>,
    pub changes: Vec<PlannedChange>,
    pub unchanged: Vec<ChangeView>,
    /// Jobs of the stack that are not applied, and their fate.
    pub orphans: Vec<StackedJob>,
    pub prune: Prune,
    /// Keys of jobs that stay paused, because the request does not name their state.
    pub paused: Vec<String>,
}

pub struct Creation {
    pub definition: Definition,
    pub view: ChangeView,
    /// The notification rules that the job gets.
    pub rules: Vec<ChannelRule>,
}

pub struct PlannedChange {
    pub job: JobId,
    pub wanted: WantedJob,
    pub view: ChangeView,
    /// The notification rules that the job has from then on; `None` if they stay as they are.
    pub rules: Option<Vec<ChannelRule>>,
}

/// Makes the plan, or says what is wrong with the request.
pub async fn plan(
    state: &State,
    workspace: WorkspaceId,
    headers: &HeaderMap,
    wanted: Wanted,
) -> ApiResult<(Plan, Wanted)> {
    let mut wanted = wanted;
    let (mut plan, mut errors) = (Plan { prune: wanted.prune, ..Plan::default() }, FieldErrors::default());
    let (mut foreign, mut stale, mut found) = (Vec::new(), Vec::new(), HashSet::new());
    let channels = match wanted.notifies() {
        true => Channels::load(state, workspace).await?,
        false => Channels::default(),
    };
    let channels = Arc::new(channels);
    let mut left = std::mem::take(&mut wanted.jobs).into_iter().peekable();
    let mut invalid = 0;
    while left.peek().is_some() && invalid < MAX_ERRORS {
        let batch: Vec<WantedJob> = left.by_ref().take(COMPARE_BATCH).collect();
        let existing = existing(state, workspace, &batch).await?;
        let body = |job: &Job| job.definition.request.body.as_ref().map_or(0, |body| body.as_str().len());
        let _held = state.capacity.bytes(headers, existing.jobs.values().map(body).sum())?;
        let (owned, stack, channels) = (state.clone(), wanted.stack.clone(), channels.clone());
        let compared = move || -> Vec<Result<Compared, Violations>> {
            batch.into_iter().map(|wanted| compare(&owned, &stack, wanted, &existing, &channels)).collect()
        };
        for compared in state.capacity.compute(headers, compared).await? {
            match compared {
                Err(violations) => {
                    for error in violations.into_vec() {
                        invalid += 1;
                        errors.push(error.pointer, error.invalid);
                    }
                }
                Ok(compared) => {
                    let Compared { wanted: job, before, keeps_pause, .. } = &compared;
                    let key = job.key.clone();
                    found.extend(before.as_ref().map(|before| before.id));
                    let is_foreign = |before: &Before| before.is_foreign && job.adopt.is_none();
                    if !wanted.take_over && before.as_ref().is_some_and(is_foreign) {
                        foreign.push(key.clone());
                    }
                    if compared.changes() && !wanted.expects(&key, before.as_ref()) {
                        stale.push(key.clone());
                    }
                    plan.paused.extend(keeps_pause.then_some(key));
                    plan.add(compared);
                }
            }
        }
    }
    errors.finish(Ok(()))?;
    refuse_foreign(&foreign)?;
    plan.orphans = orphans(state, workspace, &wanted, &found).await?;
    if plan.prune == Prune::Delete {
        if wanted.expect.is_some() {
            plan.orphans.retain(|orphan| wanted.names(orphan));
        }
        let is_stale = |orphan: &&StackedJob| !wanted.expects_orphan(orphan);
        stale.extend(plan.orphans.iter().filter(is_stale).map(name_of));
        if plan.orphans.len() > wanted.max_deletes {
            let detail = format!(
                "{} jobs of the stack would be deleted, and max_deletes is {}: {}. Nothing has changed.",
                plan.orphans.len(),
                wanted.max_deletes,
                some(&plan.orphans.iter().map(name_of).collect::<Vec<_>>())
            );
            return Err(Problem::new(ProblemCode::TooManyDeletes, detail));
        }
    }
    if !stale.is_empty() && !wanted.dry_run {
        return Err(plan_stale(&stale));
    }
    Ok((plan, wanted))
}

pub fn plan_stale(keys: &[String]) -> Problem {
    let detail = format!(
        "These jobs are no longer as expected: {}. Nothing has changed. Make a new plan.",
        some(keys)
    );
    Problem::new(ProblemCode::PlanStale, detail)
}

fn refuse_foreign(keys: &[String]) -> ApiResult<()> {
    if keys.is_empty() {
        return Ok(());
    }
    let detail = format!(
        "These jobs exist and do not belong to the stack: {}. Use other keys, or send take_over to take the jobs over.",
        some(keys)
    );
    Err(Problem::new(ProblemCode::StackConflict, detail))
}

/// The first keys, and how many more there are.
fn some(keys: &[String]) -> String {
    let named = keys.iter().take(MAX_NAMED_KEYS).map(String::as_str).collect::<Vec<_>>().join(", ");
    match keys.len().checked_sub(MAX_NAMED_KEYS).filter(|more| *more > 0) {
        Some(more) => format!("{named} and {more} more"),
        None => named,
    }
}

/// The key of a job, or its id.
pub fn name_of(job: &StackedJob) -> String {
    job.key.clone().unwrap_or_else(|| job.id.to_string())
}

/// What of an existing job the plan needs after the comparison.
#[derive(Clone, Copy)]
struct Before {
    id: JobId,
    version: i32,
    is_foreign: bool,
}

/// A valid job, beside the one that exists.
struct Compared {
    wanted: WantedJob,
    before: Option<Before>,
    decision: Decision,
    /// `None` if the notification rules stay as they are.
    rules: Option<Vec<ChannelRule>>,
    view: ChangeView,
    keeps_pause: bool,
}

impl Compared {
    fn changes(&self) -> bool {
        !matches!(self.decision, Decision::Keep) || self.rules.is_some()
    }
}

/// The jobs of a batch that exist.
struct Existing {
    jobs: HashMap<JobId, Job>,
    /// Of the jobs for which the request has `notify`.
    rules: HashMap<JobId, Vec<JobRule>>,
}

/// The jobs with the keys of the batch, and those that it adopts.
async fn existing(state: &State, workspace: WorkspaceId, batch: &[WantedJob]) -> ApiResult<Existing> {
    let keys: Vec<&str> = batch.iter().map(|wanted| wanted.key.as_str()).collect();
    let ids: Vec<JobId> = batch.iter().filter_map(|wanted| wanted.adopt).collect();
    let mut conn = state.conn().await?;
    let found = jobs::find_all(&mut conn, workspace, (&keys, &ids), state.clock.now()).await?;
    let jobs: HashMap<JobId, Job> = found.into_iter().map(|job| (job.id, job)).collect();
    let rules = match batch.iter().any(|wanted| wanted.notify.is_some()) {
        true => rules::of_jobs(&mut conn, workspace, &jobs.keys().copied().collect::<Vec<_>>()).await?,
        false => HashMap::new(),
    };
    Ok(Existing { jobs, rules })
}

/// Takes long for many jobs: it belongs on a blocking thread.
fn compare(
    state: &State,
    stack: &str,
    wanted: WantedJob,
    existing: &Existing,
    channels: &Channels,
) -> Result<Compared, Violations> {
    let moved = |violations: Violations| violations.moved(|pointer| format!("{}{pointer}", wanted.pointer()));
    let job = existing_job(&wanted, &existing.jobs).map_err(|invalid| at(&wanted, "/adopt", invalid))?;
    let names = Names { key: &wanted.key, stack: Some(stack) };
    let declared = declaration(state, names, &wanted.text, job).map_err(moved)?;
    let rules = wanted.notify.as_ref().map(|notify| channels.rules(notify)).transpose().map_err(moved)?;
    let keeps_pause = !declared.names_state && job.is_some_and(|job| job.state == JobState::Paused);
    let decided = declared.decide(state, job);
    let decision = decided.map_err(|error| at(&wanted, "", Invalid::new(error.code(), error.to_string())))?;
    let mut view = ChangeView::of(state, &wanted.key, job, &decision);
    let present =
        job.and_then(|job| existing.rules.get(&job.id)).map_or_else(Vec::new, |rules| of_job(rules));
    let rules = rules.filter(|rules| !are_same(&present, rules));
    if let (Some(rules), Some(_)) = (&rules, job) {
        let (before, after) = (channels.views(&present), channels.views(rules));
        view.with_field(FieldChangeView::new("/notify", &before, &after));
    }
    let before = |job: &Job| Before {
        id: job.id,
        version: job.version,
        is_foreign: job.definition.stack.as_deref() != Some(stack),
    };
    Ok(Compared { before: job.map(before), wanted, decision, rules, view, keeps_pause })
}

fn at(wanted: &WantedJob, field: &str, invalid: Invalid) -> Violations {
    Violations::of(&format!("{}{field}", wanted.pointer()), invalid)
}

/// The job with the key, or the one that gets it.
fn existing_job<'a>(
    wanted: &WantedJob,
    existing: &'a HashMap<JobId, Job>,
) -> Result<Option<&'a Job>, Invalid> {
    let own = existing.values().find(|job| job.definition.key.as_deref() == Some(&wanted.key));
    let Some(adopted) = wanted.adopt else { return Ok(own) };
    match (own, existing.get(&adopted)) {
        // Adopted by an earlier application.
        (Some(own), _) if own.id == adopted => Ok(Some(own)),
        (Some(own), _) => {
            let detail = format!("is another job than {}, which has this key", own.id);
            Err(Invalid::new("key_taken", detail))
        }
        (None, None) => Err(Invalid::new("job_unknown", "is not the id of a job of this workspace")),
        (None, Some(job)) => match &job.definition.key {
            None => Ok(Some(job)),
            Some(key) => {
                Err(Invalid::new("job_has_key", format!("is the id of a job with another key, {key}")))
            }
        },
    }
}

/// The jobs of the stack that the request does not contain.
async fn orphans(
    state: &State,
    workspace: WorkspaceId,
    wanted: &Wanted,
    found: &HashSet<JobId>,
) -> ApiResult<Vec<StackedJob>> {
    // Whatever the request contains, as many orphans as may be deleted are found, and one more.
    let limit = 2 * MAX_JOBS as i64 + 1;
    let mut stacked = jobs::of_stack(&mut *state.conn().await?, workspace, &wanted.stack, limit).await?;
    stacked.retain(|job| !found.contains(&job.id));
    stacked.truncate(MAX_JOBS + 1);
    Ok(stacked)
}

impl Wanted {
    /// Whether the job is as the client's plan has found it.
    fn expects(&self, key: &str, before: Option<&Before>) -> bool {
        let Some(expect) = &self.expect else { return true };
        let version = before.map(|before| i64::from(before.version));
        expect.get(key).is_some_and(|expected| *expected == version)
    }

    fn names(&self, orphan: &StackedJob) -> bool {
        self.expect.as_ref().is_none_or(|expect| expect.contains_key(&name_of(orphan)))
    }

    fn expects_orphan(&self, orphan: &StackedJob) -> bool {
        let expected = |expect: &IndexMap<String, Option<i64>>| {
            expect.get(&name_of(orphan)).copied().flatten() == Some(orphan.version.into())
        };
        self.expect.as_ref().is_none_or(expected)
    }
}

impl Plan {
    fn add(&mut self, compared: Compared) {
        let changes = compared.changes();
        let Compared { wanted, before, decision, rules, view, .. } = compared;
        match (decision, before) {
            (Decision::Create(definition), _) => {
                let (definition, rules) = (*definition, rules.unwrap_or_default());
                self.creations.push(Creation { definition, view, rules });
            }
            (_, Some(Before { id: job, .. })) if changes => {
                self.changes.push(PlannedChange { job, wanted, view, rules });
            }
            (Decision::Change(_) | Decision::Keep, _) => self.unchanged.push(view),
        }
    }
}
