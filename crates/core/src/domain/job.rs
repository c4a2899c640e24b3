//! A job: what the user saved, and what the system knows about it.

use chrono::{DateTime, Utc};

pub mod change;
pub mod key;
pub mod order;
pub mod pause;

use pause::Pause;

use super::{
    execution::Status,
    id::{ExecutionId, JobId, WorkspaceId},
    invalid::Invalid,
    request::Request,
    retry::{DeliveryGuarantee, RetryPolicy},
    schedule::Schedule,
    statistics::JobHealth,
    string_enum::string_enum,
    wording::did_you_mean,
};

/// The part of a job that its owner decides. Each change creates a new version; an execution names the version it runs.
#[derive(Clone, Debug, PartialEq)]
pub struct Definition {
    /// The name by which the client refers to the job; unique in the workspace.
    pub key: Option<String>,
    /// The set of jobs that the job is applied with.
    pub stack: Option<String>,
    pub name: String,
    pub schedule: Schedule,
    pub request: Request,
    pub retry_policy: RetryPolicy,
    /// How many executions of this job may run at once; `None` for any number.
    pub concurrency_limit: Option<u32>,
    pub overlap_policy: OverlapPolicy,
    pub misfire_policy: MisfirePolicy,
    /// How many missed fires `catch_up` runs at most.
    pub catch_up_limit: u16,
    pub delivery: DeliveryGuarantee,
    pub tags: Vec<String>,
    /// The state that the owner requests: never `completed`.
    pub state: JobState,
}

/// A job and its current state.
#[derive(Clone, Debug)]
pub struct Job {
    pub id: JobId,
    pub workspace: WorkspaceId,
    pub version: i32,
    /// The version that the last application of its stack wrote.
    pub applied_version: Option<i32>,
    pub definition: Definition,
    pub state: JobState,
    /// Of a job that is paused.
    pub pause: Option<Pause>,
    pub next_run_at: Option<DateTime<Utc>>,
    /// Why the next run could not be computed, if it failed. The job stays active and the computation is retried.
    pub schedule_error: Option<String>,
    pub last_execution: Option<LastExecution>,
    pub health: JobHealth,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
}

#[derive(Clone, Copy, Debug)]
pub struct LastExecution {
    pub id: ExecutionId,
    pub status: Status,
    pub scheduled_for: DateTime<Utc>,
}

// In each of these the first is the default.
string_enum! {
    /// `completed` is set by the system only, when the last execution a job can have has ended.
    JobState { Active = "active", Paused = "paused", Draft = "draft", Completed = "completed", }

    /// What happens to a fire while `concurrency_limit` executions are running: it waits in order, or is recorded as skipped.
    OverlapPolicy { Queue = "queue", Skip = "skip", }

    /// What happens to fires that were missed by more than a minute: one run for all of them, none, or one each.
    MisfirePolicy { FireOnce = "fire_once", Skip = "skip", CatchUp = "catch_up", }

    /// What a client does to many jobs at once.
    BulkAction {
        Pause = "pause",
        Resume = "resume",
        Run = "run",
        Delete = "delete",
        AddTags = "add_tags",
        RemoveTags = "remove_tags",
        Patch = "patch",
    }

    /// What happens to the jobs of a stack that an application of the stack does not name.
    Prune { Keep = "keep", Pause = "pause", Delete = "delete", }
}

/// How many executions of one job may wait for a slot; further fires are skipped.
pub const MAX_WAITING: i64 = 100;
pub const DEFAULT_CATCH_UP_LIMIT: u16 = 10;
const MAX_CATCH_UP_LIMIT: u16 = 1000;
const MAX_CONCURRENCY_LIMIT: u32 = 10_000;
const MAX_TAGS: usize = 20;

pub fn name(text: &str) -> Result<String, Invalid> {
    label(text, 200)
}

pub fn tags(wanted: Vec<String>) -> Result<Vec<String>, Invalid> {
    if wanted.len() > MAX_TAGS {
        return Err(Invalid::new(
            "too_many",
            format!("has {} tags; at most {MAX_TAGS} are allowed", wanted.len()),
        ));
    }
    let mut tags = Vec::with_capacity(wanted.len());
    for tag in wanted {
        let tag = label(&tag, 64)
            .map_err(|invalid| Invalid { detail: format!("Each tag {}.", invalid.detail), ..invalid })?;
        if !tags.contains(&tag) {
            tags.push(tag);
        }
    }
    Ok(tags)
}

pub fn concurrency_limit(wanted: i64) -> Result<u32, Invalid> {
    u32::try_from(wanted).ok().filter(|limit| (1..=MAX_CONCURRENCY_LIMIT).contains(limit)).ok_or_else(|| {
        Invalid::new(
            "out_of_range",
            format!("must be from 1 to {MAX_CONCURRENCY_LIMIT}, or null for no limit"),
        )
    })
}

pub fn catch_up_limit(wanted: i64) -> Result<u16, Invalid> {
    u16::try_from(wanted)
        .ok()
        .filter(|limit| (1..=MAX_CATCH_UP_LIMIT).contains(limit))
        .ok_or_else(|| Invalid::new("out_of_range", format!("must be from 1 to {MAX_CATCH_UP_LIMIT}")))
}

/// The state that a client may ask for.
pub fn wanted_state(text: &str) -> Result<JobState, Invalid> {
    match text.parse() {
        Ok(JobState::Completed) => Err(Invalid::not_one_of(text, &WANTED_STATES)
            .hint("TrigRun sets completed when the only run of a job has ended.")),
        Err(_) => {
            let invalid = Invalid::not_one_of(text, &WANTED_STATES);
            Err(match text.to_ascii_lowercase().as_str() {
                "enabled" | "enable" | "on" | "running" | "started" | "scheduled" => {
                    invalid.hint(did_you_mean("active"))
                }
                "disabled" | "disable" | "off" | "stopped" | "inactive" | "suspended" => {
                    invalid.hint(did_you_mean("paused"))
                }
                _ => invalid,
            })
        }
        Ok(state) => Ok(state),
    }
}

const WANTED_STATES: [&str; 3] =
    [JobState::Active.as_str(), JobState::Paused.as_str(), JobState::Draft.as_str()];

fn label(text: &str, longest: usize) -> Result<String, Invalid> {
    let length = text.chars().count();
    if text.trim().is_empty() || length > longest {
        return Err(Invalid::new(
            "length",
            format!("must have 1 to {longest} characters, and not only spaces"),
        ));
    }
    if text.chars().any(char::is_control) {
        return Err(Invalid::new(
            "control_character",
            "must not contain line breaks or other control characters",
        ));
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_tags_are_checked() {
        assert!(name(&"ä".repeat(200)).is_ok());
        for invalid in ["", "   ", "a\0b", "a\nb", &"a".repeat(201)] {
            assert!(name(invalid).is_err(), "{invalid:?}");
        }
        assert_eq!(tags(vec!["a".into(), "b".into(), "a".into()]), Ok(vec!["a".into(), "b".into()]));
        assert!(tags((0..21).map(|n| n.to_string()).collect()).is_err());
        assert!(tags(vec![String::new()]).is_err());
    }

    #[test]
    fn limits_are_checked() {
        assert_eq!(concurrency_limit(1), Ok(1));
        assert!(concurrency_limit(0).is_err() && concurrency_limit(i64::MAX).is_err());
        assert!(catch_up_limit(0).is_err() && catch_up_limit(1001).is_err());
    }

    #[test]
    fn completed_cannot_be_requested() {
        assert_eq!(wanted_state("paused"), Ok(JobState::Paused));
        assert!(wanted_state("completed").is_err());
    }
}
