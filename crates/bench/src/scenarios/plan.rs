//! The order of the measurements: the limits of the machine between the loads, the prototype after the product.

use super::{Load, Mode};
use crate::series::of_prototype;

pub struct Measurement {
    pub name: String,
    pub kind: Kind,
}

pub enum Kind {
    /// The product; with `pages`, then the lists of its executions and jobs.
    Load {
        load: Load,
        pages: bool,
    },
    Prototype(Load),
    Create {
        seconds: u64,
    },
    StreamCycle,
    Insert,
    Http {
        seconds: f64,
    },
}

/// All measurements, or those for two minutes.
pub fn plan(quick: bool) -> Vec<Measurement> {
    let mut plan = Plan::default();
    let seconds = if quick { 5 } else { 20 };
    let steady = |per_second| load(per_second * seconds, 1, Mode::Steady { per_second });
    plan.add("HTTP client", Kind::Http { seconds: 2.0 });
    plan.both(load(20_000, 1, Mode::Backlog));
    plan.add("stream cycle", Kind::StreamCycle);
    plan.product(load(20_000, 1, Mode::Burst), quick);
    plan.add("batched insert", Kind::Insert);
    plan.both(steady(200));
    plan.product(steady(2000), false);
    plan.add("create jobs", Kind::Create { seconds: if quick { 3 } else { 10 } });
    if !quick {
        plan.product(load(100_000, 1, Mode::Backlog), false);
        plan.product(load(100_000, 64, Mode::Backlog), false);
        let burst = load(100_000, 1, Mode::Burst);
        plan.product(burst.clone(), true);
        plan.prototype(burst);
        plan.product(steady(5000), false);
    }
    plan.0
}

#[derive(Default)]
struct Plan(Vec<Measurement>);

impl Plan {
    fn add(&mut self, name: &str, kind: Kind) {
        self.0.push(Measurement { name: name.to_owned(), kind });
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
}

pub fn load(jobs: i64, workspaces: i64, mode: Mode) -> Load {
    let of = if workspaces > 1 { format!(" of {workspaces} workspaces") } else { String::new() };
    let name = match mode {
        Mode::Backlog => format!("backlog {}{of}", thousands(jobs)),
        Mode::Burst => format!("burst {}{of}", thousands(jobs)),
        Mode::Steady { per_second } => format!("steady {}/s{of}", thousands(per_second)),
    };
    Load { name, jobs, workspaces, mode }
}

fn thousands(number: i64) -> String {
    if number < 1000 { number.to_string() } else { format!("{},{:03}", number / 1000, number % 1000) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loads_have_readable_names() {
        assert_eq!(load(100_000, 64, Mode::Backlog).name, "backlog 100,000 of 64 workspaces");
        assert_eq!(load(1, 1, Mode::Steady { per_second: 200 }).name, "steady 200/s");
        assert_eq!(thousands(2000), "2,000");
    }

    #[test]
    fn each_load_of_the_prototype_is_measured_on_the_product() {
        let names: Vec<_> = plan(true).into_iter().map(|measurement| measurement.name).collect();
        let compared = names.iter().filter_map(|name| name.strip_prefix(crate::series::PROTOTYPE));
        assert!(
            compared.clone().count() > 1 && compared.clone().all(|name| names.iter().any(|it| it == name))
        );
    }
}
