//! Turns a request body into a definition. Collects the errors of the domain's rules, each with its pointer.

use chrono::{DateTime, Timelike, Utc};
use std::str::FromStr;
use trigrun_core::domain::{
    address::EgressPolicy,
    invalid::{Checked, FieldErrors, Invalid, Several},
    job::{self, Definition, JobState},
    request::{self, Headers, Method, Request},
    retry::{self, RetryPolicy},
    schedule::{Cron, CronField, Kind, Schedule, check_zone},
    statuses::StatusItem,
    target::template,
};

use super::body::{JobBody, RequestBody, RetryBody, ScheduleBody};
use crate::{
    extract::{body::required, json::escape},
    routes::statuses::RetryReasonBody,
    time::read_instant,
};

const MAX_INTERVAL_MINUTES: i64 = 1440;

/// What the rules need in addition to the body.
pub struct Context<'a> {
    pub policy: &'a EgressPolicy,
    pub now: DateTime<Utc>,
    /// The definition before a change. A `run_at` that it already had may be in the past.
    pub before: Option<&'a Definition>,
}

impl JobBody {
    /// The definition; fails when a field is invalid. The errors are recorded.
    pub fn define(self, context: &Context<'_>, errors: &mut FieldErrors) -> Checked<Definition> {
        let state = or_default(errors, "/state", self.state, job::wanted_state);
        let key = optional(errors, "/key", self.key, job::key::key);
        let stack = optional(errors, "/stack", self.stack, job::key::stack);
        let name =
            required(errors, "/name", self.name).and_then(|name| errors.take("/name", job::name(&name)));
        let starts = matches!(state, Ok(JobState::Active))
            && context.before.is_none_or(|before| before.state != JobState::Active);
        let schedule = schedule(self.kind, self.schedule, context, starts, errors);
        let request =
            required(errors, "/request", self.request).and_then(|body| body.define(context.policy, errors));
        let retry_policy = self.retry_policy.unwrap_or_default().define(errors);
        let concurrency_limit = match self.concurrency_limit {
            Some(limit) => errors.take("/concurrency_limit", job::concurrency_limit(limit)).map(Some),
            None => Ok(None),
        };
        let overlap_policy = or_default(errors, "/overlap_policy", self.overlap_policy, FromStr::from_str);
        let misfire_policy = or_default(errors, "/misfire_policy", self.misfire_policy, FromStr::from_str);
        let catch_up_limit = self.catch_up_limit.unwrap_or(job::DEFAULT_CATCH_UP_LIMIT.into());
        let catch_up_limit = errors.take("/catch_up_limit", job::catch_up_limit(catch_up_limit));
        let delivery = or_default(errors, "/delivery", self.delivery, FromStr::from_str);
        let tags = errors.take("/tags", job::tags(self.tags.unwrap_or_default()));
        Ok(Definition {
            key: key?,
            stack: stack?,
            name: name?,
            schedule: schedule?,
            request: request?,
            retry_policy: retry_policy?,
            concurrency_limit: concurrency_limit?,
            overlap_policy: overlap_policy?,
            misfire_policy: misfire_policy?,
            catch_up_limit: catch_up_limit?,
            delivery: delivery?,
            tags: tags?,
            state: state?,
        })
    }
}

/// `starts`: the job becomes active, so the instant of a single run must be in the future.
pub fn schedule(
    kind: Option<String>,
    body: Option<ScheduleBody>,
    context: &Context<'_>,
    starts: bool,
    errors: &mut FieldErrors,
) -> Checked<Schedule> {
    let body = body.unwrap_or_default();
    let kind = match (kind, body.kind()) {
        (Some(kind), _) => errors.take("/kind", kind.parse())?,
        (None, Some(kind)) => kind,
        (None, None) => {
            let hint = "Or give one of schedule.cron, schedule.every_n_minutes and schedule.run_at.";
            return Err(errors.push("/kind", Invalid::new("required", "is required").hint(hint)));
        }
    };
    body.define(kind, context, starts, errors)
}

fn optional<T>(
    errors: &mut FieldErrors,
    pointer: &str,
    text: Option<String>,
    check: impl Fn(&str) -> Result<T, Invalid>,
) -> Checked<Option<T>> {
    text.map(|text| errors.take(pointer, check(&text))).transpose()
}

pub fn or_default<T: Default>(
    errors: &mut FieldErrors,
    pointer: &str,
    text: Option<String>,
    parse: impl Fn(&str) -> Result<T, Invalid>,
) -> Checked<T> {
    text.map_or_else(|| Ok(T::default()), |text| errors.take(pointer, parse(&text)))
}

impl ScheduleBody {
    /// The kind that has the fields of this schedule, if there is only one.
    pub fn kind(&self) -> Option<Kind> {
        match (self.every_n_minutes.is_some(), self.cron.is_some(), self.run_at.is_some()) {
            (true, false, false) => Some(Kind::Recurring),
            (false, true, false) => Some(Kind::Cron),
            (false, false, true) => Some(Kind::Scheduled),
            _ => None,
        }
    }

    fn define(
        self,
        kind: Kind,
        context: &Context<'_>,
        starts: bool,
        errors: &mut FieldErrors,
    ) -> Checked<Schedule> {
        let mut wanted = vec![];
        wanted.extend(self.every_n_minutes.is_some().then_some(("every_n_minutes", Kind::Recurring)));
        wanted.extend(self.cron.is_some().then_some(("cron", Kind::Cron)));
        wanted.extend(self.run_at.is_some().then_some(("run_at", Kind::Scheduled)));
        for (field, belongs_to) in wanted {
            if belongs_to != kind {
                let detail = format!("is only for kind {belongs_to}; this job is {kind}");
                errors.push(format!("/schedule/{field}"), Invalid::new("not_for_this_kind", detail));
            }
        }
        // Many clients always send one. For the other kinds it means nothing, and does no harm.
        if let Some(timezone) = self.timezone.as_deref().filter(|_| kind != Kind::Cron) {
            errors.check("/schedule/timezone", check_zone(timezone));
        }
        match kind {
            Kind::Recurring => {
                let minutes = required(errors, "/schedule/every_n_minutes", self.every_n_minutes)?;
                errors.take("/schedule/every_n_minutes", every(minutes))
            }
            Kind::Cron => {
                let expression = required(errors, "/schedule/cron", self.cron)?;
                cron(&expression, self.timezone.as_deref().unwrap_or("UTC"), context.now, errors)
            }
            Kind::Scheduled => {
                let text = required(errors, "/schedule/run_at", self.run_at)?;
                errors.take("/schedule/run_at", run_at(&text, context, starts))
            }
            Kind::OneTime => Ok(Schedule::OneTime),
        }
    }
}

fn every(minutes: i64) -> Result<Schedule, Invalid> {
    u32::try_from(minutes)
        .ok()
        .filter(|minutes| (1..=MAX_INTERVAL_MINUTES).contains(&i64::from(*minutes)))
        .map(|minutes| Schedule::Recurring { every_seconds: minutes * 60 })
        .ok_or_else(|| {
            let detail = format!("must be from 1 to {MAX_INTERVAL_MINUTES} minutes");
            Invalid::new("out_of_range", detail).hint(if minutes < 1 {
                "The shortest interval is 1 minute."
            } else {
                "For a longer interval use kind cron, such as `0 0 * * SUN` for every week."
            })
        })
}

fn cron(expression: &str, timezone: &str, now: DateTime<Utc>, errors: &mut FieldErrors) -> Checked<Schedule> {
    let cron = Cron::parse(expression, timezone).and_then(|cron| match cron.check_fires(now) {
        Ok(()) => Ok(Schedule::Cron(cron)),
        Err(never) => Err(Several::of(never, Vec::new())),
    });
    errors.take_all(cron, |error| {
        let field = match error.field {
            CronField::Expression => "cron",
            CronField::Timezone => "timezone",
        };
        (format!("/schedule/{field}"), error.invalid)
    })
}

/// Truncated to the millisecond, the precision of responses.
fn run_at(text: &str, context: &Context<'_>, starts: bool) -> Result<Schedule, Invalid> {
    let at = read_instant(text)?;
    let run_at = at.with_nanosecond(at.timestamp_subsec_millis().min(999) * 1_000_000).unwrap_or(at);
    let schedule = Schedule::Scheduled { run_at };
    let is_new = context.before.is_none_or(|before| before.schedule != schedule);
    if run_at <= context.now && (is_new || starts) {
        return Err(in_the_past());
    }
    Ok(schedule)
}

pub fn in_the_past() -> Invalid {
    Invalid::new("in_the_past", "must be in the future")
}

impl RequestBody {
    /// The request; fails when a field is invalid. The errors are recorded under `/request`.
    pub fn define(mut self, policy: &EgressPolicy, errors: &mut FieldErrors) -> Checked<Request> {
        let url = required(errors, "/request/url", self.url.take())
            .and_then(|url| errors.take("/request/url", template::check(&url, policy)));
        let others = self.without_url(errors);
        Ok(Request { url: url?, ..others? })
    }

    /// Everything except the URL, which is left empty: for requests that differ in their URL only.
    pub fn without_url(self, errors: &mut FieldErrors) -> Checked<Request> {
        let method = or_default(errors, "/request/method", self.method, Method::from_str);
        let headers = headers(self.headers.unwrap_or_default().into_iter().collect(), errors);
        let body = match self.body.flatten() {
            Some(raw) => errors.take("/request/body", request::Body::from_json_text(raw.get())),
            None => Ok(None),
        };
        let timeout_seconds =
            errors.take("/request/timeout_seconds", request::timeout_seconds(self.timeout_seconds));
        let success_statuses =
            self.success_statuses.map(|list| list.into_iter().map(StatusItem::from).collect());
        let success_statuses =
            errors.take("/request/success_statuses", request::success_statuses(success_statuses));
        Ok(Request {
            url: String::new(),
            method: method?,
            headers: headers?,
            body: body?,
            timeout_seconds: timeout_seconds?,
            success_statuses: success_statuses?,
        })
    }
}

fn headers(given: Vec<(String, String)>, errors: &mut FieldErrors) -> Checked<Headers> {
    errors.take_all(Headers::check(given), |(name, invalid)| {
        let place = name.map(|name| format!("/{}", escape(&name))).unwrap_or_default();
        (format!("/request/headers{place}"), invalid)
    })
}

impl RetryBody {
    pub fn define(self, errors: &mut FieldErrors) -> Checked<RetryPolicy> {
        let max_attempts = errors.take("/retry_policy/max_attempts", retry::max_attempts(self.max_attempts));
        let (statuses, retry_unreadable) = self.retry_on_statuses.map(RetryReasonBody::split).unzip();
        let statuses = errors.take("/retry_policy/retry_on_statuses", retry::retry_on_statuses(statuses));
        Ok(RetryPolicy {
            max_attempts: max_attempts?,
            retry_on_statuses: statuses?,
            retry_unreadable: retry_unreadable.unwrap_or_default(),
        })
    }
}
