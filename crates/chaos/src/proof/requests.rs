//! Attempts in Postgres against requests at the recording target.

use std::collections::{HashMap, HashSet};
use uuid::Uuid;

use super::{Evidence, Finding, by_execution};
use crate::{load::Kind, recorder::Hit};

pub fn findings(evidence: &Evidence<'_>) -> Vec<Finding> {
    vec![
        numbered(evidence),
        one_success(evidence),
        ends_as_attempted(evidence),
        explained(evidence),
        sent(evidence),
        at_most_once(evidence),
    ]
}

fn numbered(evidence: &Evidence<'_>) -> Finding {
    let record = evidence.record;
    let mut violations = Vec::new();
    for execution in record.executions.values() {
        let gaps =
            (1..=execution.attempts).filter(|number| !record.attempts.contains_key(&(execution.id, *number)));
        let gaps: Vec<u16> = gaps.collect();
        // An attempt in progress has no row yet.
        if !gaps.is_empty() && execution.status != "running" {
            violations.push(format!(
                "{} {} lacks the attempts {gaps:?} of {}",
                execution.id, execution.status, execution.attempts
            ));
        }
    }
    let beyond = record.attempts.keys().filter(|(id, number)| {
        record.executions.get(id).is_some_and(|execution| *number > execution.attempts)
    });
    violations.extend(beyond.map(|(id, number)| format!("{id} has an attempt {number} beyond its count")));
    Finding::new("attempts are numbered without gaps", record.attempts.len(), violations)
}

fn one_success(evidence: &Evidence<'_>) -> Finding {
    let mut successes: HashMap<Uuid, usize> = HashMap::new();
    for ((id, _), _) in evidence.record.attempts.iter().filter(|(_, attempt)| attempt.status == "success") {
        *successes.entry(*id).or_default() += 1;
    }
    let violations = successes.iter().filter(|(_, count)| **count > 1);
    let violations = violations.map(|(id, count)| format!("{id} succeeded {count} times")).collect();
    Finding::new("an execution succeeds at most once", successes.len(), violations)
}

fn ends_as_attempted(evidence: &Evidence<'_>) -> Finding {
    let record = evidence.record;
    let mut violations = Vec::new();
    for execution in record.executions.values() {
        let attempts =
            (1..=execution.attempts).filter_map(|number| record.attempts.get(&(execution.id, number)));
        let attempts: Vec<&str> = attempts.map(|attempt| attempt.status.as_str()).collect();
        let successes = attempts.iter().filter(|status| **status == "success").count();
        let agrees = match execution.status.as_str() {
            "succeeded" => successes == 1 && attempts.last() == Some(&"success"),
            "failed" => successes == 0 && !attempts.is_empty(),
            "cancelled" => successes == 0,
            "skipped" => attempts.is_empty(),
            // Not ended, which violates another invariant.
            _ => true,
        };
        if !agrees {
            violations.push(format!("{} is {} after {attempts:?}", execution.id, execution.status));
        }
    }
    Finding::new("an execution ends as its attempts say", record.executions.len(), violations)
}

/// Every request that arrived is an attempt, and no attempt arrived twice. A request that is sent again is a new attempt, and the one
/// before it is interrupted or failed.
fn explained(evidence: &Evidence<'_>) -> Finding {
    let (mut seen, mut violations) = (HashSet::new(), Vec::new());
    for Hit { execution, number, job, .. } in evidence.hits {
        if !seen.insert((*execution, *number)) {
            violations.push(format!("attempt {number} of {execution} arrived twice"));
        } else if !evidence.record.attempts.contains_key(&(*execution, *number)) && !evidence.is_deleted(*job)
        {
            violations.push(format!("attempt {number} of {execution} arrived and is not recorded"));
        }
    }
    for (id, hits) in by_execution(evidence.hits) {
        for hit in hits.iter().filter(|hit| hit.number > 1) {
            let before = evidence.record.attempts.get(&(id, hit.number - 1));
            if before.is_some_and(|before| before.status == "success") {
                violations.push(format!("{id} was sent again after a success"));
            }
        }
    }
    Finding::new("every request is explained by one attempt", evidence.hits.len(), violations)
}

/// An attempt with a response was sent.
fn sent(evidence: &Evidence<'_>) -> Finding {
    let hits: HashSet<(Uuid, u16)> = evidence.hits.iter().map(|hit| (hit.execution, hit.number)).collect();
    let responded = evidence
        .record
        .attempts
        .iter()
        .filter(|(_, attempt)| matches!(attempt.status.as_str(), "success" | "http_error"));
    let (mut checked, mut violations) = (0, Vec::new());
    for ((id, number), attempt) in responded {
        checked += 1;
        if !hits.contains(&(*id, *number)) {
            violations.push(format!("attempt {number} of {id} is a {} and never arrived", attempt.status));
        }
    }
    Finding::new("every recorded response was given", checked, violations)
}

fn at_most_once(evidence: &Evidence<'_>) -> Finding {
    let jobs: HashSet<Uuid> = evidence.load.of_kind(Kind::AtMostOnce).map(|job| job.id).collect();
    let hits: Vec<Hit> = evidence.hits.iter().filter(|hit| jobs.contains(&hit.job)).cloned().collect();
    let more = by_execution(&hits).into_iter().filter(|(_, hits)| hits.len() > 1);
    let violations = more.map(|(id, hits)| format!("{id} arrived {} times", hits.len())).collect();
    Finding::new("at most once is at most once", hits.len(), violations)
}
