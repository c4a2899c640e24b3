//! A connection to Redis that is made when needed and made again when it broke. Every wait has a deadline.

use redis::{AsyncConnectionConfig, Client, FromRedisValue, aio::MultiplexedConnection};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use std::time::Duration;

use super::StreamError;

/// The section `[redis]` of the scheduler and the executor.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RedisSettings {
    pub url: SecretString,
    /// The first part of every key, so that installations can share a server.
    pub namespace: String,
    pub timeout_ms: u64,
}

pub(super) struct Link {
    client: Client,
    connection: Option<MultiplexedConnection>,
    timeout: Duration,
}

impl Link {
    pub fn new(settings: &RedisSettings) -> Result<Self, StreamError> {
        let client = Client::open(settings.url.expose_secret())?;
        Ok(Self { client, connection: None, timeout: Duration::from_millis(settings.timeout_ms) })
    }

    /// Runs a pipeline. A broken or silent connection is given up: the next call begins with a fresh one.
    pub async fn pipe<T: FromRedisValue>(&mut self, pipe: &redis::Pipeline) -> Result<T, StreamError> {
        let timeout = self.timeout;
        let mut connection = self.connected().await?;
        let answer = tokio::time::timeout(timeout, pipe.query_async(&mut connection)).await;
        self.judge(answer, timeout)
    }

    /// Runs one command that may block for up to `block` before it answers.
    pub async fn command<T: FromRedisValue>(
        &mut self,
        command: &redis::Cmd,
        block: Duration,
    ) -> Result<T, StreamError> {
        let timeout = self.timeout + block;
        let mut connection = self.connected().await?;
        let answer = tokio::time::timeout(timeout, command.query_async(&mut connection)).await;
        self.judge(answer, timeout)
    }

    fn judge<T>(
        &mut self,
        answer: Result<redis::RedisResult<T>, tokio::time::error::Elapsed>,
        timeout: Duration,
    ) -> Result<T, StreamError> {
        let answer = answer.map_err(|_| StreamError::Timeout(timeout)).and_then(|answer| Ok(answer?));
        // An error that the server itself answered leaves the connection whole, unless this is the wrong server now.
        let whole = match &answer {
            Ok(_) => true,
            Err(StreamError::Unavailable(error)) => {
                error.code().is_some_and(|code| !matches!(code, "READONLY" | "LOADING" | "MASTERDOWN"))
            }
            Err(StreamError::Timeout(_)) => false,
        };
        if !whole {
            self.connection = None;
        }
        answer
    }

    /// The answer to something that was asked on a connection of [`Link::connected`]: a broken one is given up.
    pub fn judged<T>(&mut self, answer: redis::RedisResult<T>) -> Result<T, StreamError> {
        self.judge(Ok(answer), self.timeout)
    }

    /// The connection, which any number may use at once.
    pub async fn connected(&mut self) -> Result<MultiplexedConnection, StreamError> {
        if let Some(connection) = &self.connection {
            return Ok(connection.clone());
        }
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(self.timeout))
            // Blocking reads take longer than any fixed limit; ours are measured around each call.
            .set_response_timeout(None);
        let connecting = self.client.get_multiplexed_async_connection_with_config(&config);
        let connection = tokio::time::timeout(self.timeout, connecting)
            .await
            .map_err(|_| StreamError::Timeout(self.timeout))??;
        Ok(self.connection.insert(connection).clone())
    }
}
