//! Concurrency limits: how many requests of a job were open at the recording target at the same time.

use std::{collections::HashMap, time::Duration};
use uuid::Uuid;

use super::{Evidence, Finding};
use crate::recorder::{End, Hit};

pub fn finding(evidence: &Evidence<'_>) -> Finding {
    let limits: HashMap<Uuid, u32> =
        evidence.load.jobs.iter().filter_map(|job| Some((job.id, job.kind.limit()?))).collect();
    let mut open: HashMap<Uuid, Vec<&Hit>> = HashMap::new();
    for hit in evidence.hits.iter().filter(|hit| limits.contains_key(&hit.job)) {
        open.entry(hit.job).or_default().push(hit);
    }
    let (mut checked, mut violations) = (0, Vec::new());
    for (job, hits) in open {
        checked += hits.len();
        let (max, at) = max_concurrent(&hits);
        if max > limits[&job] {
            violations.push(format!(
                "job {job} had {max} requests in flight at {:.3} s, its limit is {}",
                at.as_secs_f64(),
                limits[&job]
            ));
        }
    }
    Finding::new("concurrency limits hold", checked, violations)
}

fn max_concurrent(hits: &[&Hit]) -> (u32, Duration) {
    let end = |hit: &Hit| if hit.end == End::Open { Duration::MAX } else { hit.ended };
    // At the same instant, ends (false) sort before starts.
    let mut events: Vec<(Duration, bool)> =
        hits.iter().flat_map(|hit| [(hit.arrived, true), (end(hit), false)]).collect();
    events.sort_unstable();
    let (mut now, mut max) = (0u32, (0, Duration::ZERO));
    for (at, starts) in events {
        now = if starts { now + 1 } else { now - 1 };
        if now > max.0 {
            max = (now, at);
        }
    }
    max
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn adjacent_requests_do_not_overlap() {
        let hit = |from, to| Hit {
            execution: Uuid::nil(),
            number: 1,
            job: Uuid::nil(),
            scheduled_for: chrono::DateTime::UNIX_EPOCH,
            arrived: Duration::from_secs(from),
            ended: Duration::from_secs(to),
            end: End::Responded,
            secret: None,
        };
        let (one, two, three) = (hit(1, 3), hit(3, 5), hit(4, 6));
        assert_eq!(max_concurrent(&[&one, &two]).0, 1);
        assert_eq!(max_concurrent(&[&one, &two, &three]), (2, Duration::from_secs(4)));
    }
}
