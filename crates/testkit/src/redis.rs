//! A private namespace per test on a shared Redis.

use secrecy::SecretString;
use std::path::PathBuf;
use trigrun_core::stream::RedisSettings;
use uuid::Uuid;

/// Set by `trigrun-embed exec`.
const REDIS: &str = "TRIGRUN_TEST_REDIS";

/// Settings with a new namespace.
pub fn settings() -> RedisSettings {
    RedisSettings {
        url: SecretString::from(url()),
        ca_file: PathBuf::new(),
        namespace: format!("test-{}", Uuid::new_v4().simple()),
        timeout_ms: 1000,
    }
}

/// A connection to read the streams and to damage them.
pub async fn connection() -> redis::aio::MultiplexedConnection {
    let client = redis::Client::open(url()).expect("the URL is valid");
    client.get_multiplexed_async_connection().await.expect("the test server responds")
}

#[allow(clippy::disallowed_methods, reason = "set by the test runner")]
fn url() -> String {
    std::env::var(REDIS).unwrap_or_else(|_| {
        panic!("{REDIS} is not set: run the tests with `make test`, or under `trigrun-embed exec -- …`")
    })
}
