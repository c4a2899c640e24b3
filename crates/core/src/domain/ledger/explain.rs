//! Why a job ran at an instant, or why it did not: the rules of the ledger for one instant, in words.

use chrono::{DateTime, SecondsFormat, SubsecRound, TimeDelta, Utc};

mod around;

use super::{Fire, LedgerError, LedgerWindow, PENDING_TIMEOUT, Record, Version, due};
use crate::domain::{
    execution::Status,
    id::ExecutionId,
    job::JobState,
    schedule::{Schedule, ScheduleError},
    string_enum::string_enum,
    workspace::Suspension,
};

/// Instants of the API have milliseconds: a fire belongs to the one in which it is.
const PRECISION: TimeDelta = TimeDelta::milliseconds(1);

string_enum! {
    /// What happened at an instant. Only `gap` is an error.
    Verdict {
        Ran = "ran",
        Skipped = "skipped",
        Paused = "paused",
        Draft = "draft",
        NotDue = "not_due",
        BeforeCreated = "before_created",
        NotKept = "not_kept",
        Pending = "pending",
        Gap = "gap",
    }
}

/// What is known about a job around an instant.
pub struct History<'a> {
    /// When the job was created.
    pub created_at: DateTime<Utc>,
    /// Oldest first; at least one. From `kept_from` on, all: see [`Versions::since`](super::Versions::since).
    pub versions: &'a [Version],
    /// The executions of source `schedule` at the instant, and those that stand for missed fires then.
    pub records: &'a [Record],
    /// The execution that held the job's slot when the fire was skipped.
    pub blocking: Option<ExecutionId>,
    /// Executions that were due earlier are no longer kept.
    pub kept_from: DateTime<Utc>,
    pub now: DateTime<Utc>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explanation {
    pub at: DateTime<Utc>,
    /// Did the schedule have a fire then, with the job active?
    pub due: bool,
    pub verdict: Verdict,
    pub sentence: String,
    /// The version of the job that decided.
    pub version: i32,
    /// The field that this version changed, if that is the reason: a JSON pointer.
    pub field: Option<&'static str>,
    pub execution: Option<ExecutionId>,
    pub blocking: Option<ExecutionId>,
    /// The fires around the instant.
    pub earlier: Option<DateTime<Utc>>,
    pub later: Option<DateTime<Utc>>,
    /// What a clock change has done to the fire.
    pub note: Option<String>,
}

/// What is found, before the fires around it are.
struct Finding {
    verdict: Verdict,
    sentence: String,
    version: i32,
    field: Option<&'static str>,
    execution: Option<ExecutionId>,
}

/// Explains what happened in the millisecond of `at`.
pub fn explain(history: &History<'_>, at: DateTime<Utc>) -> Result<Explanation, LedgerError> {
    let History { versions, created_at: anchor, .. } = *history;
    if versions.is_empty() {
        return Err(ScheduleError::OutOfRange.into());
    }
    let at = at.trunc_subsecs(3);
    let fire = due(versions, anchor, LedgerWindow { from: at, to: at + PRECISION })?.into_iter().next();
    let instant = Instant { history, at, anchor };
    let finding = instant.find(fire.as_ref())?;
    let unrecorded_at_edge =
        fire.as_ref().is_some_and(|fire| fire.at_edge) && finding.verdict == Verdict::NotDue;
    let (earlier, later) = (instant.earlier()?, instant.later()?);
    Ok(Explanation {
        at,
        due: fire.is_some() && !unrecorded_at_edge,
        verdict: finding.verdict,
        sentence: finding.sentence,
        version: finding.version,
        field: finding.field,
        execution: finding.execution,
        blocking: history.blocking.filter(|_| finding.verdict == Verdict::Skipped),
        note: instant.note(fire.as_ref(), earlier, later)?,
        earlier,
        later,
    })
}

struct Instant<'a> {
    history: &'a History<'a>,
    at: DateTime<Utc>,
    anchor: DateTime<Utc>,
}

impl Instant<'_> {
    fn find(&self, fire: Option<&Fire>) -> Result<Finding, LedgerError> {
        let History { records, kept_from, now, .. } = *self.history;
        let own = records.iter().find(|record| self.contains(record.scheduled_for));
        let covering = fire.and_then(|fire| {
            let covers = |record: &&Record| {
                record.scheduled_for <= fire.at
                    && record.skipped.as_ref().is_some_and(|(_, last)| *last >= fire.at)
            };
            records.iter().rev().find(covers)
        });
        let version = self.version();
        Ok(match (fire, own.or(covering)) {
            (_, Some(record)) if record.status == Status::Skipped => self.skipped(version, record),
            (_, Some(record)) => ran(version, record, fire.is_some()),
            _ if self.history.created_at > self.at => self.before_created(version),
            _ if self.at < kept_from => not_kept(version, kept_from),
            (Some(fire), None) if fire.at_edge => self.at_edge(version),
            (Some(fire), None) if fire.at > now => found(
                Verdict::Pending,
                version,
                "The job is due at this instant, which has not come yet.".to_owned(),
            ),
            (Some(fire), None) if fire.at > now - PENDING_TIMEOUT => {
                let sentence =
                    "The job was due, and its execution is not recorded yet: this takes up to a minute.";
                found(Verdict::Pending, version, sentence.to_owned())
            }
            (Some(_), None) => {
                let sentence =
                    "The job was due, and no execution is recorded. This must not happen: report it.";
                found(Verdict::Gap, version, sentence.to_owned())
            }
            (None, None) => self.not_due(version)?,
        })
    }

    fn contains(&self, instant: DateTime<Utc>) -> bool {
        (self.at..self.at + PRECISION).contains(&instant)
    }

    /// The version in effect; before the oldest version that is kept, that one.
    fn version(&self) -> &Version {
        let versions = self.history.versions;
        let later = versions.partition_point(|version| version.created_at < self.at + PRECISION);
        &versions[later.saturating_sub(1)]
    }

    fn before_created(&self, first: &Version) -> Finding {
        let sentence =
            format!("The job did not exist yet. It was created at {}.", shown(self.history.created_at));
        found(Verdict::BeforeCreated, first, sentence)
    }

    fn skipped(&self, version: &Version, record: &Record) -> Finding {
        let (why, last) =
            record.skipped.as_ref().map_or(("", record.scheduled_for), |(why, last)| (why.as_str(), *last));
        let mut sentence = match why {
            "misfire" => "TrigRun missed this fire by more than a minute, and the misfire policy of the job does not run it.".to_owned(),
            Suspension::SKIP_REASON => "The workspace was suspended by the operator, so its fires did not run.".to_owned(),
            "overlap" => "The job was at its concurrency limit, and its overlap policy is to skip the fire.".to_owned(),
            "too_many_waiting" => "The fire was skipped: too many executions of the job already waited for a slot.".to_owned(),
            why => format!("The fire was skipped: {why}."),
        };
        if last > record.scheduled_for {
            let first = shown(record.scheduled_for);
            sentence.push_str(&format!(
                " Its record stands for all missed fires from {first} to {}.",
                shown(last)
            ));
        }
        if let Some(blocking) = self.history.blocking {
            sentence.push_str(&format!(" The execution {blocking} was running."));
        }
        Finding { execution: Some(record.execution), ..found(Verdict::Skipped, version, sentence) }
    }

    /// A change within a second of the fire: either may have come first.
    fn at_edge(&self, version: &Version) -> Finding {
        let versions = self.history.versions;
        let nearest = (1..versions.len())
            .filter(|index| changed(&versions[index - 1], &versions[*index]).is_some())
            .min_by_key(|index| (versions[*index].created_at - self.at).abs());
        let Some(index) = nearest else {
            let sentence =
                "The job was created within a second of this instant, and its first fire is a later one.";
            return found(Verdict::NotDue, version, sentence.to_owned());
        };
        let changed_by = &versions[index];
        let field = changed(&versions[index - 1], changed_by);
        let sentence = format!(
            "Version {} changed {} at {}, within a second of this fire, which was not recorded.",
            changed_by.number,
            field.unwrap_or_default(),
            precise(changed_by.created_at)
        );
        Finding { field, ..found(Verdict::NotDue, changed_by, sentence) }
    }

    fn not_due(&self, version: &Version) -> Result<Finding, LedgerError> {
        let inactive = match version.state {
            JobState::Paused => Some((Verdict::Paused, "paused")),
            JobState::Draft => Some((Verdict::Draft, "a draft")),
            JobState::Active | JobState::Completed => None,
        };
        if let Some((verdict, state)) = inactive
            && self.fires(&version.schedule)?
        {
            return Ok(self.inactive(version, verdict, state));
        }
        let mut sentence = format!(
            "The schedule of version {}, {}, has no fire at this instant.",
            version.number,
            version.schedule.in_words()
        );
        if version.schedule == Schedule::OneTime {
            sentence = "The job has no schedule: it runs once, as soon as it is active.".to_owned();
        }
        if let Some((_, state)) = inactive {
            sentence.push_str(&format!(" The job was {state}, too."));
        }
        let (changed_by, field) = match self.other_version()? {
            Some(other) => {
                sentence.push_str(&other.sentence);
                (other.changed_by, Some(other.field))
            }
            None => (version, None),
        };
        Ok(Finding { field, ..found(Verdict::NotDue, changed_by, sentence) })
    }

    fn inactive(&self, version: &Version, verdict: Verdict, state: &str) -> Finding {
        let versions = self.history.versions;
        // The first of the versions with this state.
        let by = versions.iter().take_while(|other| other.number <= version.number).collect::<Vec<_>>();
        let since = by
            .iter()
            .rev()
            .take_while(|other| other.state == version.state)
            .last()
            .copied()
            .unwrap_or(version);
        let (number, at) = (since.number, shown(since.created_at));
        // Which version made it so may not be kept.
        let sentence = match number > 1 && number == versions[0].number {
            true => format!(
                "The job was {state}, at least since version {number} of {at}. Otherwise it would have been due."
            ),
            false => format!(
                "The job was {state}: version {number} of {at} made it so. Otherwise it would have been due."
            ),
        };
        Finding {
            field: (since.number > versions[0].number).then_some("/state"),
            ..found(verdict, since, sentence)
        }
    }

    /// Whether the schedule has a fire at the instant, whatever the state of the job.
    fn fires(&self, schedule: &Schedule) -> Result<bool, ScheduleError> {
        let before = self.at - TimeDelta::microseconds(1);
        Ok(schedule.next_after(self.anchor, before)?.is_some_and(|fire| self.contains(fire)))
    }

    /// The change that took the fire away, or a later one that would have had it.
    fn other_version(&self) -> Result<Option<OtherVersion<'_>>, LedgerError> {
        let versions = self.history.versions;
        let current =
            versions.partition_point(|version| version.created_at < self.at + PRECISION).saturating_sub(1);
        for index in (0..current).rev() {
            let (one, next) = (&versions[index], &versions[index + 1]);
            if let Some(field) = changed(one, next)
                && one.state == JobState::Active
                && self.fires(&one.schedule)?
            {
                let (number, changed_by, at) = (one.number, next.number, shown(next.created_at));
                let sentence =
                    format!(" Version {number} had one, until version {changed_by} changed {field} at {at}.");
                return Ok(Some(OtherVersion { changed_by: next, field, sentence }));
            }
        }
        for index in current + 1..versions.len() {
            let (before, later) = (&versions[index - 1], &versions[index]);
            if let Some(field) = changed(before, later)
                && later.state == JobState::Active
                && self.fires(&later.schedule)?
            {
                let (number, at) = (later.number, shown(later.created_at));
                let sentence = format!(" Version {number} has one, but it changed {field} only at {at}.");
                return Ok(Some(OtherVersion { changed_by: later, field, sentence }));
            }
        }
        Ok(None)
    }
}

/// A version that has a fire at the instant, unlike the one in effect.
struct OtherVersion<'a> {
    changed_by: &'a Version,
    field: &'static str,
    sentence: String,
}

fn found(verdict: Verdict, version: &Version, sentence: String) -> Finding {
    Finding { verdict, sentence, version: version.number, field: None, execution: None }
}

fn ran(version: &Version, record: &Record, due: bool) -> Finding {
    let outcome = match record.status {
        Status::Queued => "is queued",
        Status::Running => "is running",
        Status::Retrying => "waits for its next attempt",
        Status::Succeeded => "succeeded",
        Status::Failed => "failed",
        Status::Cancelled => "was cancelled",
        Status::Skipped => "was skipped",
    };
    let sentence = match due {
        true => format!("The job was due, and its execution {outcome}."),
        false => format!(
            "No version of the job has a fire at this instant, but an execution is recorded, which {outcome}."
        ),
    };
    Finding { execution: Some(record.execution), ..found(Verdict::Ran, version, sentence) }
}

fn not_kept(version: &Version, kept_from: DateTime<Utc>) -> Finding {
    let sentence = format!("Executions that were due before {} are no longer kept.", shown(kept_from));
    found(Verdict::NotKept, version, sentence)
}

/// The first field that differs and decides the fires.
fn changed(before: &Version, after: &Version) -> Option<&'static str> {
    if before.state != after.state {
        return Some("/state");
    }
    match (&before.schedule, &after.schedule) {
        (one, other) if one == other => None,
        (Schedule::Cron(one), Schedule::Cron(other)) if one.expression() == other.expression() => {
            Some("/schedule/timezone")
        }
        (Schedule::Cron(_), Schedule::Cron(_)) => Some("/schedule/cron"),
        (Schedule::Recurring { .. }, Schedule::Recurring { .. }) => Some("/schedule/every_n_minutes"),
        (Schedule::Scheduled { .. }, Schedule::Scheduled { .. }) => Some("/schedule/run_at"),
        _ => Some("/kind"),
    }
}

fn shown(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Secs, true)
}

fn precise(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Millis, true)
}

#[cfg(test)]
mod tests;
