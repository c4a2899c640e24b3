//! A case: a name, and what is tried under it.

use futures_util::{FutureExt, future::LocalBoxFuture};
use std::{fmt, panic::AssertUnwindSafe, sync::Arc, time::Duration};
use tokio::time::error::Elapsed;

use crate::system::System;

macro_rules! families {
    ($($name:ident $letter:literal $about:literal;)*) => {
        /// What the cases of a family have in common.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Family { $($name),* }

        impl Family {
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

families! {
    Literals 'A' "addresses written in URLs";
    Names 'B' "names, judged when they are dialled";
    Redirects 'C' "redirects";
    Syntax 'D' "URLs that are none";
    Requests 'E' "headers and bodies";
    Answers 'F' "hostile answers";
    Tls 'G' "TLS";
    Secrets 'I' "secrets, and where they must not show";
    Tokens 'J' "tokens";
    Tenants 'K' "other workspaces, roles and scopes";
    Malformed 'L' "requests that are none";
    Schedules 'M' "schedules that are none";
    Abuse 'N' "quotas and limits";
    Idempotency 'O' "one key, many requests";
    Door 'P' "the API's own door";
    Life 'Q' "the end of a workspace";
}

type Attempt = Box<dyn Fn(Arc<System>) -> LocalBoxFuture<'static, anyhow::Result<()>>>;

pub struct Case {
    pub family: Family,
    name: String,
    /// RequiredScope the network that leads nowhere.
    dials: bool,
    attempt: Attempt,
}

/// What came of a case.
pub enum Tried {
    AsItMust,
    Otherwise(String),
    /// All that is wrong is how long it took.
    Late(String),
    LeftOut,
}

/// Something took too long. A busy machine is late at times, a defect each time: a case that was late is tried again, alone.
#[derive(Debug)]
pub struct Late(pub String);

impl fmt::Display for Late {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Late {}

/// Returns an error that is [`Late`], unless this is so.
macro_rules! ensure_in_time {
    ($so:expr, $($how:tt)+) => {
        let in_time: bool = $so;
        if !in_time {
            return Err($crate::case::Late(format!($($how)+)).into());
        }
    };
}
pub(crate) use ensure_in_time;

/// No case may take longer.
const WITHIN: Duration = Duration::from_secs(60);

impl Case {
    /// Asks TrigRun something; nobody is called.
    pub fn asks<F>(
        family: Family,
        name: impl Into<String>,
        attempt: impl Fn(Arc<System>) -> F + 'static,
    ) -> Self
    where
        F: Future<Output = anyhow::Result<()>> + 'static,
    {
        let attempt: Attempt = Box::new(move |system| attempt(system).boxed_local());
        Self { family, name: name.into(), dials: false, attempt }
    }

    /// Has TrigRun call somebody.
    pub fn dials<F>(
        family: Family,
        name: impl Into<String>,
        attempt: impl Fn(Arc<System>) -> F + 'static,
    ) -> Self
    where
        F: Future<Output = anyhow::Result<()>> + 'static,
    {
        Self { dials: true, ..Self::asks(family, name, attempt) }
    }

    pub async fn attempt(&self, system: &Arc<System>) -> Tried {
        if self.dials && !system.is_enclosed() {
            return Tried::LeftOut;
        }
        let tried = AssertUnwindSafe((self.attempt)(system.clone())).catch_unwind();
        match tokio::time::timeout(WITHIN, tried).await {
            Ok(Ok(Ok(()))) => Tried::AsItMust,
            Ok(Ok(Err(error))) if error.chain().any(|cause| cause.is::<Late>() || cause.is::<Elapsed>()) => {
                Tried::Late(format!("{error:#}"))
            }
            Ok(Ok(Err(error))) => Tried::Otherwise(format!("{error:#}")),
            Ok(Err(_)) => Tried::Otherwise("it panicked".into()),
            Err(_) => Tried::Late(format!("it did not end within {WITHIN:?}")),
        }
    }
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.family.letter(), self.name)
    }
}
