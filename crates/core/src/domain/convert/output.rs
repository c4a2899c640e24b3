//! Collects the jobs and the findings of a conversion, within bounds.

use super::{
    Conversion, Converted, Options,
    builder::Builder,
    credentials::Secrets,
    finding::{Finding, LeftOut, Level, Place, cut},
    format::Format,
    keys::Keys,
};
use crate::domain::invalid::Invalid;

/// Jobs and refusals.
const MAX_JOBS: usize = 1000;
const MAX_FINDINGS: usize = 5000;
/// Parts without meaning. A thousand lines of an ordinary crontab have some ten thousand.
const MAX_MEANINGLESS: usize = 20_000;
/// Variables and base URLs make jobs longer than their source.
const MAX_TOTAL_BYTES: usize = 8 * 1024 * 1024;
const MAX_TEXT_CHARS: usize = 500;

pub(super) struct Output<'a> {
    pub(super) options: &'a Options<'a>,
    jobs: Vec<Converted>,
    findings: Vec<Finding>,
    left_out: Vec<LeftOut>,
    refused: Vec<Place>,
    meaningless: usize,
    bytes: usize,
    keys: Keys,
    secrets: Secrets,
    /// The whole conversion fails.
    failure: Option<Invalid>,
}

impl<'a> Output<'a> {
    pub(super) fn new(options: &'a Options<'a>) -> Self {
        Self {
            options,
            jobs: Vec::new(),
            findings: Vec::new(),
            left_out: Vec::new(),
            refused: Vec::new(),
            meaningless: 0,
            bytes: 0,
            keys: Keys::default(),
            secrets: Secrets::default(),
            failure: None,
        }
    }

    /// Makes a job from a part of the source, or reports why there is none.
    pub(super) fn job(
        &mut self,
        place: Place,
        text: &str,
        make: impl FnOnce(&mut Builder) -> Result<(), Invalid>,
    ) {
        if !self.has_room() {
            return;
        }
        let mut job = Builder::new(place);
        if let Err(invalid) = make(&mut job).and_then(|()| job.finish()) {
            return self.refuse(job.place, invalid);
        }
        let key = self.keys.unique(self.options.prefix, &job.draft.name);
        let credentials = self.secrets.take_from(&mut job, &key);
        self.bytes += job.draft.bytes();
        if self.bytes > MAX_TOTAL_BYTES {
            let detail = format!("The jobs have more than {MAX_TOTAL_BYTES} bytes in total.");
            self.failure =
                Some(Invalid::new("source_too_large", detail).hint("Convert the source in parts."));
            return;
        }
        let Builder { draft, place, notes, left_out } = job;
        let lost = notes.iter().filter(|(level, ..)| *level == Level::Lost).count();
        self.meaningless += left_out.len() - lost;
        for (level, place, invalid) in notes {
            self.find(level, Some(key.clone()), place, invalid);
        }
        let text = cut(text.trim(), MAX_TEXT_CHARS);
        self.jobs.push(Converted { key, place, text, draft, credentials, left_out });
        self.check_findings();
    }

    pub(super) fn refuse(&mut self, place: Place, invalid: Invalid) {
        if self.has_room() {
            self.refused.push(place.clone());
            self.find(Level::Refused, None, place, invalid);
        }
    }

    /// Something that no job has.
    pub(super) fn lost(&mut self, place: Place, invalid: Invalid) {
        self.find(Level::Lost, None, place, invalid);
    }

    /// Something that is told once about the whole source.
    pub(super) fn changed(&mut self, place: Place, invalid: Invalid) {
        self.find(Level::Changed, None, place, invalid);
    }

    pub(super) fn no_meaning(&mut self, place: Place, text: &str, why: &str) {
        if self.failure.is_some() {
            return;
        }
        self.meaningless += 1;
        self.left_out.push(LeftOut { place, text: cut(text, MAX_TEXT_CHARS), why: why.to_owned() });
        self.check_findings();
    }

    /// Reports every field that no reader has taken, by their pointers. A part that made no job needs no other report.
    pub(super) fn leftovers(&mut self, remaining: Vec<String>) {
        for pointer in remaining {
            let is_under = |place: &Place| match place {
                Place::Pointer(outer) => {
                    pointer.strip_prefix(outer).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
                }
                Place::Line(_) => false,
            };
            if self.failure.is_some() || self.refused.iter().any(is_under) {
                continue;
            }
            let name = cut(pointer.rsplit('/').next().unwrap_or_default(), 60);
            let detail = format!("The field {name} is unknown here, or of an unknown form; no job has it.");
            let place = Place::Pointer(pointer.clone());
            let job = self.jobs.iter_mut().filter(|job| is_under(&job.place)).last();
            let key = job.as_ref().map(|job| job.key.clone());
            if let Some(job) = job {
                job.left_out.push(LeftOut { place: place.clone(), text: name, why: detail.clone() });
            }
            self.find(Level::Lost, key, place, Invalid::new("unknown_field", detail));
        }
    }

    fn find(&mut self, level: Level, key: Option<String>, place: Place, invalid: Invalid) {
        if self.failure.is_none() {
            self.findings.push(Finding { level, key, place, invalid });
        }
        self.check_findings();
    }

    fn check_findings(&mut self) {
        let is_over = self.findings.len() > MAX_FINDINGS || self.meaningless > MAX_MEANINGLESS;
        if is_over && self.failure.is_none() {
            let detail = format!(
                "The source has more than {MAX_FINDINGS} findings, or {MAX_MEANINGLESS} parts without a meaning."
            );
            self.failure =
                Some(Invalid::new("too_many_findings", detail).hint("Convert the source in parts."));
        }
    }

    /// Whether one more job may be made or refused.
    fn has_room(&mut self) -> bool {
        if self.failure.is_none() && self.jobs.len() + self.refused.len() >= MAX_JOBS {
            let detail = format!("The source has more than {MAX_JOBS} jobs.");
            self.failure = Some(Invalid::new("too_many_jobs", detail).hint("Convert the source in parts."));
        }
        self.failure.is_none()
    }

    pub(super) fn finish(self, format: Format) -> Result<Conversion, Invalid> {
        if let Some(failure) = self.failure {
            return Err(failure);
        }
        if self.jobs.is_empty() && self.refused.is_empty() {
            let detail = format!("The source has no job in the format {}.", format.as_str());
            return Err(
                Invalid::new("source_invalid", detail).hint("Send another source, or name another format.")
            );
        }
        Ok(Conversion {
            format,
            jobs: self.jobs,
            findings: self.findings,
            left_out: self.left_out,
            secrets: self.secrets.into_vec(),
            meaningless: self.meaningless,
        })
    }
}
