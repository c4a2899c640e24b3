//! The output of `run`: tables of medians, report.json, report.svg.

use anyhow::Context;
use serde_json::json;
use std::{collections::BTreeSet, fs, path::Path};

mod machine;
pub mod plot;
pub mod tables;

pub use machine::Machine;

use crate::{
    measured::{Created, Idle, Measured, Outcome, Page},
    series::Series,
    servers::Servers,
};

pub struct Report {
    pub machine: Machine,
    /// Of the product and of the prototype.
    pub loads: Series<Measured>,
    /// Per second.
    pub ceilings: Series<f64>,
    /// From the creation of `one_time` jobs.
    pub end_to_end: Series<Measured>,
    pub idle: Series<Idle>,
    pub created: Series<Created>,
    /// Operations that the build does not have.
    pub not_available: BTreeSet<String>,
    pub pages: Series<Page>,
    /// Measurements that failed, and why.
    pub failed: Vec<String>,
}

impl Report {
    pub async fn new(servers: &Servers) -> anyhow::Result<Self> {
        Ok(Self {
            machine: Machine::this(servers).await?,
            loads: Series::default(),
            ceilings: Series::default(),
            end_to_end: Series::default(),
            idle: Series::default(),
            created: Series::default(),
            not_available: BTreeSet::new(),
            pages: Series::default(),
            failed: Vec::new(),
        })
    }

    pub fn add(&mut self, name: &str, outcome: Outcome) {
        match outcome {
            Outcome::Load { measured, pages } => {
                self.loads.add(name, measured);
                for page in pages {
                    self.pages.add(&page.list.clone(), page);
                }
            }
            Outcome::EndToEnd(measured) => self.end_to_end.add(name, measured),
            Outcome::Created(created) => self.created.add(name, created),
            Outcome::Idle(idle) => self.idle.add(name, idle),
            Outcome::NotAvailable => drop(self.not_available.insert(name.to_owned())),
            Outcome::PerSecond(rate) => self.ceilings.add(name, rate),
        }
    }

    pub fn print(&self) {
        println!("{}", self.machine);
        for table in tables::all(self) {
            println!("{table}");
        }
        for failed in &self.failed {
            println!("FAILED: {failed}");
        }
    }

    /// Into this directory.
    pub fn write(&self, dir: &Path) -> anyhow::Result<()> {
        let report = json!({
            "machine": self.machine,
            "loads": self.loads.json()?,
            "ceilings": self.ceilings.json()?,
            "end_to_end": self.end_to_end.json()?,
            "idle": self.idle.json()?,
            "created": self.created.json()?,
            "not_available": self.not_available,
            "pages": self.pages.json()?,
            "failed": self.failed,
        });
        write(&dir.join("report.json"), &serde_json::to_string_pretty(&report)?)?;
        match plot::plot(&self.loads)? {
            Some(svg) => write(&dir.join("report.svg"), &svg),
            None => Ok(()),
        }
    }
}

pub fn write(path: &Path, text: &str) -> anyhow::Result<()> {
    fs::create_dir_all(path.parent().context("a path without a directory")?)?;
    fs::write(path, text).with_context(|| path.display().to_string())?;
    println!("{}", path.display());
    Ok(())
}
