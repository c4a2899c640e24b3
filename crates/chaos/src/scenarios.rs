//! The scenarios. Each injects one kind of fault, and bounds what it may cost.

mod clocks;
mod executors;
mod flood;
mod holds;
mod keys;
mod mixed;
mod mutants;
mod postgres;
mod redis;
mod schedulers;
mod snapshots;
pub mod upgrade;
mod users;

use futures_util::future::LocalBoxFuture;
use std::time::Duration;

use crate::{
    cluster::{Role, Selector},
    record::Attempt,
    report::{Bound, Figure, Report},
    run::{Lateness, Outcome, Run, Setup},
};

/// The options of the command line.
#[derive(Clone, Debug)]
pub struct Options {
    pub seed: u64,
    /// Replaces the scenario's default.
    pub seconds: Option<u64>,
    /// A defect to be found; only builds with failpoints have it.
    pub mutant: Option<String>,
}

impl Options {
    fn duration(&self, default_seconds: u64) -> Duration {
        Duration::from_secs(self.seconds.unwrap_or(default_seconds))
    }

    fn setup(&self) -> Setup {
        let mut setup = Setup { mutant: self.mutant.clone(), ..Setup::new(self.seed) };
        if let Some(mutant) = &self.mutant {
            for role in Role::ALL {
                setup.layout = setup.layout.with(Selector::All(role), "TRIGRUN_FAILPOINT", mutant);
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
    pub run: fn(Options) -> LocalBoxFuture<'static, anyhow::Result<Report>>,
}

macro_rules! scenarios {
    ($($name:literal $about:literal $run:path;)*) => {
        pub const ALL: &[Scenario] = &[$(Scenario {
            name: $name,
            about: $about,
            is_mixed: matches!($name.as_bytes(), b"chaos" | b"soak"),
            run: |options| Box::pin($run($name, options)),
        }),*];
    };
}

scenarios! {
    "chaos" "all faults, in an order that the seed fixes" mixed::chaos;
    "soak" "half an hour of chaos under 600 fires a second" mixed::soak;
    "scheduler-killed" "kill -9 of one scheduler after the other" schedulers::killed;
    "schedulers-gone" "kill -9 of all schedulers at the turn of a minute" schedulers::gone;
    "schedulers-away" "no scheduler for five minutes, with each misfire policy" schedulers::away;
    "held" "an operator holds the installation while everything restarts and Redis is wiped" holds::held;
    "executor-killed" "kill -9 of executors with slow targets" executors::killed;
    "executor-stopped" "SIGSTOP for longer than a session lives" executors::stopped;
    "response-unrecorded" "kill -9 of executors after the response and before it is recorded" executors::unrecorded;
    "rolling" "SIGTERM to every process in turn" executors::rolling;
    "keys-rotated" "the master key is rotated in four steps while jobs use secrets" keys::rotated;
    "redis-wiped" "FLUSHALL three times a second" redis::wiped;
    "redis-lost" "Redis is down for a minute and comes back empty" redis::lost;
    "redis-unresponsive" "Redis accepts and never responds" redis::unresponsive;
    "redis-garbled" "XTRIM, XGROUP DESTROY, meaningless entries" redis::garbled;
    "postgres-crashed" "immediate shutdown and restart of Postgres, every few seconds" postgres::crashed;
    "postgres-frozen" "Postgres is frozen for 30 s" postgres::frozen;
    "backends-ended" "connections to Postgres are terminated at random" postgres::backends_ended;
    "disk-full" "Postgres's disk is full for a while" postgres::disk_full;
    "snapshot-held" "a transaction holds a snapshot while 30,000 runs end" snapshots::held;
    "users-hurried" "clients that disconnect at a random byte" users::hurried;
    "race" "patch, pause, resume, cancel, run and delete race the fires of a job" users::race;
    "crowd" "one workspace has 100,000 runs due at once, next to nine quiet ones" flood::crowd;
    "targets-deaf" "10,000 targets that never respond" flood::deaf;
    "clocks" "the wall clocks of a scheduler, an executor and Postgres are an hour off" clocks::stepped;
}

/// For mutants: short and deterministic.
pub const DISPATCHES: Scenario = Scenario {
    name: "dispatches",
    about: "faults between plan and lease",
    is_mixed: true,
    run: |options| Box::pin(mutants::dispatches("dispatches", options)),
};
pub const SESSIONS: Scenario = Scenario {
    name: "sessions",
    about: "faults between lease and result",
    is_mixed: true,
    run: |options| Box::pin(mutants::sessions("sessions", options)),
};

/// Starts a run, does something to it, and checks the invariants.
async fn run<T>(
    scenario: &str,
    setup: Setup,
    act: impl AsyncFnOnce(&mut Run) -> anyhow::Result<T>,
) -> anyhow::Result<(T, Outcome)> {
    let mut run = Run::start(scenario, setup).await?;
    run.settle().await?;
    run.log("the load runs");
    let acted = act(&mut run).await?;
    Ok((acted, run.finish().await?))
}

/// A part of the run's time.
#[derive(Clone, Copy)]
struct Phase {
    from: Duration,
    to: Duration,
}

impl Run {
    /// A phase without faults, to compare with.
    async fn baseline(&self, time: Duration) -> Phase {
        let from = self.clock.elapsed();
        self.wait(time).await;
        self.phase_since(from)
    }

    fn phase_since(&self, from: Duration) -> Phase {
        Phase { from, to: self.clock.elapsed() }
    }
}

impl Outcome {
    fn lateness_in(&self, phase: Phase) -> Lateness {
        self.lateness(phase.from, phase.to)
    }

    /// How much later fires were in the phase with faults than in the baseline.
    fn added_lateness(&self, baseline: Phase, faults: Phase, max_p99_ms: f64) -> Vec<Figure> {
        let (before, after) = (self.lateness_in(baseline), self.lateness_in(faults));
        vec![
            Figure::new("fires measured", after.count as f64, "", Bound::AtLeast(100.0)),
            Figure::new("baseline lateness, median", before.median, "ms", Bound::None),
            Figure::new("baseline lateness, p99", before.p99, "ms", Bound::None),
            Figure::new("lateness, median", after.median, "ms", Bound::None),
            Figure::new(
                "added lateness, p99",
                (after.p99 - before.p99).max(0.0),
                "ms",
                Bound::AtMost(max_p99_ms),
            ),
            Figure::new("lateness, worst", after.worst, "ms", Bound::None),
        ]
    }

    /// Attempts whose executor was lost; not those that a user cancelled.
    fn interrupted(&self) -> usize {
        let lost = |attempt: &&Attempt| attempt.error_class.as_deref() == Some("executor_lost");
        self.record.attempts.values().filter(lost).count()
    }
}
