//! Decides every change of a job: its state afterwards, and what happens to its future fires.
//!
//! The API decides with the job that it has read. The store applies the decision to that version only, and computes the first fire with
//! the same rule once it holds the locks, because the change takes effect then.

use chrono::{DateTime, Utc};

use super::{
    Definition, Job, JobState,
    pause::{PauseTerms, active_since},
};
use crate::domain::schedule::{Kind, ScheduleError};

impl JobState {
    /// The state machine of jobs. Users move a job between active, paused and draft; the end of its last execution completes an active job;
    /// a new schedule revives a completed one.
    pub const fn may_become(self, next: Self) -> bool {
        match next {
            Self::Completed => matches!(self, Self::Active),
            Self::Active | Self::Paused | Self::Draft => true,
        }
    }
}

/// What a change means for future fires.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FutureFires {
    /// They stay as they are, and run the new version.
    Keep,
    /// Those not yet due are removed; the next is the first after the change.
    Reset,
}

/// A new definition for a job, valid only against the version and the state that it was decided from.
#[derive(Clone, Debug)]
pub struct JobChange {
    pub from_version: i32,
    pub from_state: JobState,
    pub definition: Definition,
    /// The state of the job afterwards: the definition's, or still `completed`.
    pub state: JobState,
    pub future_fires: FutureFires,
    /// The origin of intervals: when the job was created.
    pub anchor: DateTime<Utc>,
    /// Whether the application of a stack makes the change.
    pub applied: bool,
    /// What the client says about the pause, if the job is paused afterwards.
    pub pause: Option<PauseTerms>,
    /// Since when the change is in effect, if that is not the time at which it is written.
    pub since: Option<DateTime<Utc>>,
}

/// Why a job cannot be changed like this.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChangeError {
    #[error("The job is completed: its only run has ended. Use run-now, or give it a new schedule.")]
    Completed,
    #[error("The job is a draft and does nothing yet; there is nothing to pause.")]
    Draft,
    #[error("The job's run_at has passed while it was not active; give it a new one.")]
    RunAtPast,
    /// A time zone may have left the database since the schedule was checked.
    #[error(transparent)]
    Schedule(#[from] ScheduleError),
}

impl ChangeError {
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Completed => "job_completed",
            Self::Draft => "job_is_draft",
            Self::RunAtPast => "run_at_past",
            Self::Schedule(_) => "schedule_unreadable",
        }
    }
}

impl JobChange {
    /// Whether the change makes an execution due at a time of the client's choosing.
    pub fn requests_run(&self) -> bool {
        let runs_after_pause = self.pause.as_ref().is_some_and(|terms| terms.until.is_some())
            && matches!(self.definition.schedule.kind(), Kind::OneTime | Kind::Scheduled);
        runs_after_pause || (self.future_fires == FutureFires::Reset && self.definition.requests_run())
    }

    fn new(
        job: &Job,
        definition: Definition,
        state: JobState,
        now: DateTime<Utc>,
    ) -> Result<Self, ChangeError> {
        let future_fires = future_fires(job, &definition);
        if future_fires == FutureFires::Reset {
            first_fire(&definition, job.created_at, now)?;
        }
        Ok(Self {
            from_version: job.version,
            from_state: job.state,
            definition,
            state,
            future_fires,
            anchor: job.created_at,
            applied: false,
            pause: None,
            since: None,
        })
    }
}

impl Definition {
    /// An active `one_time` job gets one execution, and never a timer.
    pub fn runs_at_once(&self) -> bool {
        self.state == JobState::Active && self.schedule.kind() == Kind::OneTime
    }

    /// Whether the client chooses when the job's one execution is due. The fires of a recurring or cron job come at most once a minute, however
    /// often it is changed: intervals count from the creation of the job, and cron fires with the minute.
    pub fn requests_run(&self) -> bool {
        self.state == JobState::Active && matches!(self.schedule.kind(), Kind::OneTime | Kind::Scheduled)
    }
}

/// Gives a job another definition. `names_state`: the client names a state, even if it is the present one.
pub fn redefine(
    job: &Job,
    definition: Definition,
    names_state: bool,
    now: DateTime<Utc>,
) -> Result<JobChange, ChangeError> {
    let stays_completed = job.state == JobState::Completed && definition.schedule == job.definition.schedule;
    if stays_completed && names_state {
        return Err(ChangeError::Completed);
    }
    let state = if stays_completed { JobState::Completed } else { definition.state };
    JobChange::new(job, definition, state, now)
}

/// Pauses or resumes a job; `None` when it has that state already.
pub fn set_state(job: &Job, wanted: JobState, now: DateTime<Utc>) -> Result<Option<JobChange>, ChangeError> {
    match (job.state, wanted) {
        (present, wanted) if present == wanted => Ok(None),
        (JobState::Completed, _) => Err(ChangeError::Completed),
        (JobState::Draft, JobState::Paused) => Err(ChangeError::Draft),
        (_, wanted) => {
            let definition = Definition { state: wanted, ..job.definition.clone() };
            JobChange::new(job, definition, wanted, now).map(Some)
        }
    }
}

/// Pauses a job. If it is paused already, new terms replace those that it has; `None` if nothing changes.
pub fn pause(
    job: &Job,
    terms: Option<PauseTerms>,
    now: DateTime<Utc>,
) -> Result<Option<JobChange>, ChangeError> {
    if job.state != JobState::Paused {
        let change = set_state(job, JobState::Paused, now)?;
        return Ok(change.map(|change| JobChange { pause: terms, ..change }));
    }
    match terms {
        Some(terms) if job.pause.as_ref().is_none_or(|pause| pause.terms != terms) => {
            let change = JobChange::new(job, job.definition.clone(), JobState::Paused, now)?;
            Ok(Some(JobChange { pause: Some(terms), ..change }))
        }
        _ => Ok(None),
    }
}

/// Resumes a job whose pause has ended by `now`, as of the end of the pause; `None` if it has not.
pub fn resume_by_itself(job: &Job, now: DateTime<Utc>) -> Result<Option<JobChange>, ChangeError> {
    let until = job.pause.as_ref().and_then(|pause| pause.terms.until).filter(|until| *until <= now);
    let (JobState::Paused, Some(until)) = (job.state, until) else { return Ok(None) };
    let since = active_since(until);
    let definition = Definition { state: JobState::Active, ..job.definition.clone() };
    let change = JobChange::new(job, definition, JobState::Active, since)?;
    Ok(Some(JobChange { since: Some(since), ..change }))
}

/// A new schedule or another state starts from now; any other change leaves the fires as they are.
fn future_fires(job: &Job, new: &Definition) -> FutureFires {
    let same_schedule = job.definition.schedule == new.schedule;
    // A one_time job that has had its execution gets no other by being paused and resumed.
    let has_run = new.schedule.kind() == Kind::OneTime && job.last_execution.is_some();
    if same_schedule && (has_run || job.definition.state == new.state) {
        FutureFires::Keep
    } else {
        FutureFires::Reset
    }
}

/// The first fire after `now` of a job whose definition takes effect then; `None` for one that does not fire by itself.
pub fn first_fire(
    definition: &Definition,
    anchor: DateTime<Utc>,
    now: DateTime<Utc>,
) -> Result<Option<DateTime<Utc>>, ChangeError> {
    if definition.state != JobState::Active {
        return Ok(None);
    }
    let next = definition.schedule.next_after(anchor, now)?;
    if next.is_none() && definition.schedule.kind() == Kind::Scheduled {
        return Err(ChangeError::RunAtPast);
    }
    Ok(next)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{
        audit::Actor,
        execution::Status,
        id::{ExecutionId, JobId, WorkspaceId},
        job::{DEFAULT_CATCH_UP_LIMIT, LastExecution, MisfirePolicy, OverlapPolicy, pause::Pause},
        request::{Headers, Method, Request},
        retry::{DeliveryGuarantee, RetryPolicy},
        schedule::{Cron, Schedule},
    };
    use chrono::TimeDelta;
    use uuid::Uuid;

    use crate::domain::statistics::JobHealth;

    fn now() -> DateTime<Utc> {
        DateTime::from_timestamp(1_800_000_000, 0).unwrap()
    }

    fn job(schedule: Schedule, state: JobState) -> Job {
        let wanted = if state == JobState::Completed { JobState::Active } else { state };
        let definition = Definition {
            key: None,
            stack: None,
            name: "a".into(),
            schedule,
            request: Request {
                url: "https://example.com/".into(),
                method: Method::Get,
                headers: Headers::check(Vec::new()).unwrap(),
                body: None,
                timeout_seconds: 30,
                success_statuses: [200].into(),
            },
            retry_policy: RetryPolicy::default(),
            concurrency_limit: None,
            overlap_policy: OverlapPolicy::default(),
            misfire_policy: MisfirePolicy::default(),
            catch_up_limit: DEFAULT_CATCH_UP_LIMIT,
            delivery: DeliveryGuarantee::default(),
            tags: Vec::new(),
            state: wanted,
        };
        Job {
            id: JobId::from_uuid(Uuid::nil()),
            workspace: WorkspaceId::from_uuid(Uuid::nil()),
            version: 7,
            applied_version: None,
            definition,
            state,
            pause: None,
            next_run_at: None,
            schedule_error: None,
            last_execution: None,
            health: JobHealth::default(),
            created_at: now() - TimeDelta::days(1),
            updated_at: now(),
        }
    }

    fn cron(expression: &str) -> Schedule {
        Schedule::Cron(Cron::parse(expression, "UTC").unwrap())
    }

    fn after_a_run(job: Job) -> Job {
        let id = ExecutionId::from_uuid(Uuid::nil());
        let last = LastExecution { id, status: Status::Succeeded, scheduled_for: now() };
        Job { last_execution: Some(last), ..job }
    }

    #[test]
    fn every_pair_of_states() {
        for from in JobState::ALL {
            for to in JobState::ALL {
                let allowed = *to != JobState::Completed || *from == JobState::Active;
                assert_eq!(from.may_become(*to), allowed, "{} → {}", from.as_str(), to.as_str());
            }
        }
    }

    #[test]
    fn pausing_and_resuming() {
        use JobState::{Active, Completed, Draft, Paused};
        let decided = |state, wanted| {
            set_state(&job(cron("0 * * * *"), state), wanted, now())
                .map(|change| change.map(|change| (change.state, change.future_fires)))
        };
        assert_eq!(decided(Active, Paused), Ok(Some((Paused, FutureFires::Reset))));
        assert_eq!(decided(Paused, Active), Ok(Some((Active, FutureFires::Reset))));
        assert_eq!(decided(Draft, Active), Ok(Some((Active, FutureFires::Reset))));
        assert_eq!(decided(Draft, Paused), Err(ChangeError::Draft));
        assert_eq!(decided(Active, Active), Ok(None));
        for wanted in [Active, Paused] {
            assert_eq!(decided(Completed, wanted), Err(ChangeError::Completed));
        }
    }

    fn paused(schedule: Schedule, until: Option<DateTime<Utc>>) -> Job {
        let terms = PauseTerms { note: Some("why".into()), until };
        let pause = Pause { at: now(), by: Actor::Operator, terms, depth: 0 };
        Job { pause: Some(pause), ..job(schedule, JobState::Paused) }
    }

    #[test]
    fn terms_of_a_pause() {
        let until = |seconds| Some(now() + TimeDelta::seconds(seconds));
        let terms = |seconds| Some(PauseTerms { note: None, until: until(seconds) });
        let active = job(cron("0 * * * *"), JobState::Active);
        let change = pause(&active, terms(60), now()).unwrap().unwrap();
        assert_eq!(
            (change.state, change.future_fires, change.pause),
            (JobState::Paused, FutureFires::Reset, terms(60))
        );
        let already = paused(cron("0 * * * *"), until(60));
        assert!(pause(&already, None, now()).unwrap().is_none());
        assert!(pause(&already, Some(already.pause.clone().unwrap().terms), now()).unwrap().is_none());
        let other = pause(&already, terms(90), now()).unwrap().unwrap();
        assert_eq!(
            (other.state, other.future_fires, other.pause),
            (JobState::Paused, FutureFires::Keep, terms(90))
        );
        assert_eq!(
            pause(&job(Schedule::OneTime, JobState::Draft), terms(60), now()).unwrap_err(),
            ChangeError::Draft
        );
        let once = pause(&job(Schedule::OneTime, JobState::Active), terms(60), now()).unwrap().unwrap();
        assert!(once.requests_run(), "the client chooses the time of the run");
    }

    #[test]
    fn a_job_resumes_by_itself_as_of_the_end_of_its_pause() {
        let resumed =
            |schedule, until| resume_by_itself(&paused(schedule, until), now() + TimeDelta::hours(1));
        let end = now() + TimeDelta::minutes(30);
        let change = resumed(cron("0 * * * *"), Some(end)).unwrap().unwrap();
        assert_eq!((change.state, change.since), (JobState::Active, Some(end - TimeDelta::microseconds(1))));
        assert!(resumed(cron("0 * * * *"), Some(end + TimeDelta::hours(1))).unwrap().is_none());
        assert!(resumed(cron("0 * * * *"), None).unwrap().is_none());
        let at = |run_at| resumed(Schedule::Scheduled { run_at }, Some(end));
        assert!(at(end).unwrap().is_some(), "a fire at the end of the pause");
        assert_eq!(at(end - TimeDelta::seconds(1)).unwrap_err(), ChangeError::RunAtPast);
        let manual = job(cron("0 * * * *"), JobState::Active);
        assert!(resume_by_itself(&manual, end).unwrap().is_none());
    }

    #[test]
    fn a_single_run_that_has_passed_cannot_be_resumed() {
        let at = |seconds| Schedule::Scheduled { run_at: now() + TimeDelta::seconds(seconds) };
        let resume = |schedule| set_state(&job(schedule, JobState::Paused), JobState::Active, now());
        assert_eq!(resume(at(0)).unwrap_err(), ChangeError::RunAtPast);
        assert!(resume(at(1)).unwrap().is_some());
        assert!(
            set_state(&job(at(-1), JobState::Active), JobState::Paused, now()).unwrap().is_some(),
            "it can be paused"
        );
    }

    #[test]
    fn only_a_new_schedule_or_state_resets_the_fires() {
        let active = job(cron("0 * * * *"), JobState::Active);
        let changed = |change: fn(&mut Definition)| {
            let mut definition = active.definition.clone();
            change(&mut definition);
            let change = redefine(&active, definition, true, now()).unwrap();
            assert_eq!((change.from_version, change.anchor), (7, active.created_at));
            change.future_fires
        };
        assert_eq!(changed(|new| new.name = "b".into()), FutureFires::Keep);
        assert_eq!(changed(|new| new.concurrency_limit = Some(1)), FutureFires::Keep);
        assert_eq!(changed(|new| new.schedule = cron("1 * * * *")), FutureFires::Reset);
        assert_eq!(changed(|new| new.state = JobState::Draft), FutureFires::Reset);
    }

    #[test]
    fn a_one_time_job_runs_once() {
        let fresh = job(Schedule::OneTime, JobState::Paused);
        let resumed = set_state(&fresh, JobState::Active, now()).unwrap().unwrap();
        assert!(resumed.requests_run());
        let resumed = set_state(&after_a_run(fresh), JobState::Active, now()).unwrap().unwrap();
        assert!(!resumed.requests_run() && resumed.future_fires == FutureFires::Keep);
    }

    #[test]
    fn a_completed_job_needs_a_new_schedule() {
        let completed = after_a_run(job(Schedule::OneTime, JobState::Completed));
        let renamed = Definition { name: "b".into(), ..completed.definition.clone() };
        let stays = redefine(&completed, renamed.clone(), false, now()).unwrap();
        assert_eq!((stays.state, stays.future_fires), (JobState::Completed, FutureFires::Keep));
        assert_eq!(redefine(&completed, renamed, true, now()).unwrap_err(), ChangeError::Completed);
        let revived = Definition { schedule: cron("0 * * * *"), ..completed.definition.clone() };
        let revived = redefine(&completed, revived, true, now()).unwrap();
        assert_eq!((revived.state, revived.future_fires), (JobState::Active, FutureFires::Reset));
    }

    #[test]
    fn a_schedule_that_cannot_be_computed_is_refused() {
        let lost = Schedule::Cron(Cron::from_stored("0 * * * *", "Nowhere/Lost"));
        let paused = job(lost, JobState::Paused);
        let refused = set_state(&paused, JobState::Active, now()).unwrap_err();
        assert_eq!(refused.code(), "schedule_unreadable");
    }
}
