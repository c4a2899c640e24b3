//! Builds of the product: directories with its binaries.

use anyhow::{Context, ensure};
use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
};
use trigrun_core::{store::PostgresSettings, stream::RedisSettings};
use trigrun_testkit::process::{Role, configure};

/// A directory with the binaries of the product.
#[derive(Clone, Debug)]
pub struct Build {
    /// Also part of the names of databases.
    pub name: &'static str,
    pub dir: PathBuf,
}

impl Build {
    /// The binaries that were built with this program.
    pub fn this() -> anyhow::Result<Self> {
        let program = std::env::current_exe()?;
        Self::new("this", program.parent().context("a program lies in a directory")?)
    }

    /// Fails if a binary is missing.
    pub fn new(name: &'static str, dir: &Path) -> anyhow::Result<Self> {
        let build = Self { name, dir: std::path::absolute(dir)? };
        for program in Role::ALL.map(|role| build.program(role)) {
            ensure!(program.exists(), "{} is missing: build all processes first", program.display());
        }
        Ok(build)
    }

    fn program(&self, role: Role) -> PathBuf {
        self.dir.join(format!("trigrun-{role}"))
    }

    /// Runs a command of its `trigrun-api` on these servers, and returns the output.
    pub async fn operate(
        &self,
        postgres: &PostgresSettings,
        redis: &RedisSettings,
        arguments: &[&str],
    ) -> anyhow::Result<String> {
        let mut command = Command::new(self.program(Role::Api));
        configure(&mut command, Role::Api, postgres, redis);
        command.args(arguments).stdin(Stdio::null());
        let output = tokio::process::Command::from(command).kill_on_drop(true).output().await?;
        let errors = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "{arguments:?} ended with {}: {}", output.status, errors.trim());
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    }
}
