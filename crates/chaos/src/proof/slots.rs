//! How many requests of a limited job the recorder had open at once.

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
    let (mut looked_at, mut against) = (0, Vec::new());
    for (job, hits) in open {
        looked_at += hits.len();
        let (most, at) = most_at_once(&hits);
        if most > limits[&job] {
            against.push(format!(
                "job {job} had {most} at once at {:.3} s, its limit is {}",
                at.as_secs_f64(),
                limits[&job]
            ));
        }
    }
    Finding::new("no more at once than the limit", looked_at, against)
}

fn most_at_once(hits: &[&Hit]) -> (u32, Duration) {
    let end = |hit: &Hit| if hit.end == End::Open { Duration::MAX } else { hit.ended };
    // At the same instant, an end comes before a beginning.
    let mut turns: Vec<(Duration, bool)> =
        hits.iter().flat_map(|hit| [(hit.arrived, true), (end(hit), false)]).collect();
    turns.sort_unstable();
    let (mut now, mut most) = (0u32, (0, Duration::ZERO));
    for (at, begins) in turns {
        now = if begins { now + 1 } else { now - 1 };
        if now > most.0 {
            most = (now, at);
        }
    }
    most
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn touching_is_not_overlapping() {
        let hit = |from, to| Hit {
            execution: Uuid::nil(),
            number: 1,
            job: Uuid::nil(),
            scheduled_for: chrono::DateTime::UNIX_EPOCH,
            arrived: Duration::from_secs(from),
            ended: Duration::from_secs(to),
            end: End::Answered,
            secret: None,
        };
        let (one, two, three) = (hit(1, 3), hit(3, 5), hit(4, 6));
        assert_eq!(most_at_once(&[&one, &two]).0, 1);
        assert_eq!(most_at_once(&[&one, &two, &three]), (2, Duration::from_secs(4)));
    }
}
