//! A Redis of one test, for what a shared one cannot be: a cluster, a replica, full.

use std::{
    fs,
    net::SocketAddr,
    path::PathBuf,
    process::{Child, Stdio},
    time::Duration,
};

use anyhow::Context;
use secrecy::SecretString;
use trigrun_core::stream::RedisSettings;
use trigrun_embed::Programs;
use uuid::Uuid;

use crate::{cluster::free_address, due};

const START_TIMEOUT: Duration = Duration::from_secs(60);

/// Killed when it is dropped, with its directory.
pub struct OwnRedis {
    address: SocketAddr,
    child: Child,
    dir: PathBuf,
}

impl OwnRedis {
    /// With these arguments of `redis-server`.
    pub async fn start(arguments: &[&str]) -> anyhow::Result<Self> {
        let (address, program) = (free_address()?, Programs::find()?.redis_server);
        let dir = std::env::temp_dir().join(format!("trigrun-redis-{}", Uuid::new_v4().simple()));
        fs::create_dir(&dir).with_context(|| dir.display().to_string())?;
        // By default, a node of a cluster also listens on its port + 10,000, which the kernel may have given to a client.
        let (port, cluster_port) = (address.port().to_string(), free_address()?.port().to_string());
        let child = trigrun_embed::ends_with_us(&program)
            .args([
                "--port",
                &port,
                "--cluster-port",
                &cluster_port,
                "--bind",
                "127.0.0.1",
                "--save",
                "",
                "--dir",
            ])
            .arg(&dir)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .context("redis-server cannot be started")?;
        let redis = Self { address, child, dir };
        due::until("redis responds", START_TIMEOUT, async || redis.run(&["PING"]).await.is_ok()).await?;
        Ok(redis)
    }

    pub fn settings(&self) -> RedisSettings {
        RedisSettings {
            url: SecretString::from(format!("redis://{}", self.address)),
            ..crate::redis::settings()
        }
    }

    /// Runs one command.
    pub async fn run(&self, words: &[&str]) -> redis::RedisResult<redis::Value> {
        let client = redis::Client::open(format!("redis://{}", self.address))?;
        let mut connection = client.get_multiplexed_async_connection().await?;
        redis::cmd(words[0]).arg(&words[1..]).query_async(&mut connection).await
    }
}

impl Drop for OwnRedis {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = fs::remove_dir_all(&self.dir);
    }
}
