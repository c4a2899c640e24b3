//! A namespace per test on a shared Redis.

use secrecy::SecretString;
use trigrun_core::stream::RedisSettings;
use uuid::Uuid;

/// Redis, as `trigrun-embed exec` offers it to the tests.
const REDIS: &str = "TRIGRUN_TEST_REDIS";

/// Settings with a namespace that nobody else uses.
pub fn settings() -> RedisSettings {
    RedisSettings {
        url: SecretString::from(url()),
        namespace: format!("test-{}", Uuid::new_v4().simple()),
        timeout_ms: 1000,
    }
}

/// A plain connection: for looking at what the streams hold, and for harming them.
pub async fn connection() -> redis::aio::MultiplexedConnection {
    let client = redis::Client::open(url()).expect("the URL is understood");
    client.get_multiplexed_async_connection().await.expect("the test server answers")
}

#[allow(clippy::disallowed_methods, reason = "what the test runner sets")]
fn url() -> String {
    std::env::var(REDIS).unwrap_or_else(|_| {
        panic!("{REDIS} is not set: run the tests with `make test`, or under `trigrun-embed exec -- …`")
    })
}
