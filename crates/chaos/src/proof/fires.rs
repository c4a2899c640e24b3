//! The ledger: every fire of the oracle against every execution.

use chrono::{DateTime, TimeDelta, Utc};
use std::collections::{BTreeMap, HashMap};
use uuid::Uuid;

use super::{Evidence, Finding};
use crate::{
    clients::{Change, Told},
    load::{Kind, LoadJob},
    oracle::{self, Intent, Rule},
    record::{Execution, Version},
};

/// A change is decided by one reading of a clock and a fire by another.
const EDGE: TimeDelta = TimeDelta::seconds(1);

#[derive(Default)]
struct Balance {
    fires: usize,
    /// Fires at whose time the job was being changed.
    unsure: usize,
    missing: Vec<String>,
    twice: Vec<String>,
    unknown: Vec<String>,
}

pub fn findings(evidence: &Evidence<'_>) -> Vec<Finding> {
    let mut of_job: HashMap<Uuid, Vec<&Execution>> = HashMap::new();
    for execution in evidence.record.executions.values() {
        of_job.entry(execution.job).or_default().push(execution);
    }
    let none = Vec::new();
    let mut balance = Balance::default();
    let load: HashMap<Uuid, &LoadJob> = evidence.load.jobs.iter().map(|job| (job.id, job)).collect();
    for (job, versions) in &evidence.record.versions {
        let executions = of_job.get(job).unwrap_or(&none);
        let intents = match load.get(job) {
            // What the run itself wanted, whatever Postgres says of it.
            Some(job) if job.kind != Kind::Churned => vec![of_load(job)],
            _ => oracle::intents(versions),
        };
        balance.add(evidence, *job, &intents, executions);
        if versions.first().is_some_and(|first| first.kind == "one_time" && first.active) {
            balance.add_once(*job, executions);
        }
    }
    for job in load.values().filter(|job| evidence.is_gone(job.id)) {
        balance.missing.push(format!("job {} of the load is gone", job.id));
    }
    let Balance { fires, unsure, missing, twice, unknown } = balance;
    vec![
        Finding::new("no fire is missing", fires, missing).leaving_out(unsure),
        Finding::new("no fire is recorded twice", fires + unsure, twice),
        Finding::new("no execution without a fire", evidence.record.executions.len(), unknown),
        in_force(evidence),
    ]
}

/// What was acknowledged is in the job's history.
fn in_force(evidence: &Evidence<'_>) -> Finding {
    let (mut looked_at, mut left_out, mut against) = (0, 0, Vec::new());
    for (job, changes) in &evidence.seen.changes {
        let Some(versions) = evidence.record.versions.get(job) else { continue };
        for change in changes {
            let Told::Fires(fires) = change.told else { continue };
            let crosses = |other: &Change| {
                other.told == Told::InDoubt
                    && other.asked <= change.answered
                    && change.asked <= other.answered
            };
            if changes.iter().any(crosses) {
                left_out += 1;
                continue;
            }
            looked_at += 1;
            let answered = evidence.clock.wall(change.answered) + TimeDelta::milliseconds(20);
            let version = versions.iter().rfind(|version: &&Version| version.created_at <= answered);
            if version.is_none_or(|version| version.active != fires) {
                let wanted = if fires { "resume" } else { "pause" };
                against.push(format!(
                    "job {job}: its {wanted} was acknowledged at {answered} and is not in force"
                ));
            }
        }
    }
    Finding::new("what was paused or resumed is so", looked_at, against).leaving_out(left_out)
}

fn of_load(job: &LoadJob) -> Intent {
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

        // What was planned ahead when the run stopped counting is no surprise.
        let later = evidence.until + TimeDelta::seconds(60);
        let all = oracle::fires(intents, later);
        let unsure = |at: DateTime<Utc>| self::unsure(evidence, job, intents, at);
        for fire in all.iter().filter(|fire| **fire <= evidence.until) {
            let sure = !unsure(*fire);
            self.fires += usize::from(sure);
            self.unsure += usize::from(!sure);
            let skipped = skips.iter().any(|(first, last, _)| first <= fire && fire <= last);
            match recorded.get(fire) {
                Some(_) if skipped => self.twice.push(format!("job {job} at {fire}: run and skipped")),
                None if !skipped && sure => self.missing.push(format!("job {job} at {fire}")),
                _ => {}
            }
        }
        skips.sort_unstable();
        let overlaps = skips.windows(2).filter(|pair| pair[1].0 <= pair[0].1);
        self.twice.extend(overlaps.map(|pair| format!("job {job} at {}: skipped twice", pair[1].0)));
        for (first, last, count) in &skips {
            let covered = all.iter().filter(|fire| first <= fire && *fire <= last).count();
            if i64::try_from(covered).unwrap_or(i64::MAX) != *count && !unsure(*first) && !unsure(*last) {
                self.missing
                    .push(format!("job {job}: {count} skipped from {first} to {last}, which are {covered}"));
            }
        }
        let strangers = recorded.keys().filter(|at| all.binary_search(at).is_err() && !unsure(**at));
        self.unknown.extend(strangers.map(|at| format!("job {job} at {at}")));
    }

    /// A job that runs once, at once.
    fn add_once(&mut self, job: Uuid, executions: &[&Execution]) {
        self.fires += 1;
        match executions.iter().filter(|execution| execution.source == "one_time").count() {
            0 => self.missing.push(format!("job {job} runs once, and has no execution")),
            1 => {}
            more => self.twice.push(format!("job {job} runs once, and has {more} executions")),
        }
    }
}

/// Whether somebody was changing the job just then.
fn unsure(evidence: &Evidence<'_>, job: Uuid, intents: &[Intent], at: DateTime<Utc>) -> bool {
    let changes = evidence.seen.changes.get(&job).into_iter().flatten();
    let changes = changes.filter(|change| change.told == Told::InDoubt);
    let mut spans = changes.map(|change| {
        (evidence.clock.wall(change.asked) - EDGE, evidence.clock.wall(change.answered) + EDGE)
    });
    let mut changed = intents.iter().skip(1).map(|intent| (intent.from - EDGE, intent.from + EDGE));
    spans.any(|(from, to)| from <= at && at <= to) || changed.any(|(from, to)| from <= at && at <= to)
}
