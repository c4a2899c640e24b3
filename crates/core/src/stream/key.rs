//! The names of the streams.

use crate::domain::workspace::SHARDS;

/// The only consumer group of every stream.
pub const GROUP: &str = "executors";

/// Each shard has two streams, so that a workspace with very many simultaneous runs does not delay the others: see `lane`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lane {
    Prompt,
    Bulk,
}

impl Lane {
    pub const ALL: [Self; 2] = [Self::Prompt, Self::Bulk];
}

/// A stream, by its index in [`StreamNames`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Stream(usize);

/// The names of all streams. The braces (hash tags) make a Redis Cluster place all streams of a shard on one node.
#[derive(Clone, Debug)]
pub struct StreamNames(Vec<String>);

impl StreamNames {
    pub fn new(namespace: &str) -> Self {
        let of_lane =
            |lane: &'static str| (0..SHARDS).map(move |shard| format!("{namespace}:{{{shard}}}:{lane}"));
        Self(of_lane("executions").chain(of_lane("bulk")).collect())
    }

    pub fn of(shard: i16, lane: Lane) -> Stream {
        let shard = usize::from(shard.unsigned_abs()) % SHARDS as usize;
        match lane {
            Lane::Prompt => Stream(shard),
            Lane::Bulk => Stream(SHARDS as usize + shard),
        }
    }

    pub fn name(&self, stream: Stream) -> &str {
        &self.0[stream.0]
    }

    pub fn all(&self) -> impl Iterator<Item = Stream> + use<> {
        (0..self.0.len()).map(Stream)
    }

    pub fn find(&self, name: &str) -> Option<Stream> {
        self.0.iter().position(|known| known == name).map(Stream)
    }
}
