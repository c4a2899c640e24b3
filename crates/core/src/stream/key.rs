//! The names of the streams.

use crate::domain::workspace::SHARDS;

/// The one consumer group of every stream.
pub const GROUP: &str = "executors";

/// One stream per shard. The braces make the shard the unit that a Redis Cluster places.
#[derive(Clone, Debug)]
pub struct Keys(Vec<String>);

impl Keys {
    pub fn new(namespace: &str) -> Self {
        Self((0..SHARDS).map(|shard| format!("{namespace}:{{{shard}}}:executions")).collect())
    }

    pub fn of(&self, shard: i16) -> &str {
        &self.0[usize::from(shard.unsigned_abs()) % self.0.len()]
    }

    pub fn shards(&self) -> impl Iterator<Item = i16> + use<> {
        0..SHARDS
    }

    pub fn shard_of(&self, key: &str) -> Option<i16> {
        self.0.iter().position(|known| known == key).and_then(|shard| i16::try_from(shard).ok())
    }
}
