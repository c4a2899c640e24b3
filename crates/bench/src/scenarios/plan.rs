//! The order of the measurements: the limits of the machine between the loads, the prototype after the product.

use clap::Args;

use super::{
    EndToEnd, Load, Mode,
    create::{BATCH_JOBS, Creation, Kind as JobKind},
};
use crate::series::of_prototype;

/// The partitions of a new installation: today, the following week, and the default one.
const FUTURE_PARTITIONS: u64 = 9;
/// How often each job fires in a load whose jobs fire again.
const FIRES_PER_JOB: i64 = 5;

/// What to measure, and how long.
#[derive(Args)]
pub struct PlanArguments {
    /// Fewer and shorter loads; once, they take five minutes
    #[arg(long)]
    pub quick: bool,
    /// Only measurements whose name contains this
    #[arg(long)]
    only: Option<String>,
    /// Past days with partitions: 30 gives the 39 partitions of an installation with the default retention, 0 the 9 of a new one
    #[arg(long, default_value_t = PAST_DAYS)]
    days: u64,
    /// The number of jobs of the idle installation
    #[arg(long, default_value_t = 100_000)]
    jobs: i64,
}

/// As many as an installation has that keeps its executions for thirty days.
pub const PAST_DAYS: u64 = 30;

pub struct Measurement {
    pub name: String,
    /// Past days with partitions.
    pub days: u64,
    pub kind: Kind,
}

pub enum Kind {
    /// The product; with `pages`, then the lists of its executions and jobs.
    Load {
        load: Load,
        pages: bool,
    },
    Prototype(Load),
    Create(Creation),
    EndToEnd(EndToEnd),
    Idle {
        jobs: i64,
    },
    StreamCycle,
    Insert,
    Http {
        seconds: f64,
    },
}

impl Kind {
    /// Whether it measures the product, and not the machine or the prototype.
    pub fn is_of_product(&self) -> bool {
        matches!(self, Self::Load { .. } | Self::Create(_) | Self::EndToEnd(_) | Self::Idle { .. })
    }
}

/// All measurements, or the quick ones.
pub fn plan(arguments: &PlanArguments) -> Vec<Measurement> {
    let mut plan = all(arguments);
    if let Some(only) = &arguments.only {
        plan.retain(|measurement| measurement.name.contains(only.as_str()));
    }
    plan
}

fn all(arguments: &PlanArguments) -> Vec<Measurement> {
    let &PlanArguments { quick, days, jobs, .. } = arguments;
    let mut plan = Plan { measurements: Vec::new(), days };
    let seconds = if quick { 5 } else { 20 };
    let steady = |per_second| load(per_second * seconds, 1, Mode::Steady { per_second });
    plan.add("HTTP client", Kind::Http { seconds: 2.0 });
    plan.both(load(20_000, 1, Mode::Backlog));
    plan.product(repeated(load(20_000, 1, Mode::Backlog)), false);
    plan.add("stream cycle", Kind::StreamCycle);
    plan.product(load(20_000, 1, Mode::Burst), quick);
    plan.add("batched insert", Kind::Insert);
    plan.both(steady(200));
    plan.product(steady(2000), false);
    plan.product(repeated(steady(2000)), false);
    plan.without_past_days(steady(200));
    plan.without_past_days(steady(2000));
    plan.product(with_snapshot(load(2000 * seconds * 3, 1, Mode::Steady { per_second: 2000 })), false);
    plan.add(&format!("idle, {} jobs", thousands(jobs)), Kind::Idle { jobs });
    plan.creations(if quick { 3 } else { 10 });
    plan.add("one_time jobs, 7/s", Kind::EndToEnd(EndToEnd { per_second: 7, seconds }));
    plan.add("one_time jobs, 1,000/s", Kind::EndToEnd(EndToEnd { per_second: 1000, seconds }));
    if !quick {
        plan.product(load(100_000, 1, Mode::Backlog), false);
        plan.product(load(100_000, 64, Mode::Backlog), false);
        let burst = load(100_000, 1, Mode::Burst);
        plan.product(burst.clone(), true);
        plan.prototype(burst);
        plan.product(steady(5000), false);
    }
    plan.measurements
}

struct Plan {
    measurements: Vec<Measurement>,
    days: u64,
}

impl Plan {
    fn add(&mut self, name: &str, kind: Kind) {
        self.measurements.push(Measurement { name: name.to_owned(), days: self.days, kind });
    }

    fn product(&mut self, load: Load, pages: bool) {
        self.add(&load.name.clone(), Kind::Load { load, pages });
    }

    fn prototype(&mut self, load: Load) {
        self.add(&of_prototype(&load.name), Kind::Prototype(load));
    }

    fn both(&mut self, load: Load) {
        self.product(load.clone(), false);
        self.prototype(load);
    }

    /// The load with the partitions of a new installation, unless all are measured so.
    fn without_past_days(&mut self, load: Load) {
        if self.days > 0 {
            let load = Load { name: format!("{}, {FUTURE_PARTITIONS} partitions", load.name), ..load };
            let name = load.name.clone();
            self.measurements.push(Measurement { name, days: 0, kind: Kind::Load { load, pages: false } });
        }
    }

    fn creations(&mut self, seconds: u64) {
        for (kind, name) in [(JobKind::Recurring, "create jobs"), (JobKind::OneTime, "create one_time jobs")]
        {
            self.add(name, Kind::Create(Creation { kind, jobs_per_request: 1, seconds }));
            let jobs_per_request = BATCH_JOBS;
            let name = format!("{name}, {} per request", thousands(BATCH_JOBS as i64));
            self.add(&name, Kind::Create(Creation { kind, jobs_per_request, seconds }));
        }
    }
}

pub fn load(runs: i64, workspaces: i64, mode: Mode) -> Load {
    let of = if workspaces > 1 { format!(" of {workspaces} workspaces") } else { String::new() };
    let name = match mode {
        Mode::Backlog => format!("backlog {}{of}", thousands(runs)),
        Mode::Burst => format!("burst {}{of}", thousands(runs)),
        Mode::Steady { per_second } => format!("steady {}/s{of}", thousands(per_second)),
    };
    Load { name, runs, fires_per_job: 1, workspaces, mode, holds_snapshot: false }
}

/// As many runs of fewer jobs, so that executors can use what they know about a job.
fn repeated(load: Load) -> Load {
    let load = Load { fires_per_job: FIRES_PER_JOB, ..load };
    Load { name: format!("{} of {} jobs", load.name, thousands(load.jobs())), ..load }
}

fn with_snapshot(load: Load) -> Load {
    Load { name: format!("{}, snapshot held", load.name), holds_snapshot: true, ..load }
}

fn thousands(number: i64) -> String {
    match number {
        ..1000 => number.to_string(),
        _ => format!("{},{:03}", thousands(number / 1000), number % 1000),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(arguments: &PlanArguments) -> Vec<String> {
        plan(arguments).into_iter().map(|measurement| measurement.name).collect()
    }

    fn arguments(quick: bool, days: u64) -> PlanArguments {
        PlanArguments { quick, only: None, days, jobs: 10 }
    }

    #[test]
    fn loads_have_readable_names() {
        assert_eq!(load(100_000, 64, Mode::Backlog).name, "backlog 100,000 of 64 workspaces");
        assert_eq!(load(1, 1, Mode::Steady { per_second: 200 }).name, "steady 200/s");
        assert_eq!(repeated(load(20_000, 1, Mode::Backlog)).name, "backlog 20,000 of 4,000 jobs");
        assert_eq!([2000, 10_000_000].map(thousands), ["2,000", "10,000,000"]);
    }

    #[test]
    fn names_are_unique() {
        let mut names = names(&arguments(false, PAST_DAYS));
        names.sort();
        assert!(names.windows(2).all(|pair| pair[0] != pair[1]), "{names:?}");
    }

    #[test]
    fn the_partitions_of_a_new_installation_are_measured_once() {
        let of_new =
            |days| names(&arguments(true, days)).iter().filter(|name| name.contains("partitions")).count();
        assert_eq!([PAST_DAYS, 0].map(of_new), [2, 0]);
    }

    #[test]
    fn each_load_of_the_prototype_is_measured_on_the_product() {
        let names = names(&arguments(true, PAST_DAYS));
        let compared = names.iter().filter_map(|name| name.strip_prefix(crate::series::PROTOTYPE));
        assert!(
            compared.clone().count() > 1 && compared.clone().all(|name| names.iter().any(|it| it == name))
        );
    }
}
