//! A connection to Redis that is opened when needed and reopened after it broke. Every wait has a timeout.

use redis::{AsyncConnectionConfig, Client, FromRedisValue, TlsCertificates, aio::MultiplexedConnection};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use std::{path::PathBuf, time::Duration};
use url::Url;
use uuid::Uuid;

use super::StreamError;
use crate::tls;

/// The section `[redis]` of the scheduler and the executor.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RedisSettings {
    pub url: SecretString,
    /// The only certificate authorities that are trusted, in PEM; empty: the system's.
    pub ca_file: PathBuf,
    /// The first part of every key, so that installations can share a server. See [`RedisSettings::of_installation`].
    pub namespace: String,
    pub timeout_ms: u64,
}

impl RedisSettings {
    /// The settings whose namespace is that of one installation: installations that share a namespace by mistake do not share keys.
    pub fn of_installation(&self, id: Uuid) -> Self {
        // 48 random bits distinguish the few that share a server.
        let id = id.simple().to_string();
        Self { namespace: format!("{}:{}", self.namespace, &id[..12]), ..self.clone() }
    }
}

/// Options of a URL that have an effect.
const URL_OPTIONS: [&str; 4] = ["protocol", "db", "user", "pass"];

fn client(settings: &RedisSettings) -> Result<Client, StreamError> {
    let url = settings.url.expose_secret();
    let options = Url::parse(url).map(|url| {
        let options = url.query_pairs().map(|(name, _)| name.into_owned());
        options.filter(|name| !URL_OPTIONS.contains(&name.as_str())).collect::<Vec<_>>()
    });
    if let Some(option) = options.unwrap_or_default().first() {
        return Err(StreamError::Settings(format!(
            "redis.url: the option {option} is not supported: remove it"
        )));
    }
    if settings.ca_file.as_os_str().is_empty() {
        return Ok(Client::open(url)?);
    }
    if !url.starts_with("rediss://") {
        return Err(StreamError::Settings("redis.ca_file needs a redis.url with rediss://".into()));
    }
    let unreadable = |error: &dyn std::fmt::Display| StreamError::Settings(format!("redis.ca_file: {error}"));
    // Also for its errors, which name the file.
    tls::roots(Some(&settings.ca_file)).map_err(|error| unreadable(&error))?;
    let authority = std::fs::read(&settings.ca_file).map_err(|error| unreadable(&error))?;
    Ok(Client::build_with_tls(url, TlsCertificates { client_tls: None, root_cert: Some(authority) })?)
}

pub(super) struct Link {
    client: Client,
    connection: Option<MultiplexedConnection>,
    timeout: Duration,
}

impl Link {
    pub fn new(settings: &RedisSettings) -> Result<Self, StreamError> {
        let client = client(settings)?;
        Ok(Self { client, connection: None, timeout: Duration::from_millis(settings.timeout_ms) })
    }

    /// Runs a pipeline. A connection that broke or timed out is dropped: the next call opens a new one.
    pub async fn pipe<T: FromRedisValue>(&mut self, pipe: &redis::Pipeline) -> Result<T, StreamError> {
        let timeout = self.timeout;
        let mut connection = self.connected().await?;
        let reply = tokio::time::timeout(timeout, pipe.query_async(&mut connection)).await;
        self.finish(reply, timeout)
    }

    /// Runs one command that may block for up to `block` before it responds.
    pub async fn command<T: FromRedisValue>(
        &mut self,
        command: &redis::Cmd,
        block: Duration,
    ) -> Result<T, StreamError> {
        let timeout = self.timeout + block;
        let mut connection = self.connected().await?;
        let reply = tokio::time::timeout(timeout, command.query_async(&mut connection)).await;
        self.finish(reply, timeout)
    }

    /// Runs one command whose reply does not matter.
    pub async fn run(&mut self, command: &redis::Cmd) -> Result<(), StreamError> {
        self.command::<redis::Value>(command, Duration::ZERO).await.map(drop)
    }

    fn finish<T>(
        &mut self,
        reply: Result<redis::RedisResult<T>, tokio::time::error::Elapsed>,
        timeout: Duration,
    ) -> Result<T, StreamError> {
        let reply = reply.map_err(|_| StreamError::Timeout(timeout)).and_then(|reply| Ok(reply?));
        // An error returned by the server leaves the connection usable, unless it shows that this is the wrong server now.
        let is_intact = match &reply {
            Ok(_) => true,
            Err(StreamError::Unavailable(error)) => {
                error.code().is_some_and(|code| !matches!(code, "READONLY" | "LOADING" | "MASTERDOWN"))
            }
            Err(StreamError::Timeout(_) | StreamError::Settings(_)) => false,
        };
        if !is_intact {
            self.connection = None;
        }
        reply
    }

    /// Checks a reply that was received on a connection of [`Link::connected`]: a broken connection is dropped.
    pub fn check_reply<T>(&mut self, reply: redis::RedisResult<T>) -> Result<T, StreamError> {
        self.finish(Ok(reply), self.timeout)
    }

    /// The connection, which any number of tasks may use concurrently.
    pub async fn connected(&mut self) -> Result<MultiplexedConnection, StreamError> {
        if let Some(connection) = &self.connection {
            return Ok(connection.clone());
        }
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(self.timeout))
            // Blocking reads take longer than any fixed limit; each call has its own timeout instead.
            .set_response_timeout(None);
        let connecting = self.client.get_multiplexed_async_connection_with_config(&config);
        let connection = tokio::time::timeout(self.timeout, connecting)
            .await
            .map_err(|_| StreamError::Timeout(self.timeout))??;
        Ok(self.connection.insert(connection).clone())
    }
}
