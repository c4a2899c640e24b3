//! The output of `run`: tables of medians, report.json, report.svg.

use anyhow::Context;
use serde_json::json;
use std::{fs, path::Path};

mod machine;
pub mod plot;
pub mod tables;

pub use machine::Machine;

use crate::{
    measured::{Created, Measured, Page},
    series::Series,
    servers::Servers,
};

pub struct Report {
    pub machine: Machine,
    /// Of the product and of the prototype.
    pub loads: Series<Measured>,
    /// Per second.
    pub ceilings: Series<f64>,
    pub created: Series<Created>,
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
            created: Series::default(),
            pages: Series::default(),
            failed: Vec::new(),
        })
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
            "created": self.created.json()?,
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
