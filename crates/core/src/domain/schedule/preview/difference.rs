//! What a change of a schedule adds and removes.

use chrono::{DateTime, Utc};

use super::super::{Schedule, ScheduleError};

/// The fires that only one of two schedules has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Difference {
    /// The end of the span that was compared, inclusive; `None` if both schedules end and all of their fires were compared.
    pub until: Option<DateTime<Utc>>,
    pub added: Vec<DateTime<Utc>>,
    pub removed: Vec<DateTime<Utc>>,
}

impl Schedule {
    /// Compares the next fires with those of `before`, both counted from `from`: as far as the first `count` fires of each reach.
    ///
    /// # Errors
    /// As [`Schedule::next_after`].
    pub fn difference(
        &self,
        before: &Self,
        from: DateTime<Utc>,
        count: usize,
    ) -> Result<Difference, ScheduleError> {
        let (new, old) = (self.fires(from, count)?, before.fires(from, count)?);
        let last = |fires: &[DateTime<Utc>]| fires.last().copied().filter(|_| fires.len() == count);
        let until = match (last(&new), last(&old)) {
            (Some(new), Some(old)) => Some(new.min(old)),
            (one, other) => one.or(other),
        };
        let only = |these: &[DateTime<Utc>], others: &[DateTime<Utc>]| {
            let compared = these.iter().filter(|at| until.is_none_or(|until| **at <= until));
            compared.filter(|at| others.binary_search(at).is_err()).copied().collect()
        };
        Ok(Difference { until, added: only(&new, &old), removed: only(&old, &new) })
    }

    /// The first `count` fires after `from`, counted from it.
    fn fires(&self, from: DateTime<Utc>, count: usize) -> Result<Vec<DateTime<Utc>>, ScheduleError> {
        let (mut fires, mut after) = (Vec::new(), from);
        while fires.len() < count
            && let Some(at) = self.next_after(from, after)?
        {
            fires.push(at);
            after = at;
        }
        Ok(fires)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::schedule::Cron;

    fn cron(expression: &str) -> Schedule {
        Schedule::Cron(Cron::parse(expression, "UTC").unwrap())
    }

    fn at(text: &str) -> DateTime<Utc> {
        format!("2026-01-{text}:00Z").parse().unwrap()
    }

    #[test]
    fn added_and_removed_fires_are_listed() {
        let difference = cron("0 5,9 * * *").difference(&cron("0 4,9 * * *"), at("01T00:00"), 4).unwrap();
        assert_eq!(difference.until, Some(at("02T09:00")));
        assert_eq!(difference.added, [at("01T05:00"), at("02T05:00")]);
        assert_eq!(difference.removed, [at("01T04:00"), at("02T04:00")]);
    }

    #[test]
    fn the_same_schedule_differs_in_nothing() {
        let difference = cron("0 4 * * *").difference(&cron("0 4 * * *"), at("01T00:00"), 3).unwrap();
        assert_eq!(difference, Difference { until: Some(at("03T04:00")), ..Difference::default() });
    }

    /// What lies beyond the fires of the more frequent schedule has not been compared.
    #[test]
    fn the_span_ends_with_the_fires_of_the_more_frequent_schedule() {
        let difference = cron("0 0 * * *").difference(&cron("0 */6 * * *"), at("01T00:00"), 3).unwrap();
        assert_eq!(difference.until, Some(at("01T18:00")));
        assert_eq!((difference.added.len(), difference.removed.len()), (0, 3));
    }

    #[test]
    fn a_schedule_that_ends_is_compared_to_its_end() {
        let once = Schedule::Scheduled { run_at: at("02T00:00") };
        let difference = once.difference(&Schedule::OneTime, at("01T00:00"), 3).unwrap();
        assert_eq!(difference, Difference { until: None, added: vec![at("02T00:00")], removed: vec![] });
        let daily = cron("30 0 * * *").difference(&once, at("01T00:00"), 2).unwrap();
        assert_eq!(daily.removed, [at("02T00:00")]);
        assert_eq!(daily.until, Some(at("02T00:30")));
    }
}
