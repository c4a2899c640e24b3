//! Checks converted jobs by the rules that create jobs: a job of the response is accepted, or it is a finding and no job.

use std::collections::BTreeSet;
use trigrun_core::domain::{
    convert::{self, Conversion, Converted, Finding, LeftOut, Level, Options, Source},
    invalid::{FieldErrors, Invalid, Violations},
    job::Definition,
};

use super::{
    ConversionView, ConvertedSecretView, ConvertedView, CredentialView, FindingView, LeftOutView,
    body::{Checks, ConversionBody},
};
use crate::{
    extract::json::read,
    result::ApiResult,
    routes::jobs::{body::JobBody, define::Context},
    state::State,
    time::instant,
};

impl ConversionBody {
    pub fn convert(self, state: &State, mut errors: FieldErrors) -> ApiResult<ConversionView> {
        let checks = self.check(state, &mut errors);
        let checks = errors.finish(checks)?;
        let now = state.clock.now();
        let conversion = checks.convert(now)?;
        let context = Context { policy: &state.policy, now, before: None };
        Ok(ConversionView::new(conversion, &context))
    }
}

impl Checks {
    fn convert(&self, now: chrono::DateTime<chrono::Utc>) -> Result<Conversion, Violations> {
        let options = Options {
            timezone: &self.timezone,
            base_url: self.base_url.as_deref(),
            prefix: &self.prefix,
            map: &self.map,
            now,
        };
        let raw = self.source.get();
        let text: Option<String> = if raw.starts_with('"') { Some(self.text()?) } else { None };
        let source = text.as_deref().map_or(Source::Json(raw), Source::Text);
        convert::convert(self.format, source, &options)
            .map_err(|error| Violations::of(&error.pointer, error.invalid))
    }

    fn text(&self) -> Result<String, Violations> {
        serde_json::from_str(self.source.get()).map_err(|_| {
            let invalid = Invalid::new("source_invalid", "is not a string of Unicode characters");
            Violations::of("/source", invalid)
        })
    }
}

impl ConversionView {
    fn new(conversion: Conversion, context: &Context<'_>) -> Self {
        let Conversion { format, jobs, mut findings, left_out, secrets, meaningless } = conversion;
        let (mut accepted, mut used) = (indexmap::IndexMap::new(), BTreeSet::new());
        for job in jobs {
            match define(&job, context) {
                Ok((definition, body)) => {
                    used.extend(definition.request.secrets().into_iter().map(str::to_owned));
                    accepted.insert(job.key.clone(), ConvertedView::new(job, &definition, body, context));
                }
                Err(violations) => refuse(&job, violations, &mut findings),
            }
        }
        let secrets = secrets.into_iter().filter(|secret| used.contains(&secret.name));
        let secrets =
            secrets.map(|secret| ConvertedSecretView { name: secret.name, value: secret.value }).collect();
        Self {
            format: format.as_str(),
            jobs: accepted,
            findings: findings.into_iter().map(FindingView::from).collect(),
            secrets,
            left_out: left_out.into_iter().map(LeftOutView::from).collect(),
            meaningless,
        }
    }
}

/// The definition of a converted job, and its body: read as `POST /v1/jobs` reads it.
fn define(
    job: &Converted,
    context: &Context<'_>,
) -> Result<(Definition, Box<serde_json::value::RawValue>), Violations> {
    let body = serde_json::value::to_raw_value(&job.draft).map_err(|error| {
        Violations::of("", Invalid::new("internal", format!("The job cannot be written: {error}.")))
    })?;
    let mut errors = FieldErrors::default();
    let definition = read::<JobBody>(body.get(), &mut errors)?.define(context, &mut errors);
    Ok((errors.finish(definition)?, body))
}

/// The findings about a job that there is not: why it is refused, instead of what it would have lost.
fn refuse(job: &Converted, violations: Violations, findings: &mut Vec<Finding>) {
    findings.retain(|finding| finding.key.as_ref() != Some(&job.key));
    findings.extend(violations.into_vec().into_iter().map(|error| Finding {
        level: Level::Refused,
        key: None,
        place: job.place.clone(),
        invalid: error.invalid,
    }));
}

impl ConvertedView {
    fn new(
        job: Converted,
        definition: &Definition,
        body: Box<serde_json::value::RawValue>,
        context: &Context<'_>,
    ) -> Self {
        let next = definition.schedule.next_after(context.now, context.now).ok().flatten();
        let credentials = job.credentials.into_iter().map(|credential| CredentialView {
            pointer: credential.pointer,
            suggested_name: credential.name,
        });
        Self {
            line: job.place.line(),
            text: job.text,
            job: body,
            schedule_in_words: definition.schedule.in_words(),
            next_run_at: next.map(instant),
            credentials: credentials.collect(),
            left_out: job.left_out.into_iter().map(LeftOutView::from).collect(),
        }
    }
}

impl From<LeftOut> for LeftOutView {
    fn from(LeftOut { place, text, why }: LeftOut) -> Self {
        Self { place: place.to_string(), text, why }
    }
}

impl From<Finding> for FindingView {
    fn from(Finding { level, key, place, invalid }: Finding) -> Self {
        Self {
            level: level.as_str(),
            key,
            place: place.to_string(),
            line: place.line(),
            code: invalid.code,
            detail: invalid.detail,
            hint: invalid.hint,
        }
    }
}
