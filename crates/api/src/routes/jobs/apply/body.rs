//! The body of an application: the jobs that a stack is to have.

use indexmap::IndexMap;
use serde::{Deserialize, de::IgnoredAny};
use serde_json::value::RawValue;
use std::{ops::RangeInclusive, str::FromStr};
use trigrun_core::domain::{
    id::JobId,
    invalid::{Checked, FieldErrors, Invalid, Violations},
    job::{Prune, key},
};
use utoipa::ToSchema;

use super::notify::NotifyBody;
use crate::{
    enums,
    extract::{
        body::required,
        json::{escape, read},
        values::{each_once, integer},
    },
    routes::jobs::define::or_default,
};

pub const MAX_JOBS: usize = 1000;
const MAX_DELETES: RangeInclusive<i64> = 0..=MAX_JOBS as i64;
const DEFAULT_MAX_DELETES: i64 = 10;

/// The jobs that a stack is to have.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
#[schema(as = ApplyInput)]
pub struct ApplyBody {
    /// The name of the stack: 1 to 100 characters of a-z, 0-9, `.`, `_` and `-`.
    #[schema(required, max_length = 100, pattern = "^[a-z0-9][a-z0-9._-]*$", example = "web-prod")]
    stack: Option<String>,
    /// All jobs of the stack by their keys, each as PUT /v1/jobs/{key} takes it. At most 1000.
    #[serde(deserialize_with = "each_once")]
    #[schema(required, value_type = Option<BTreeMap<String, AppliedJobBody>>)]
    jobs: Option<IndexMap<String, Box<RawValue>>>,
    /// What happens to jobs of the stack that are not in `jobs`.
    #[schema(value_type = Option<enums::Prune>, default = "keep")]
    prune: Option<String>,
    /// With `prune: delete`: if more jobs would be deleted, nothing changes.
    #[schema(minimum = 0, maximum = 1000, default = 10)]
    #[serde(deserialize_with = "integer")]
    max_deletes: Option<i64>,
    /// Allows `jobs` to be empty.
    #[schema(default = false)]
    allow_empty: Option<bool>,
    /// Takes jobs with these keys over from other stacks, and those of no stack.
    #[schema(default = false)]
    take_over: Option<bool>,
    /// Returns what would change, and changes nothing.
    #[schema(default = false)]
    dry_run: Option<bool>,
    /// The version of each job that a plan has found; null for a job that did not exist. If a job that would change has another version, nothing
    /// changes (412 plan_stale). Jobs that are not named are not deleted.
    #[serde(deserialize_with = "each_once")]
    #[schema(value_type = Option<BTreeMap<String, Option<i32>>>)]
    expect: Option<IndexMap<String, Option<i64>>>,
}

/// A job of a stack. The document completes it with the fields of a job.
#[derive(ToSchema)]
#[schema(as = AppliedJobInput)]
#[expect(dead_code)]
pub struct AppliedJobBody {
    /// The id of a job without a key. It gets this key and belongs to the stack from then on, instead of a new job.
    #[schema(example = "job_01k9x2v6m8f5q0c3r7t1w4y6za")]
    adopt: Option<String>,
    /// May be left out where a field of `schedule` says it.
    #[schema(value_type = Option<enums::DeclaredKind>)]
    kind: Option<String>,
    /// All notification rules of the job, at most 20; `[]` removes those that it has. If `notify` is left out, they stay as they are. It needs the
    /// scope `notifications:write`.
    #[schema(max_items = 20)]
    notify: Option<Vec<NotifyBody>>,
}

/// A checked body. The jobs themselves are checked later, together with those that exist.
pub struct Wanted {
    pub stack: String,
    pub jobs: Vec<WantedJob>,
    pub prune: Prune,
    pub max_deletes: usize,
    pub take_over: bool,
    pub dry_run: bool,
    pub expect: Option<IndexMap<String, Option<i64>>>,
}

pub struct WantedJob {
    pub key: String,
    /// The JSON text, without `adopt` and `notify`.
    pub text: String,
    pub adopt: Option<JobId>,
    /// `None` leaves the rules of the job as they are.
    pub notify: Option<Box<RawValue>>,
}

impl WantedJob {
    /// Where it is in the body.
    pub fn pointer(&self) -> String {
        format!("/jobs/{}", self.key)
    }
}

impl Wanted {
    /// Whether it says anything about notification rules.
    pub fn notifies(&self) -> bool {
        self.jobs.iter().any(|job| job.notify.is_some())
    }

    pub fn read(text: &str) -> Result<Self, Violations> {
        let mut errors = FieldErrors::default();
        let body: ApplyBody = read(text, &mut errors)?;
        let wanted = body.check(&mut errors);
        errors.finish(wanted)
    }
}

impl ApplyBody {
    fn check(self, errors: &mut FieldErrors) -> Checked<Wanted> {
        let stack = required(errors, "/stack", self.stack)
            .and_then(|stack| errors.take("/stack", key::stack(&stack)));
        let allow_empty = self.allow_empty.unwrap_or_default();
        let jobs =
            required(errors, "/jobs", self.jobs).and_then(|jobs| wanted_jobs(jobs, allow_empty, errors));
        let prune = or_default(errors, "/prune", self.prune, Prune::from_str);
        let max_deletes = self.max_deletes.unwrap_or(DEFAULT_MAX_DELETES);
        let max_deletes = match usize::try_from(max_deletes) {
            Ok(max) if MAX_DELETES.contains(&max_deletes) => Ok(max),
            _ => Err(Invalid::new("out_of_range", format!("must be from 0 to {MAX_JOBS}"))),
        };
        let max_deletes = errors.take("/max_deletes", max_deletes);
        Ok(Wanted {
            stack: stack?,
            jobs: jobs?,
            prune: prune?,
            max_deletes: max_deletes?,
            take_over: self.take_over.unwrap_or_default(),
            dry_run: self.dry_run.unwrap_or_default(),
            expect: self.expect,
        })
    }
}

fn wanted_jobs(
    jobs: IndexMap<String, Box<RawValue>>,
    allow_empty: bool,
    errors: &mut FieldErrors,
) -> Checked<Vec<WantedJob>> {
    if jobs.len() > MAX_JOBS {
        let invalid =
            Invalid::new("too_many", format!("has {} jobs; at most {MAX_JOBS} are allowed", jobs.len()));
        return Err(errors.push("/jobs", invalid.hint("Use several stacks.")));
    }
    if jobs.is_empty() && !allow_empty {
        let invalid = Invalid::new("empty", "has no job");
        return Err(errors.push("/jobs", invalid.hint("Send allow_empty to empty the stack.")));
    }
    let all: Vec<Checked<WantedJob>> =
        jobs.into_iter().map(|(name, text)| wanted_job(&name, &text, errors)).collect();
    all.into_iter().collect()
}

/// The fields of a job, each once.
#[derive(Deserialize)]
#[serde(transparent)]
struct Fields {
    #[serde(deserialize_with = "each_once")]
    _all: Option<IndexMap<String, IgnoredAny>>,
}

fn wanted_job(name: &str, text: &RawValue, errors: &mut FieldErrors) -> Checked<WantedJob> {
    let pointer = format!("/jobs/{}", escape(name));
    let key = errors.take(&pointer, key::key(name))?;
    // Anything else than an object is refused when the job is read.
    let Ok(mut fields) = serde_json::from_str::<IndexMap<String, Box<RawValue>>>(text.get()) else {
        return Ok(WantedJob { key, text: text.get().to_owned(), adopt: None, notify: None });
    };
    let [adopt, notify] = ["adopt", "notify"].map(|name| fields.shift_remove(name));
    if adopt.is_none() && notify.is_none() {
        return Ok(WantedJob { key, text: text.get().to_owned(), adopt: None, notify: None });
    }
    // Otherwise the text of the job shows it.
    if serde_json::from_str::<Fields>(text.get()).is_err() {
        return Err(errors.push(&pointer, Invalid::new("field_twice", "has a field twice")));
    }
    let [adopt, notify] = [adopt, notify].map(|value| value.filter(|value| value.get() != "null"));
    let adopt = adopt.map(|adopt| {
        let text: Result<String, _> = serde_json::from_str(adopt.get());
        let text = text.map_err(|_| Invalid::new("wrong_type", "must be a string"));
        errors.take(&format!("{pointer}/adopt"), text.and_then(|text| text.parse::<JobId>()))
    });
    let text = serde_json::to_string(&fields).unwrap_or_default();
    Ok(WantedJob { key, text, adopt: adopt.transpose()?, notify })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn codes(text: &str) -> Vec<(String, &'static str)> {
        let violations = Wanted::read(text).map(drop).expect_err("it is refused").into_vec();
        violations.into_iter().map(|error| (error.pointer, error.invalid.code)).collect()
    }

    #[test]
    fn every_violation_has_its_place() {
        let body = r#"{ "stack": "Web", "jobs": { "A": {}, "job_1": {}, "b": { "adopt": 1 }, "c": { "adopt": "x" } },
            "prune": "all", "max_deletes": 1001, "dryrun": true }"#;
        let expected = [
            ("/dryrun", "unknown_field"),
            ("/stack", "key_invalid"),
            ("/jobs/A", "key_invalid"),
            ("/jobs/b/adopt", "wrong_type"),
            ("/jobs/c/adopt", "id_invalid"),
            ("/jobs/job_1", "key_invalid"),
            ("/prune", "not_one_of"),
            ("/max_deletes", "out_of_range"),
        ];
        assert_eq!(codes(body), expected.map(|(pointer, code)| (pointer.to_owned(), code)));
        assert_eq!(codes(r#"{ "stack": "a", "jobs": {} }"#), [("/jobs".to_owned(), "empty")]);
        assert_eq!(codes(r#"{ "stack": "a", "jobs": { "a": {}, "a": {} } }"#)[0].1, "field_twice");
        let many: Vec<String> = (0..=MAX_JOBS).map(|n| format!("\"j{n}\": {{}}")).collect();
        let many = format!(r#"{{ "stack": "a", "jobs": {{ {} }} }}"#, many.join(","));
        assert_eq!(codes(&many), [("/jobs".to_owned(), "too_many")]);
    }

    #[test]
    fn adoption_is_taken_out_of_the_job() {
        let id = JobId::from_uuid(uuid::Uuid::from_u128(7));
        let body =
            format!(r#"{{ "stack": "a", "jobs": {{ "b": {{ "name": "n", "adopt": "{id}" }}, "c": [] }} }}"#);
        let wanted = Wanted::read(&body).map_err(|_| "refused").unwrap();
        assert_eq!((wanted.jobs[0].text.as_str(), wanted.jobs[0].adopt), (r#"{"name":"n"}"#, Some(id)));
        assert_eq!((wanted.jobs[1].text.as_str(), wanted.jobs[1].adopt), ("[]", None));
    }

    #[test]
    fn notification_rules_are_taken_out_of_the_job() {
        let wanted = |job: &str| Wanted::read(&format!(r#"{{ "stack": "a", "jobs": {{ "b": {job} }} }}"#));
        let id = JobId::from_uuid(uuid::Uuid::from_u128(7));
        for (job, text, notifies) in [
            (r#"{"name":"n"}"#, r#"{"name":"n"}"#, false),
            (r#"{"name":"n","notify":null}"#, r#"{"name":"n"}"#, false),
            (r#"{"adopt":null,"notify":null,"name":"n"}"#, r#"{"name":"n"}"#, false),
            (r#"{"name":"n","notify":[]}"#, r#"{"name":"n"}"#, true),
            (&format!(r#"{{"adopt":"{id}","notify":[],"name":"n"}}"#), r#"{"name":"n"}"#, true),
        ] {
            let read = wanted(job).map_err(|_| "refused").unwrap();
            assert_eq!((read.jobs[0].text.as_str(), read.notifies()), (text, notifies), "{job}");
        }
        for job in [r#"{"notify":[],"name":"n","name":"m"}"#, r#"{"notify":[],"notify":[]}"#] {
            let text = format!(r#"{{ "stack": "a", "jobs": {{ "b": {job} }} }}"#);
            assert_eq!(codes(&text), [("/jobs/b".to_owned(), "field_twice")], "{job}");
        }
    }
}
