//! The executor's side: hear, and acknowledge what was dealt with.

use redis::streams::StreamReadReply;
use std::time::Duration;

use super::{
    RedisSettings, StreamError,
    key::{GROUP, Keys},
    link::Link,
    message,
};
use crate::domain::{bell::Bell, id::SessionId};

/// An entry that was heard: what it says, if it can be understood, and what is needed to acknowledge it.
#[derive(Clone, Debug)]
pub struct Heard {
    pub bell: Option<Bell>,
    pub receipt: Receipt,
}

#[derive(Clone, Debug)]
pub struct Receipt {
    shard: i16,
    entry: String,
}

pub struct Consumer {
    /// Reading blocks, so it has a connection of its own.
    reading: Link,
    keys: Keys,
    name: String,
    turn: usize,
}

/// A wait on some of the shards only is short: the others may have something.
const SHORT_BLOCK: Duration = Duration::from_millis(20);

impl Consumer {
    /// `session` is the reader's name: it lives and ends with the leases.
    pub fn new(settings: &RedisSettings, session: SessionId) -> Result<Self, StreamError> {
        let keys = Keys::new(&settings.namespace);
        Ok(Self { reading: Link::new(settings)?, keys, name: session.to_string(), turn: 0 })
    }

    /// Hears at most `most` new entries of the shards that are `open`, waiting for the first for up to `block`.
    ///
    /// Every shard may give an equal share, so that one with a hundred thousand entries cannot keep the others waiting; with
    /// fewer places than shards they take turns.
    pub async fn hear(
        &mut self,
        open: &[i16],
        most: usize,
        block: Duration,
    ) -> Result<Vec<Heard>, StreamError> {
        let shards = self.turns(open, most);
        let share = (most / shards.len().max(1)).max(1);
        let block = if shards.len() < self.keys.shards().count() { block.min(SHORT_BLOCK) } else { block };
        let mut read = redis::cmd("XREADGROUP");
        read.arg("GROUP").arg(GROUP).arg(&self.name).arg("COUNT").arg(share);
        read.arg("BLOCK").arg(u64::try_from(block.as_millis()).unwrap_or(u64::MAX).max(1)).arg("STREAMS");
        for shard in &shards {
            read.arg(self.keys.of(*shard));
        }
        for _ in &shards {
            read.arg(">");
        }
        match self.reading.command::<Option<StreamReadReply>>(&read, block).await {
            Ok(reply) => Ok(self.entries(reply.unwrap_or_default())),
            Err(error) if error.is_no_group() => {
                self.make_groups().await?;
                Ok(Vec::new())
            }
            Err(error) => Err(error),
        }
    }

    fn turns(&mut self, open: &[i16], most: usize) -> Vec<i16> {
        let from = self.turn % open.len().max(1);
        self.turn = from + most;
        open.iter().cycle().skip(from).take(most.min(open.len())).copied().collect()
    }

    fn entries(&self, reply: StreamReadReply) -> Vec<Heard> {
        let mut heard = Vec::new();
        for stream in reply.keys {
            let Some(shard) = self.keys.shard_of(&stream.key) else { continue };
            heard.extend(stream.ids.into_iter().map(|entry| Heard {
                bell: message::read(shard, &entry.map),
                receipt: Receipt { shard, entry: entry.id },
            }));
        }
        heard
    }

    /// Makes the groups where they are missing, from the very first entry on.
    async fn make_groups(&mut self) -> Result<(), StreamError> {
        for shard in self.keys.shards() {
            let mut make = redis::cmd("XGROUP");
            make.arg("CREATE").arg(self.keys.of(shard)).arg(GROUP).arg("0").arg("MKSTREAM");
            match self.reading.command::<()>(&make, Duration::ZERO).await {
                Ok(()) => {}
                Err(StreamError::Unavailable(error)) if error.code() == Some("BUSYGROUP") => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

/// Acknowledges on a connection that no read blocks.
pub struct Acknowledger {
    link: Link,
    keys: Keys,
}

impl Acknowledger {
    pub fn new(settings: &RedisSettings) -> Result<Self, StreamError> {
        Ok(Self { link: Link::new(settings)?, keys: Keys::new(&settings.namespace) })
    }

    /// Says that these entries were dealt with, and removes them. Called after the commit that dealt with them.
    pub async fn acknowledge(&mut self, receipts: &[Receipt]) -> Result<(), StreamError> {
        let mut pipe = redis::pipe();
        for shard in self.keys.shards() {
            let ids: Vec<&str> =
                receipts.iter().filter(|r| r.shard == shard).map(|r| r.entry.as_str()).collect();
            if !ids.is_empty() {
                let key = self.keys.of(shard);
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
