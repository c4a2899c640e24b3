//! The scheduler's side: publishes dispatch messages, checks how far they were delivered, and removes expired consumers.

use chrono::{DateTime, Utc};
use redis::{
    Value,
    streams::{StreamInfoConsumersReply, StreamPendingCountReply, StreamRangeReply},
};
use std::{
    collections::{BTreeMap, HashMap},
    time::Duration,
};

use super::{
    RedisSettings, StreamError,
    key::{GROUP, Lane, Stream, StreamNames},
    lane::Lanes,
    link::Link,
    message,
};
use crate::domain::{dispatch::Dispatch, id::ExecutorId};

/// How many entries a stream may hold. Beyond that Redis drops the oldest, and `republish` requests their publication later.
const MAX_STREAM_ENTRIES: usize = 100_000;
const PUBLISH_BATCH: usize = 1000;

pub struct Producer {
    link: Link,
    keys: StreamNames,
    lanes: Lanes,
}

impl Producer {
    pub fn new(settings: &RedisSettings) -> Result<Self, StreamError> {
        Ok(Self {
            link: Link::new(settings)?,
            keys: StreamNames::new(&settings.namespace),
            lanes: Lanes::default(),
        })
    }

    /// Publishes to each stream in order; `now` is Postgres's time. If this fails, some messages may have been published; publishing them again
    /// is harmless.
    pub async fn publish(&mut self, dispatches: &[Dispatch], now: DateTime<Utc>) -> Result<(), StreamError> {
        for batch in dispatches.chunks(PUBLISH_BATCH) {
            let mut by_stream: BTreeMap<Stream, Vec<&Dispatch>> = BTreeMap::new();
            for dispatch in batch {
                by_stream
                    .entry(StreamNames::of(dispatch.shard, self.lanes.of(dispatch.workspace)))
                    .or_default()
                    .push(dispatch);
            }
            let mut pipe = redis::pipe();
            for (stream, dispatches) in &by_stream {
                for entry in dispatches.chunks(message::MAX_EXECUTIONS) {
                    pipe.cmd("XADD")
                        .arg(self.keys.name(*stream))
                        .arg("MAXLEN")
                        .arg("~")
                        .arg(MAX_STREAM_ENTRIES)
                        .arg("*")
                        .arg(message::FIELD)
                        .arg(message::write(entry.iter().copied(), now))
                        .ignore();
                }
            }
            self.link.pipe::<()>(&pipe).await?;
        }
        Ok(())
    }

    /// When the oldest undelivered entry of `shard` was published; `None` if there is none.
    pub async fn oldest_undelivered(&mut self, shard: i16) -> Result<Option<DateTime<Utc>>, StreamError> {
        // It is not known to which of the two streams a missing message went. While either has a backlog, it may still be delivered.
        let prompt = self.oldest_in(StreamNames::of(shard, Lane::Prompt)).await?;
        let bulk = self.oldest_in(StreamNames::of(shard, Lane::Bulk)).await?;
        Ok(prompt.into_iter().chain(bulk).min())
    }

    async fn oldest_in(&mut self, stream: Stream) -> Result<Option<DateTime<Utc>>, StreamError> {
        let key = self.keys.name(stream).to_owned();
        let Some(delivered) = self.last_delivered(&key).await? else { return Ok(None) };
        let mut next = redis::cmd("XRANGE");
        next.arg(&key).arg(format!("({delivered}")).arg("+").arg("COUNT").arg(1);
        let next: StreamRangeReply = self.link.command(&next, Duration::ZERO).await?;
        // A malformed entry has no time. It counts as published at the epoch, so that no message behind it is republished until an executor
        // has received the entry.
        let published_at =
            |fields: &HashMap<String, Value>| message::published_at(fields).unwrap_or_default();
        Ok(next.ids.first().map(|entry| published_at(&entry.map)))
    }

    /// The id of the last entry delivered to any consumer of the group. `None` if the stream does not exist; `0-0` if only the group is
    /// missing, because then every entry is undelivered.
    async fn last_delivered(&mut self, key: &str) -> Result<Option<String>, StreamError> {
        let mut groups = redis::cmd("XINFO");
        groups.arg("GROUPS").arg(key);
        match self.link.command::<redis::streams::StreamInfoGroupsReply>(&groups, Duration::ZERO).await {
            Ok(reply) => {
                let group = reply.groups.into_iter().find(|group| group.name == GROUP);
                Ok(Some(group.map_or_else(|| "0-0".to_owned(), |group| group.last_delivered_id)))
            }
            Err(error) if error.is_no_key() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Removes consumers without a live executor, with their pending entries: their executions were reclaimed in Postgres. Returns how many
    /// were removed.
    pub async fn retire(&mut self, live: &[ExecutorId]) -> Result<usize, StreamError> {
        let live: Vec<String> = live.iter().map(ToString::to_string).collect();
        let mut retired = 0;
        for stream in self.keys.all() {
            let key = self.keys.name(stream).to_owned();
            for consumer in self.consumers(&key).await? {
                if !live.contains(&consumer) {
                    self.retire_one(&key, &consumer).await?;
                    retired += 1;
                }
            }
        }
        Ok(retired)
    }

    async fn consumers(&mut self, key: &str) -> Result<Vec<String>, StreamError> {
        let mut consumers = redis::cmd("XINFO");
        consumers.arg("CONSUMERS").arg(key).arg(GROUP);
        match self.link.command::<StreamInfoConsumersReply>(&consumers, Duration::ZERO).await {
            Ok(reply) => Ok(reply.consumers.into_iter().map(|consumer| consumer.name).collect()),
            Err(error) if error.is_no_group() || error.is_no_key() => Ok(Vec::new()),
            Err(error) => Err(error),
        }
    }

    async fn retire_one(&mut self, key: &str, consumer: &str) -> Result<(), StreamError> {
        loop {
            let mut pending = redis::cmd("XPENDING");
            pending.arg(key).arg(GROUP).arg("-").arg("+").arg(PUBLISH_BATCH).arg(consumer);
            let pending: StreamPendingCountReply = self.link.command(&pending, Duration::ZERO).await?;
            let ids: Vec<String> = pending.ids.into_iter().map(|entry| entry.id).collect();
            if ids.is_empty() {
                break;
            }
            let mut pipe = redis::pipe();
            pipe.cmd("XACK").arg(key).arg(GROUP).arg(&ids).ignore().cmd("XDEL").arg(key).arg(&ids).ignore();
            self.link.pipe::<()>(&pipe).await?;
        }
        let mut delete = redis::cmd("XGROUP");
        delete.arg("DELCONSUMER").arg(key).arg(GROUP).arg(consumer);
        self.link.command::<i64>(&delete, Duration::ZERO).await.map(drop)
    }
}
