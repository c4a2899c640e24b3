//! The executor's side: receives entries and acknowledges those that were handled.

use redis::Value;
use std::time::Duration;

use super::{
    RedisSettings, StreamError,
    key::{GROUP, Lane, Stream, StreamNames},
    link::Link,
    message::{self, MAX_EXECUTIONS, text},
};
use crate::domain::{
    id::{ExecutionId, ExecutorId},
    workspace::SHARDS,
};

/// A received entry: its executions, `None` if it is malformed, and the receipt to acknowledge it.
#[derive(Clone, Debug)]
pub struct Received {
    pub executions: Option<Vec<ExecutionId>>,
    pub receipt: Receipt,
}

impl Received {
    fn len(&self) -> usize {
        self.executions.as_ref().map_or(1, Vec::len)
    }
}

#[derive(Clone, Debug)]
pub struct Receipt {
    stream: Stream,
    entry: String,
}

pub struct Consumer {
    /// Reading blocks, so it has a separate connection.
    reading: Link,
    keys: StreamNames,
    name: String,
    next_stream: usize,
}

impl Consumer {
    /// `executor` is the name of the consumer in Redis. It expires together with the executor's leases.
    pub fn new(settings: &RedisSettings, executor: ExecutorId) -> Result<Self, StreamError> {
        let keys = StreamNames::new(&settings.namespace);
        Ok(Self { reading: Link::new(settings)?, keys, name: executor.to_string(), next_stream: 0 })
    }

    /// Receives new entries of these lanes, for about `max_executions` executions. Waits up to `block` for the first entry, or not at all
    /// if `block` is zero. It may return a few more executions, because the size of an entry is known only after it was read.
    ///
    /// Each stream gets an equal share, so that a stream with a hundred thousand entries does not delay the others. With far less capacity
    /// than streams, the streams take turns. Remaining capacity then goes to the streams that have more.
    pub async fn receive(
        &mut self,
        lanes: &[Lane],
        max_executions: usize,
        block: Duration,
    ) -> Result<Vec<Received>, StreamError> {
        let (streams, max_entries) = (self.streams(lanes), (max_executions / MAX_EXECUTIONS).max(1));
        let share = (max_entries / streams.len().max(1)).max(1);
        let mut received = Vec::new();
        if max_entries * 2 < streams.len() {
            received = self.read_in_turn(&streams, max_entries).await?;
        }
        if received.is_empty() {
            received = self.read(&streams, share, Some(block).filter(|block| !block.is_zero())).await?;
        }
        let executions: usize = received.iter().map(Received::len).sum();
        let (mut more, left) = (full(&streams, &received, share), max_executions.saturating_sub(executions));
        // Assumes that further entries have the same average size.
        let left = left * received.len() / executions.max(1);
        more.truncate(left);
        if !more.is_empty() {
            match self.read(&more, left / more.len(), None).await {
                Ok(entries) => received.extend(entries),
                // The entries received so far must be handled; the next read will report the error.
                Err(error) => tracing::debug!(%error, "cannot receive more"),
            }
        }
        Ok(received)
    }

    /// Reads at most `count` entries of each stream, and waits for the first if `block` is given.
    async fn read(
        &mut self,
        streams: &[Stream],
        count: usize,
        block: Option<Duration>,
    ) -> Result<Vec<Received>, StreamError> {
        let mut read = redis::cmd("XREADGROUP");
        read.arg("GROUP").arg(GROUP).arg(&self.name).arg("COUNT").arg(count);
        if let Some(block) = block {
            read.arg("BLOCK").arg(u64::try_from(block.as_millis()).unwrap_or(u64::MAX).max(1));
        }
        read.arg("STREAMS");
        for stream in streams {
            read.arg(self.keys.name(*stream));
        }
        for _ in streams {
            read.arg(">");
        }
        match self.reading.command::<Value>(&read, block.unwrap_or_default()).await {
            Ok(reply) => Ok(self.entries(&reply)),
            Err(error) if error.is_no_group() => {
                self.create_groups().await?;
                Ok(Vec::new())
            }
            Err(error) => Err(error),
        }
    }

    /// Reads one entry from each of the next `max_entries` streams; if they are all empty, from the streams after them.
    async fn read_in_turn(
        &mut self,
        streams: &[Stream],
        max_entries: usize,
    ) -> Result<Vec<Received>, StreamError> {
        for chunk in streams.chunks(max_entries) {
            self.next_stream += chunk.len();
            let received = self.read(chunk, 1, None).await?;
            if !received.is_empty() {
                return Ok(received);
            }
        }
        Ok(Vec::new())
    }

    /// The streams of these lanes, beginning with the next in turn.
    fn streams(&self, lanes: &[Lane]) -> Vec<Stream> {
        let of_lane = |lane| (0..SHARDS).map(move |shard| StreamNames::of(shard, lane));
        let mut streams: Vec<Stream> = lanes.iter().copied().flat_map(of_lane).collect();
        let from = self.next_stream % streams.len().max(1);
        streams.rotate_left(from);
        streams
    }

    /// A reply has pairs of a stream's name and its entries; an entry has an id and fields (Redis, XREADGROUP). It is parsed in place, because
    /// the maps that the library would build cost more than everything else here.
    fn entries(&self, reply: &Value) -> Vec<Received> {
        let mut received = Vec::new();
        for read in array(reply) {
            let [name, entries] = array(read) else { continue };
            let Some(stream) = text(name).and_then(|name| self.keys.find(name)) else { continue };
            for entry in array(entries) {
                let [id, fields] = array(entry) else { continue };
                let Some(id) = text(id) else { continue };
                let receipt = Receipt { stream, entry: id.to_owned() };
                received.push(Received { executions: message::read(array(fields)), receipt });
            }
        }
        received
    }

    /// Creates missing groups, reading from the first entry.
    async fn create_groups(&mut self) -> Result<(), StreamError> {
        for stream in self.keys.all() {
            let mut create = redis::cmd("XGROUP");
            create.arg("CREATE").arg(self.keys.name(stream)).arg(GROUP).arg("0").arg("MKSTREAM");
            match self.reading.command::<()>(&create, Duration::ZERO).await {
                Ok(()) => {}
                Err(StreamError::Unavailable(error)) if error.code() == Some("BUSYGROUP") => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

fn array(value: &Value) -> &[Value] {
    match value {
        Value::Array(values) => values,
        _ => &[],
    }
}

/// The streams that returned their full share, and so may have more.
fn full(streams: &[Stream], received: &[Received], share: usize) -> Vec<Stream> {
    let count =
        |stream: &Stream| received.iter().filter(|received| received.receipt.stream == *stream).count();
    streams.iter().copied().filter(|stream| count(stream) >= share).collect()
}

/// Acknowledges entries on a separate connection, which is not blocked by reads.
pub struct Acknowledger {
    link: Link,
    keys: StreamNames,
}

impl Acknowledger {
    pub fn new(settings: &RedisSettings) -> Result<Self, StreamError> {
        Ok(Self { link: Link::new(settings)?, keys: StreamNames::new(&settings.namespace) })
    }

    /// Acknowledges these entries and removes them. Call it after the commit that handled them.
    pub async fn acknowledge(&mut self, receipts: &[Receipt]) -> Result<(), StreamError> {
        let mut pipe = redis::pipe();
        for stream in self.keys.all() {
            let ids: Vec<&str> =
                receipts.iter().filter(|r| r.stream == stream).map(|r| r.entry.as_str()).collect();
            if !ids.is_empty() {
                let key = self.keys.name(stream);
                pipe.cmd("XACK")
                    .arg(key)
                    .arg(GROUP)
                    .arg(&ids)
                    .ignore()
                    .cmd("XDEL")
                    .arg(key)
                    .arg(&ids)
                    .ignore();
            }
        }
        self.link.pipe::<()>(&pipe).await
    }
}
