//! Sums by a key and by bucket of time, as the API shows them.

use chrono::{DateTime, Utc};
use std::{
    cmp::Reverse,
    collections::{BTreeMap, HashMap},
};

use super::{Sums, bucket};

/// The counts of a bucket.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    pub succeeded: i64,
    pub failed: i64,
    pub skipped: i64,
    pub retried: i64,
}

/// The sums of one key. Only buckets with an execution are there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Group {
    pub sums: Sums,
    pub buckets: BTreeMap<DateTime<Utc>, Counts>,
}

/// Sums by key.
pub struct Groups {
    step_seconds: i64,
    groups: HashMap<String, Group>,
}

impl Groups {
    pub fn new(step_seconds: i64) -> Self {
        Self { step_seconds, groups: HashMap::new() }
    }

    pub fn add(&mut self, key: &str, at: DateTime<Utc>, sums: &Sums) {
        if !self.groups.contains_key(key) {
            self.groups.insert(key.to_owned(), Group::default());
        }
        let Some(group) = self.groups.get_mut(key) else { return };
        group.sums.merge(sums);
        let counts = group.buckets.entry(bucket(at, self.step_seconds)).or_default();
        counts.succeeded += sums.succeeded;
        counts.failed += sums.failed;
        counts.skipped += sums.skipped;
        counts.retried += sums.retried;
    }

    /// At most `limit` keys, and how many there are: those with most failures first, then those with most executions.
    pub fn most_failed(self, limit: usize) -> (Vec<(String, Group)>, usize) {
        let mut groups: Vec<_> = self.groups.into_iter().collect();
        let all = groups.len();
        groups.sort_unstable_by(|(a, left), (b, right)| {
            let order = |group: &Group| Reverse((group.sums.failed, group.sums.due()));
            order(left).cmp(&order(right)).then_with(|| a.cmp(b))
        });
        groups.truncate(limit);
        (groups, all)
    }
}
