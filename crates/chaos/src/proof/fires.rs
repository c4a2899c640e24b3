//! Reconciliation: every fire of the oracle against every execution.

use chrono::{DateTime, TimeDelta, Utc};
use std::collections::{BTreeMap, HashMap};
use uuid::Uuid;

use super::{Evidence, Finding};
use crate::{
    clients::{Change, Effect},
    load::{Kind, LoadJob},
    oracle::{self, Intent, Rule},
    record::{Execution, Version},
};

/// Two readings of a clock decide on a change and on a fire.
const CHANGE_MARGIN: TimeDelta = TimeDelta::seconds(1);

#[derive(Default)]
struct Balance {
    fires: usize,
    /// Fires at a time when the job was being changed: either result is right.
    uncertain: usize,
    missing: Vec<String>,
    twice: Vec<String>,
    unknown: Vec<String>,
}

pub fn findings(evidence: &Evidence<'_>) -> Vec<Finding> {
    let mut of_job: HashMap<Uuid, Vec<&Execution>> = HashMap::new();
    for execution in evidence.record.executions.values() {
        of_job.entry(execution.job).or_default().push(execution);
    }
    let no_executions = Vec::new();
    let mut balance = Balance::default();
    let load: HashMap<Uuid, &LoadJob> = evidence.load.jobs.iter().map(|job| (job.id, job)).collect();
    for (job, versions) in &evidence.record.versions {
        let executions = of_job.get(job).unwrap_or(&no_executions);
        let intents = match load.get(job) {
            // What the run itself requested, whatever Postgres holds.
            Some(job) if job.kind != Kind::Toggled => vec![load_intent(job)],
            _ => oracle::intents(versions),
        };
        balance.add(evidence, *job, &intents, executions);
        if versions.first().is_some_and(|first| first.kind == "one_time" && first.active) {
            balance.add_one_time(*job, executions);
        }
    }
    for job in load.values().filter(|job| evidence.is_deleted(job.id)) {
        balance.missing.push(format!("job {} of the load is missing", job.id));
    }
    let Balance { fires, uncertain, missing, twice, unknown } = balance;
    vec![
        Finding::new("no fire is missing", fires, missing).leaving_out(uncertain),
        Finding::new("no fire is recorded twice", fires + uncertain, twice),
        Finding::new("no execution without a fire", evidence.record.executions.len(), unknown),
        changes_in_force(evidence),
    ]
}

/// An acknowledged pause or resume is in the job's history.
fn changes_in_force(evidence: &Evidence<'_>) -> Finding {
    let (mut checked, mut left_out, mut violations) = (0, 0, Vec::new());
    for (job, changes) in &evidence.clients.changes {
        let Some(versions) = evidence.record.versions.get(job) else { continue };
        for change in changes {
            let Effect::Active(active) = change.effect else { continue };
            let overlaps = |other: &Change| {
                other.effect == Effect::InDoubt
                    && other.requested <= change.responded
                    && change.requested <= other.responded
            };
            if changes.iter().any(overlaps) {
                left_out += 1;
                continue;
            }
            checked += 1;
            let responded = evidence.clock.wall(change.responded) + TimeDelta::milliseconds(20);
            let version = versions.iter().rfind(|version: &&Version| version.created_at <= responded);
            if version.is_none_or(|version| version.active != active) {
                let action = if active { "resume" } else { "pause" };
                violations.push(format!(
                    "job {job}: its {action} was acknowledged at {responded} and is not in force"
                ));
            }
        }
    }
    Finding::new("a job that was paused or resumed stays so", checked, violations).leaving_out(left_out)
}

fn load_intent(job: &LoadJob) -> Intent {
    let anchor = job.first - job.every;
    Intent { from: anchor, rule: Rule::Every { anchor, step: job.every } }
}

impl Balance {
    fn add(&mut self, evidence: &Evidence<'_>, job: Uuid, intents: &[Intent], executions: &[&Execution]) {
        let mut recorded: BTreeMap<DateTime<Utc>, usize> = BTreeMap::new();
        let mut skips: Vec<(DateTime<Utc>, DateTime<Utc>, i64)> = Vec::new();
        for execution in executions.iter().filter(|execution| execution.source == "schedule") {
            match execution.skipped {
                Some((count, last)) => skips.push((execution.scheduled_for, last, count)),
                None => *recorded.entry(execution.scheduled_for).or_default() += 1,
            }
        }
        let twice = recorded.iter().filter(|(_, count)| **count > 1);
        self.twice.extend(twice.map(|(at, count)| format!("job {job} at {at}: {count} executions")));

        // Fires after `until` may have been planned ahead.
        let later = evidence.until + TimeDelta::seconds(60);
        let all = oracle::fires(intents, later);
        let uncertain = |at: DateTime<Utc>| is_uncertain(evidence, job, intents, at);
        for fire in all.iter().filter(|fire| **fire <= evidence.until) {
            let certain = !uncertain(*fire);
            self.fires += usize::from(certain);
            self.uncertain += usize::from(!certain);
            let skipped = skips.iter().any(|(first, last, _)| first <= fire && fire <= last);
            match recorded.get(fire) {
                Some(_) if skipped => self.twice.push(format!("job {job} at {fire}: run and skipped")),
                None if !skipped && certain => self.missing.push(format!("job {job} at {fire}")),
                _ => {}
            }
        }
        skips.sort_unstable();
        let overlaps = skips.windows(2).filter(|pair| pair[1].0 <= pair[0].1);
        self.twice.extend(overlaps.map(|pair| format!("job {job} at {}: skipped twice", pair[1].0)));
        for (first, last, count) in &skips {
            let covered = all.iter().filter(|fire| first <= fire && *fire <= last).count();
            if i64::try_from(covered).unwrap_or(i64::MAX) != *count && !uncertain(*first) && !uncertain(*last)
            {
                self.missing.push(format!(
                    "job {job}: {count} skipped from {first} to {last}, but there are {covered}"
                ));
            }
        }
        let unknown = recorded.keys().filter(|at| all.binary_search(at).is_err() && !uncertain(**at));
        self.unknown.extend(unknown.map(|at| format!("job {job} at {at}")));
    }

    /// A job that runs once, immediately.
    fn add_one_time(&mut self, job: Uuid, executions: &[&Execution]) {
        self.fires += 1;
        match executions.iter().filter(|execution| execution.source == "one_time").count() {
            0 => self.missing.push(format!("job {job} runs once, and has no execution")),
            1 => {}
            more => self.twice.push(format!("job {job} runs once, and has {more} executions")),
        }
    }
}

/// Whether the job was being changed at this time.
fn is_uncertain(evidence: &Evidence<'_>, job: Uuid, intents: &[Intent], at: DateTime<Utc>) -> bool {
    let changes = evidence.clients.changes.get(&job).into_iter().flatten();
    let changes = changes.filter(|change| change.effect == Effect::InDoubt);
    let mut spans = changes.map(|change| {
        (
            evidence.clock.wall(change.requested) - CHANGE_MARGIN,
            evidence.clock.wall(change.responded) + CHANGE_MARGIN,
        )
    });
    let mut changed =
        intents.iter().skip(1).map(|intent| (intent.from - CHANGE_MARGIN, intent.from + CHANGE_MARGIN));
    spans.any(|(from, to)| from <= at && at <= to) || changed.any(|(from, to)| from <= at && at <= to)
}
