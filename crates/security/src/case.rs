//! A case: a name, and what is attempted under it.

use futures_util::{FutureExt, future::LocalBoxFuture};
use std::{fmt, panic::AssertUnwindSafe, sync::Arc, time::Duration};
use tokio::time::error::Elapsed;
use trigrun_testkit::{due::Overdue, raw_http::Overloaded};

use crate::system::System;

macro_rules! suites {
    ($($name:ident $letter:literal $about:literal;)*) => {
        /// What cases have in common. Some suites have cases in the API's tests too, and some have all of them there.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Suite { $($name),* }

        impl Suite {
            pub const ALL: &[Self] = &[$(Self::$name),*];

            pub const fn letter(self) -> char {
                match self { $(Self::$name => $letter),* }
            }

            pub const fn about(self) -> &'static str {
                match self { $(Self::$name => $about),* }
            }
        }
    };
}

suites! {
    Addresses 'A' "addresses written in URLs";
    Names 'B' "names, checked when they are dialled";
    Redirects 'C' "redirects";
    Urls 'D' "invalid URLs";
    Requests 'E' "invalid headers and bodies";
    Responses 'F' "hostile responses";
    Tls 'G' "TLS";
    Secrets 'I' "secrets, and where they must not appear";
    Tokens 'J' "tokens";
    Tenants 'K' "other workspaces, roles and scopes";
    Malformed 'L' "invalid requests";
    Schedules 'M' "invalid schedules";
    Quotas 'N' "quotas and limits";
    Idempotency 'O' "one idempotency key, many requests";
    Connections 'P' "the API's own connections";
    WorkspaceDeletion 'Q' "the end of a workspace";
    Sizes 'R' "responses without an end";
    Shares 'S' "capacity inside a shard";
    Descriptors 'T' "file descriptors";
    Memory 'U' "memory under attack";
    Browsers 'V' "sessions of browsers";
}

type Attempt = Box<dyn Fn(Arc<System>) -> LocalBoxFuture<'static, anyhow::Result<()>>>;

pub struct Case {
    pub suite: Suite,
    name: String,
    /// Needs the network namespace.
    dials: bool,
    attempt: Attempt,
}

pub enum TestResult {
    Passed,
    Failed(String),
    /// It failed only by its time.
    Late(String),
    Skipped,
}

/// Something took too long. A busy machine is late sometimes, a defect is late every time, so a late case is repeated alone.
#[derive(Debug)]
pub struct Late(pub String);

impl fmt::Display for Late {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Late {}

/// Returns a [`Late`] error unless the condition holds.
macro_rules! ensure_in_time {
    ($condition:expr, $($message:tt)+) => {
        let in_time: bool = $condition;
        if !in_time {
            return Err($crate::case::Late(format!($($message)+)).into());
        }
    };
}
pub(crate) use ensure_in_time;

/// Only ends a case that hangs.
const CASE_TIMEOUT: Duration = Duration::from_secs(300);

impl Case {
    /// Calls the API only.
    pub fn new<F>(suite: Suite, name: impl Into<String>, attempt: impl Fn(Arc<System>) -> F + 'static) -> Self
    where
        F: Future<Output = anyhow::Result<()>> + 'static,
    {
        let attempt: Attempt = Box::new(move |system| attempt(system).boxed_local());
        Self { suite, name: name.into(), dials: false, attempt }
    }

    /// Lets executors make requests.
    pub fn dialling<F>(
        suite: Suite,
        name: impl Into<String>,
        attempt: impl Fn(Arc<System>) -> F + 'static,
    ) -> Self
    where
        F: Future<Output = anyhow::Result<()>> + 'static,
    {
        Self { dials: true, ..Self::new(suite, name, attempt) }
    }

    pub async fn attempt(&self, system: &Arc<System>) -> TestResult {
        if self.dials && !system.is_isolated() {
            return TestResult::Skipped;
        }
        let attempt = AssertUnwindSafe((self.attempt)(system.clone())).catch_unwind();
        match tokio::time::timeout(CASE_TIMEOUT, attempt).await {
            Ok(Ok(Ok(()))) => TestResult::Passed,
            Ok(Ok(Err(error))) if error.chain().any(is_late) => TestResult::Late(format!("{error:#}")),
            Ok(Ok(Err(error))) => TestResult::Failed(format!("{error:#}")),
            Ok(Err(_)) => TestResult::Failed("it panicked".into()),
            Err(_) => TestResult::Late(format!("it did not end within {CASE_TIMEOUT:?}")),
        }
    }
}

fn is_late(cause: &(dyn std::error::Error + 'static)) -> bool {
    cause.is::<Late>() || cause.is::<Elapsed>() || cause.is::<Overdue>() || cause.is::<Overloaded>()
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.suite.letter(), self.name)
    }
}
