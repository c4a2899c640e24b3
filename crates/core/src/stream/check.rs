//! Whether Redis can be used: does to two streams of its own what schedulers and executors do to theirs.

use redis::Value;
use std::time::Duration;
use uuid::Uuid;

use super::{RedisSettings, StreamError, link::Link};

const GROUP: &str = "check";

/// The streams of one process, which removes them after each check.
pub struct StreamChecker {
    link: Link,
    /// Like those of two shards: with a hash tag each, so that a Redis Cluster places them in two slots.
    keys: [String; 2],
}

impl StreamChecker {
    pub fn new(settings: &RedisSettings) -> Result<Self, StreamError> {
        let id = Uuid::new_v4().simple();
        let keys = ["0", "1"].map(|shard| format!("{}:{{{shard}}}:check:{id}", settings.namespace));
        Ok(Self { link: Link::new(settings)?, keys })
    }

    /// Writes, reads, inspects and acknowledges an entry. The error says what is not possible.
    pub async fn check(&mut self) -> Result<(), StreamError> {
        let used = self.use_streams().await;
        for key in &self.keys {
            // Nothing else deletes a stream: if only this is forbidden, two empty streams remain.
            let _ = self.link.command::<Value>(redis::cmd("DEL").arg(key), Duration::ZERO).await;
        }
        used
    }

    async fn use_streams(&mut self) -> Result<(), StreamError> {
        for key in &self.keys {
            self.link.run(redis::cmd("XADD").arg(key).arg("*").arg("check").arg("1")).await?;
            let created =
                redis::cmd("XGROUP").arg("CREATE").arg(key).arg(GROUP).arg("0").arg("MKSTREAM").clone();
            match self.link.run(&created).await {
                // Left by a check that was interrupted.
                Err(StreamError::Unavailable(error)) if error.code() == Some("BUSYGROUP") => {}
                created => created?,
            }
        }
        let mut read = redis::cmd("XREADGROUP");
        read.arg("GROUP").arg(GROUP).arg("check").arg("COUNT").arg(1).arg("STREAMS").arg(&self.keys);
        self.link.run(read.arg(">").arg(">")).await?;
        for key in &self.keys {
            self.link.run(redis::cmd("XINFO").arg("GROUPS").arg(key)).await?;
            self.link.run(redis::cmd("XINFO").arg("CONSUMERS").arg(key).arg(GROUP)).await?;
            self.link.run(redis::cmd("XPENDING").arg(key).arg(GROUP).arg("-").arg("+").arg(1)).await?;
            self.link.run(redis::cmd("XRANGE").arg(key).arg("-").arg("+").arg("COUNT").arg(1)).await?;
            self.link.run(redis::cmd("XACK").arg(key).arg(GROUP).arg("0-1")).await?;
            self.link.run(redis::cmd("XDEL").arg(key).arg("0-1")).await?;
            self.link.run(redis::cmd("XGROUP").arg("DELCONSUMER").arg(key).arg(GROUP).arg("check")).await?;
        }
        Ok(())
    }
}
