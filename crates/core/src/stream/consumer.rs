//! The executor's side: receive, and acknowledge what was dealt with.

use redis::Value;
use std::time::Duration;

use super::{
    RedisSettings, StreamError,
    key::{GROUP, Lane, Stream, StreamNames},
    link::Link,
    message::{self, MOST, text},
};
use crate::domain::id::{ExecutionId, ExecutorId};

/// An entry that was received: for what it publishes, if it can be understood, and what is needed to acknowledge it.
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
    /// Reading blocks, so it has a connection of its own.
    reading: Link,
    keys: StreamNames,
    name: String,
    turn: usize,
}

impl Consumer {
    /// `executor` is the reader's name: it lives and ends with the leases.
    pub fn new(settings: &RedisSettings, executor: ExecutorId) -> Result<Self, StreamError> {
        let keys = StreamNames::new(&settings.namespace);
        Ok(Self { reading: Link::new(settings)?, keys, name: executor.to_string(), turn: 0 })
    }

    /// Receives new entries for about `most` executions of the shards that are `open`, waiting for the first for up to `block`, or not at
    /// all when that is zero. They may be a few more, because how many an entry publishes for is known when it was read.
    ///
    /// Every stream may give an equal share, so that one with a hundred thousand entries cannot keep the others waiting; with
    /// far fewer places than streams they take turns. Places that are left then go to the streams that have more.
    pub async fn receive(
        &mut self,
        open: &[i16],
        most: usize,
        block: Duration,
    ) -> Result<Vec<Received>, StreamError> {
        let (streams, places) = (self.streams(open), (most / MOST).max(1));
        let share = (places / streams.len().max(1)).max(1);
        let mut received = Vec::new();
        if places * 2 < streams.len() {
            received = self.take_turns(&streams, places).await?;
        }
        if received.is_empty() {
            received = self.read(&streams, share, Some(block).filter(|block| !block.is_zero())).await?;
        }
        let executions: usize = received.iter().map(Received::len).sum();
        let (mut more, left) = (full(&streams, &received, share), most.saturating_sub(executions));
        // What comes is likely to be like what came.
        let left = left * received.len() / executions.max(1);
        more.truncate(left);
        if !more.is_empty() {
            match self.read(&more, left / more.len(), None).await {
                Ok(entries) => received.extend(entries),
                // What has been received is to be dealt with; the next read meets the same.
                Err(error) => tracing::debug!(%error, "cannot receive more"),
            }
        }
        Ok(received)
    }

    /// At most `count` entries of each, waiting for the first if `block` is given.
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
                self.make_groups().await?;
                Ok(Vec::new())
            }
            Err(error) => Err(error),
        }
    }

    /// An entry of each of so many streams, or, if there is nothing in them, of the next.
    async fn take_turns(&mut self, streams: &[Stream], places: usize) -> Result<Vec<Received>, StreamError> {
        for some in streams.chunks(places) {
            self.turn += some.len();
            let received = self.read(some, 1, None).await?;
            if !received.is_empty() {
                return Ok(received);
            }
        }
        Ok(Vec::new())
    }

    /// Of these shards, beginning with the one whose turn it is.
    fn streams(&self, open: &[i16]) -> Vec<Stream> {
        let of_lane = |lane| open.iter().map(move |shard| StreamNames::of(*shard, lane));
        let mut streams: Vec<Stream> = of_lane(Lane::Prompt).chain(of_lane(Lane::Bulk)).collect();
        let from = self.turn % streams.len().max(1);
        streams.rotate_left(from);
        streams
    }

    /// A reply is pairs of a stream's name and its entries; an entry is its id and its fields (Redis, XREADGROUP). It is read where it
    /// lies: the maps that the library would make of it cost more than all else here.
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

    /// Makes the groups where they are missing, from the very first entry on.
    async fn make_groups(&mut self) -> Result<(), StreamError> {
        for stream in self.keys.all() {
            let mut make = redis::cmd("XGROUP");
            make.arg("CREATE").arg(self.keys.name(stream)).arg(GROUP).arg("0").arg("MKSTREAM");
            match self.reading.command::<()>(&make, Duration::ZERO).await {
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

/// Those that gave all that they were asked for.
fn full(streams: &[Stream], received: &[Received], share: usize) -> Vec<Stream> {
    let given =
        |stream: &Stream| received.iter().filter(|received| received.receipt.stream == *stream).count();
    streams.iter().copied().filter(|stream| given(stream) >= share).collect()
}

/// Acknowledges on a connection that no read blocks.
pub struct Acknowledger {
    link: Link,
    keys: StreamNames,
}

impl Acknowledger {
    pub fn new(settings: &RedisSettings) -> Result<Self, StreamError> {
        Ok(Self { link: Link::new(settings)?, keys: StreamNames::new(&settings.namespace) })
    }

    /// Says that these entries were dealt with, and removes them. Called after the commit that dealt with them.
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
