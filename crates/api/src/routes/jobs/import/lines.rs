//! Turns a crontab into definitions. Errors of the body are reported for the body, errors of a line for the line.

use chrono::{DateTime, TimeDelta, Utc};
use std::collections::HashMap;
use trigrun_core::{
    domain::{
        address::EgressPolicy,
        crontab::{self, Crontab, CrontabEntry, Defaults, Refused},
        id::JobId,
        invalid::{Checked, FieldErrors, Invalid, Violations, both},
        job::{
            self, DEFAULT_CATCH_UP_LIMIT, Definition, Job, MisfirePolicy, OverlapPolicy,
            change::{ChangeError, first_fire},
        },
        request::{Method, Request},
        retry::{DeliveryGuarantee, RetryPolicy},
        schedule::{Schedule, check_zone},
        target::template,
    },
    store::jobs::{GroupedJob, NewJob},
};

use super::body::{ImportBody, ImportRequestBody};
use crate::{
    extract::body::required,
    result::ApiResult,
    routes::jobs::{body::RequestBody, create::Requested, define::or_default},
    state::State,
};

const MAX_NAME_CHARACTERS: usize = 200;
/// Every job stores its own headers and body: without a limit, a request of one megabyte could become hundreds.
const MAX_TOTAL_BYTES: usize = 8 * 1024 * 1024;

/// The jobs to create and the invalid lines, both in the order of the lines.
pub struct Import {
    pub lines: Vec<Line>,
    pub refused: Vec<Refused>,
    pub dry_run: bool,
    /// When its jobs are created, and from when their schedules count.
    pub now: DateTime<Utc>,
}

/// A line that becomes a job.
pub struct Line {
    /// Counted from 1.
    pub number: usize,
    pub text: String,
    pub id: JobId,
    pub definition: Definition,
    pub first_fire: Option<DateTime<Utc>>,
    /// The idempotency key of the line, if the request has one.
    pub key: Option<String>,
}

/// What all jobs of an import share.
struct Shared {
    /// Without its URL.
    request: Request,
    retry_policy: RetryPolicy,
    state: job::JobState,
}

impl Import {
    /// The lines of an earlier import whose jobs still exist: of this one, if both had the same body.
    pub fn created_before(mut self, found: Vec<GroupedJob>, differs: bool) -> Self {
        if differs {
            let lines = found.into_iter().filter_map(|imported| Line::of(imported.number, imported.job));
            return Self { lines: lines.collect(), refused: Vec::new(), ..self };
        }
        let mut ids: HashMap<usize, JobId> =
            found.into_iter().map(|imported| (imported.number, imported.job.id)).collect();
        self.lines.retain_mut(|line| ids.remove(&line.number).map(|id| line.id = id).is_some());
        self
    }
}

impl ImportBody {
    /// Checks the body, and then every line, of which one at least must be valid. This takes long: it belongs on a blocking thread.
    pub fn check(mut self, state: &State, mut errors: FieldErrors) -> ApiResult<Import> {
        let (atomic, dry_run) = (self.atomic.unwrap_or_default(), self.dry_run.unwrap_or_default());
        let crontab = self.crontab(state, &mut errors);
        let shared = self.shared(&mut errors);
        if let (Ok(crontab), Ok(shared)) = (&crontab, &shared) {
            errors.check("/request", shared.fits(crontab.entries.len()));
        }
        let (crontab, shared) = errors.finish(both(crontab, shared))?;
        // Read the clock after the crontab: no fire may pass while a long crontab is parsed.
        let import = shared.import(crontab, &state.policy, state.clock.now(), dry_run);
        if import.lines.is_empty() && import.refused.is_empty() {
            let invalid = Invalid::new("crontab_empty", "has no line with a job")
                .hint("A line is an expression and a URL: 0 9 * * * https://example.com/report");
            Err(Violations::of("/crontab", invalid))?;
        }
        if atomic || import.lines.is_empty() {
            pointed_at(&import.refused).finish(Ok(()))?;
        }
        Ok(import)
    }

    fn crontab(&mut self, state: &State, errors: &mut FieldErrors) -> Checked<Crontab> {
        let text = required(errors, "/crontab", self.crontab.take());
        let timezone = self.timezone.as_deref().unwrap_or("UTC");
        errors.check("/timezone", check_zone(timezone));
        let url = self.default_url.as_deref();
        if let Some(url) = url {
            errors.check("/default_url", template::check(url, &state.policy));
        }
        let defaults = Defaults { url, timezone };
        errors.take("/crontab", crontab::read(&text?, &defaults, state.clock.now()))
    }

    fn shared(self, errors: &mut FieldErrors) -> Checked<Shared> {
        let state = or_default(errors, "/state", self.state, job::wanted_state);
        let request = self.request.unwrap_or_default().define(errors);
        let retry_policy = self.retry_policy.unwrap_or_default().define(errors);
        Ok(Shared { request: request?, retry_policy: retry_policy?, state: state? })
    }
}

impl ImportRequestBody {
    fn define(self, errors: &mut FieldErrors) -> Checked<Request> {
        if self.url.is_some() {
            let invalid =
                Invalid::new("not_here", "does not belong here: each job calls the URL of its line")
                    .hint("Write the URL after the expression, or send `default_url`.");
            errors.push("/request/url", invalid);
        }
        let Self { url: _, method, headers, body, timeout_seconds, success_statuses } = self;
        RequestBody { url: None, method, headers, body: Some(body), timeout_seconds, success_statuses }
            .without_url(errors)
    }
}

impl Shared {
    fn fits(&self, jobs: usize) -> Result<(), Invalid> {
        let headers: usize = self.request.headers.iter().map(|(name, value)| name.len() + value.len()).sum();
        let each = headers + self.request.body.as_ref().map_or(0, |body| body.as_str().len());
        if each * jobs <= MAX_TOTAL_BYTES {
            return Ok(());
        }
        let detail =
            format!("The headers and bodies of {jobs} jobs have more than {MAX_TOTAL_BYTES} bytes in total.");
        Err(Invalid::new("request_too_large", detail).hint("Import the crontab in parts."))
    }

    fn import(&self, crontab: Crontab, policy: &EgressPolicy, now: DateTime<Utc>, dry_run: bool) -> Import {
        let mut import = Import { lines: Vec::new(), refused: crontab.refused, dry_run, now };
        for entry in crontab.entries {
            match self.job(&entry, policy, now) {
                Ok((definition, first_fire)) => {
                    // Ids are a microsecond apart, so that lists show the jobs in the order of their lines.
                    let id = JobId::at(now + TimeDelta::microseconds(import.lines.len() as i64));
                    let CrontabEntry { line: number, text, .. } = entry;
                    import.lines.push(Line { number, text, id, definition, first_fire, key: None });
                }
                Err(invalid) => {
                    import.refused.push(Refused { line: entry.line, text: entry.text, invalid });
                }
            }
        }
        import.refused.sort_by_key(|refused| refused.line);
        import
    }

    /// The job of a line and its first fire.
    fn job(
        &self,
        entry: &CrontabEntry,
        policy: &EgressPolicy,
        now: DateTime<Utc>,
    ) -> Result<(Definition, Option<DateTime<Utc>>), Invalid> {
        let url = template::check(&entry.url, policy)?;
        let definition = Definition {
            key: None,
            stack: None,
            name: job::name(&name(self.request.method, &url))?,
            schedule: Schedule::Cron(entry.cron.clone()),
            request: Request { url, ..self.request.clone() },
            retry_policy: self.retry_policy.clone(),
            concurrency_limit: None,
            overlap_policy: OverlapPolicy::default(),
            misfire_policy: MisfirePolicy::default(),
            catch_up_limit: DEFAULT_CATCH_UP_LIMIT,
            delivery: DeliveryGuarantee::default(),
            tags: Vec::new(),
            state: self.state,
        };
        let first_fire = first_fire(&definition, now, now).map_err(unreadable)?;
        Ok((definition, first_fire))
    }
}

fn unreadable(error: ChangeError) -> Invalid {
    Invalid::new(error.code(), error.to_string())
}

/// The name by which a reader of the crontab recognises the job: method, host and path. Names are sent to channels, and the rest of a URL
/// often holds a token.
fn name(method: Method, url: &str) -> String {
    let place = url.split_once("://").map_or(url, |(_, place)| place);
    let path = place.split([';', '?', '#']).next().unwrap_or_default().trim_end_matches('/');
    format!("{} {path}", method.as_str()).chars().take(MAX_NAME_CHARACTERS).collect()
}

fn pointed_at(refused: &[Refused]) -> FieldErrors {
    let mut errors = FieldErrors::default();
    for line in refused {
        errors.push(format!("/crontab/{}", line.line), line.invalid.clone());
    }
    errors
}

impl Line {
    /// The line of a job that exists, with the text that would create it.
    fn of(number: usize, job: Job) -> Option<Self> {
        let Schedule::Cron(cron) = &job.definition.schedule else { return None };
        let text = format!("{} {}", cron.expression(), job.definition.request.url);
        let Job { id, definition, next_run_at: first_fire, .. } = job;
        Some(Self { number, text, id, definition, first_fire, key: None })
    }

    pub fn new_job<'a>(&'a self, now: DateTime<Utc>, by: &'a Requested) -> NewJob<'a> {
        NewJob {
            idempotency_key: self.key.as_deref(),
            request_digest: by.digest.as_deref(),
            first_fire: self.first_fire,
            depth: by.depth,
            token_hash: by.token_hash.as_deref(),
            ..NewJob::new(self.id, &self.definition, &by.author, now)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_holds_no_more_of_a_url_than_host_and_path() {
        for (url, name_of_it) in [
            ("https://shop.example/cron.php?cron_key=KEY", "POST shop.example/cron.php"),
            ("https://shop.example:8443/a/b;token=KEY/c", "POST shop.example:8443/a/b"),
            ("https://shop.example/?KEY", "POST shop.example"),
            ("https://shop.example/{{job_id}}?t={{timestamp}}", "POST shop.example/{{job_id}}"),
        ] {
            assert_eq!(name(Method::Post, url), name_of_it);
        }
        let long = name(Method::Get, &format!("https://shop.example/{}", "%C3%BC".repeat(300)));
        assert_eq!(long.chars().count(), MAX_NAME_CHARACTERS);
    }
}
