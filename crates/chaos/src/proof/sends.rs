//! Attempts against what the recorder received.

use std::collections::{HashMap, HashSet};
use uuid::Uuid;

use super::{Evidence, Finding, by_execution};
use crate::{load::Kind, recorder::Hit};

pub fn findings(evidence: &Evidence<'_>) -> Vec<Finding> {
    vec![
        numbers(evidence),
        one_success(evidence),
        ended_as_attempted(evidence),
        explained(evidence),
        arrived(evidence),
        at_most_once(evidence),
    ]
}

fn numbers(evidence: &Evidence<'_>) -> Finding {
    let record = evidence.record;
    let mut against = Vec::new();
    for execution in record.executions.values() {
        let holes =
            (1..=execution.attempts).filter(|number| !record.attempts.contains_key(&(execution.id, *number)));
        // An attempt that is being made has no row yet; after the drain there is none.
        let holes: Vec<u16> = holes.collect();
        if !holes.is_empty() && execution.status != "running" {
            against.push(format!(
                "{} {} has no attempts {holes:?} of {}",
                execution.id, execution.status, execution.attempts
            ));
        }
    }
    let beyond = record.attempts.keys().filter(|(id, number)| {
        record.executions.get(id).is_some_and(|execution| *number > execution.attempts)
    });
    against.extend(beyond.map(|(id, number)| format!("{id} has an attempt {number} beyond its count")));
    Finding::new("attempts are numbered without holes", record.attempts.len(), against)
}

fn one_success(evidence: &Evidence<'_>) -> Finding {
    let mut successes: HashMap<Uuid, usize> = HashMap::new();
    for ((id, _), _) in evidence.record.attempts.iter().filter(|(_, attempt)| attempt.status == "success") {
        *successes.entry(*id).or_default() += 1;
    }
    let against = successes.iter().filter(|(_, count)| **count > 1);
    let against = against.map(|(id, count)| format!("{id} succeeded {count} times")).collect();
    Finding::new("an execution succeeds at most once", successes.len(), against)
}

/// How an execution ended is what its attempts say.
fn ended_as_attempted(evidence: &Evidence<'_>) -> Finding {
    let record = evidence.record;
    let mut against = Vec::new();
    for execution in record.executions.values() {
        let tries =
            (1..=execution.attempts).filter_map(|number| record.attempts.get(&(execution.id, number)));
        let tries: Vec<&str> = tries.map(|attempt| attempt.status.as_str()).collect();
        let successes = tries.iter().filter(|status| **status == "success").count();
        let agrees = match execution.status.as_str() {
            "succeeded" => successes == 1 && tries.last() == Some(&"success"),
            "failed" => successes == 0 && !tries.is_empty(),
            "cancelled" => successes == 0,
            "skipped" => tries.is_empty(),
            // Not over, which is against another invariant.
            _ => true,
        };
        if !agrees {
            against.push(format!("{} is {} after {tries:?}", execution.id, execution.status));
        }
    }
    Finding::new("an execution ends as its attempts say", record.executions.len(), against)
}

/// Every request that arrived is an attempt, and no attempt arrived twice. What is sent again is a new attempt, and the one before it
/// is marked as interrupted or failed.
fn explained(evidence: &Evidence<'_>) -> Finding {
    let (mut seen, mut against) = (HashSet::new(), Vec::new());
    for Hit { execution, number, job, .. } in evidence.hits {
        if !seen.insert((*execution, *number)) {
            against.push(format!("attempt {number} of {execution} arrived twice"));
        } else if !evidence.record.attempts.contains_key(&(*execution, *number)) && !evidence.is_gone(*job) {
            against.push(format!("attempt {number} of {execution} arrived and is not recorded"));
        }
    }
    for (id, hits) in by_execution(evidence.hits) {
        for hit in hits.iter().filter(|hit| hit.number > 1) {
            let before = evidence.record.attempts.get(&(id, hit.number - 1));
            if before.is_some_and(|before| before.status == "success") {
                against.push(format!("{id} was sent again after a success"));
            }
        }
    }
    Finding::new("every request is explained by one attempt", evidence.hits.len(), against)
}

/// An attempt with an answer was sent.
fn arrived(evidence: &Evidence<'_>) -> Finding {
    let hits: HashSet<(Uuid, u16)> = evidence.hits.iter().map(|hit| (hit.execution, hit.number)).collect();
    let answered = evidence
        .record
        .attempts
        .iter()
        .filter(|(_, attempt)| matches!(attempt.status.as_str(), "success" | "http_error"));
    let (mut looked_at, mut against) = (0, Vec::new());
    for ((id, number), attempt) in answered {
        looked_at += 1;
        if !hits.contains(&(*id, *number)) {
            against.push(format!("attempt {number} of {id} is a {} and never arrived", attempt.status));
        }
    }
    Finding::new("every recorded answer was given", looked_at, against)
}

fn at_most_once(evidence: &Evidence<'_>) -> Finding {
    let jobs: HashSet<Uuid> = evidence.load.of_kind(Kind::AtMostOnce).map(|job| job.id).collect();
    let of_these: Vec<Hit> = evidence.hits.iter().filter(|hit| jobs.contains(&hit.job)).cloned().collect();
    let more = by_execution(&of_these).into_iter().filter(|(_, hits)| hits.len() > 1);
    let against = more.map(|(id, hits)| format!("{id} arrived {} times", hits.len())).collect();
    Finding::new("at most once is at most once", of_these.len(), against)
}
