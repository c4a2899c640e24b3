//! What the run can play. Each scenario is one way of failing, and what it may cost.

mod aimed;
mod clocks;
mod executors;
mod flood;
mod keys;
mod mixed;
mod postgres;
mod redis;
mod schedulers;
pub mod upgrade;
mod users;

use futures_util::future::LocalBoxFuture;
use std::time::Duration;

use crate::{
    cluster::{Layout, Role, Whom},
    record::Attempt,
    report::{Bound, Figure, Verdict},
    run::{Lateness, Outcome, Run, Setup},
};

/// What was asked for at the command line.
#[derive(Clone, Debug)]
pub struct Ask {
    pub seed: u64,
    /// In place of the scenario's own time.
    pub seconds: Option<u64>,
    /// A defect to be found: only debug builds have it.
    pub mutant: Option<String>,
}

impl Ask {
    fn time(&self, seconds: u64) -> Duration {
        Duration::from_secs(self.seconds.unwrap_or(seconds))
    }

    fn setup(&self) -> Setup {
        let mut setup = Setup { mutant: self.mutant.clone(), ..Setup::new(self.seed) };
        if let Some(mutant) = &self.mutant {
            for role in [Role::Api, Role::Scheduler, Role::Executor] {
                setup.layout.environment.push((Whom::All(role), "TRIGRUN_FAILPOINT".into(), mutant.clone()));
            }
        }
        setup
    }
}

pub struct Scenario {
    pub name: &'static str,
    pub about: &'static str,
    /// Faults of all kinds, rather than one to be measured.
    pub is_mixed: bool,
    pub play: fn(Ask) -> LocalBoxFuture<'static, anyhow::Result<Verdict>>,
}

macro_rules! scenarios {
    ($($name:literal $about:literal $play:path;)*) => {
        pub const ALL: &[Scenario] = &[$(Scenario {
            name: $name,
            about: $about,
            is_mixed: matches!($name.as_bytes(), b"chaos" | b"soak"),
            play: |ask| Box::pin($play($name, ask)),
        }),*];
    };
}

scenarios! {
    "chaos" "everything at once, in an order that the seed fixes" mixed::chaos;
    "soak" "half an hour of chaos under 600 fires a second" mixed::soak;
    "scheduler-killed" "one scheduler after the other, kill -9" schedulers::killed;
    "schedulers-gone" "all schedulers, kill -9, across the turn of a minute" schedulers::gone;
    "schedulers-away" "no scheduler for five minutes, with each misfire policy" schedulers::away;
    "executor-killed" "executors with slow targets, kill -9" executors::killed;
    "executor-stopped" "SIGSTOP for longer than a session lives" executors::stopped;
    "answer-unrecorded" "killed after the target has answered and before that is recorded" executors::unrecorded;
    "rolling" "SIGTERM to every process in turn, under load" executors::rolling;
    "keys-rotated" "the master key is rotated in four steps while jobs use secrets" keys::rotated;
    "redis-wiped" "FLUSHALL three times a second" redis::wiped;
    "redis-lost" "Redis is killed for a minute and comes back empty" redis::lost;
    "redis-silent" "Redis accepts and never answers" redis::silent;
    "redis-garbled" "XTRIM, XGROUP DESTROY, entries that mean nothing" redis::garbled;
    "postgres-crashed" "Postgres is stopped at once and started again, every few seconds" postgres::crashed;
    "postgres-frozen" "Postgres stands still for 30 s" postgres::frozen;
    "backends-ended" "connections to Postgres are ended at random" postgres::backends_ended;
    "disk-full" "Postgres can write nothing for a while" postgres::disk_full;
    "users-hurried" "users who hang up at a random byte" users::hurried;
    "race" "patch, pause, resume, cancel, run and delete race the fires of a job" users::race;
    "crowd" "one workspace has 100,000 runs due at once, beside nine quiet ones" flood::crowd;
    "targets-deaf" "10,000 targets that never answer" flood::deaf;
    "clocks" "wall clocks of a scheduler, of an executor and of Postgres are stepped by an hour" clocks::stepped;
}

/// What each mutant has to fail one of. Short, without chance, and aimed at each.
pub const DISPATCHES: Scenario = Scenario {
    name: "dispatches",
    about: "what is planned, announced and lost",
    is_mixed: true,
    play: |ask| Box::pin(aimed::dispatches("dispatches", ask)),
};
pub const SESSIONS: Scenario = Scenario {
    name: "sessions",
    about: "what is held, sent and answered",
    is_mixed: true,
    play: |ask| Box::pin(aimed::sessions("sessions", ask)),
};

/// Starts a run, does something to it, and looks at what came of it.
async fn play<T>(
    name: &str,
    setup: Setup,
    act: impl AsyncFnOnce(&mut Run) -> anyhow::Result<T>,
) -> anyhow::Result<(T, Outcome)> {
    let mut run = Run::begin(name, setup).await?;
    run.settle().await?;
    run.say("under way");
    let acted = act(&mut run).await?;
    Ok((acted, run.finish().await?))
}

/// A stretch of the run's time.
#[derive(Clone, Copy)]
struct Span {
    from: Duration,
    to: Duration,
}

impl Run {
    /// Nothing is done for that long: what the machine can do in peace.
    async fn peace(&self, time: Duration) -> Span {
        let from = self.clock.elapsed();
        self.pass(time).await;
        Span { from, to: self.clock.elapsed() }
    }
}

impl Outcome {
    fn late(&self, span: Span) -> Lateness {
        self.lateness(span.from, span.to)
    }

    /// What the faults of `span` added to the lateness of `peace`.
    fn added(&self, peace: Span, span: Span, p99_ms: f64) -> Vec<Figure> {
        let (before, after) = (self.late(peace), self.late(span));
        vec![
            Figure::new("fires that were looked at", after.count as f64, "", Bound::AtLeast(100.0)),
            Figure::new("lateness in peace, median", before.median, "ms", Bound::None),
            Figure::new("lateness in peace, p99", before.p99, "ms", Bound::None),
            Figure::new("lateness, median", after.median, "ms", Bound::None),
            Figure::new(
                "added to the lateness, p99",
                (after.p99 - before.p99).max(0.0),
                "ms",
                Bound::AtMost(p99_ms),
            ),
            Figure::new("lateness, worst", after.worst, "ms", Bound::None),
        ]
    }

    /// Attempts whose executor was lost; those that a user cancelled are none of them.
    fn interrupted(&self) -> usize {
        let lost = |attempt: &&Attempt| attempt.error_class.as_deref() == Some("executor_lost");
        self.record.attempts.values().filter(lost).count()
    }
}

impl Layout {
    fn with(mut self, whom: Whom, name: &str, value: impl Into<String>) -> Self {
        self.environment.push((whom, name.to_owned(), value.into()));
        self
    }
}
