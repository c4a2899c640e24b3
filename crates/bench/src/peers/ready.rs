//! What has to be there before peers can be measured: their packages from npm, and the build of the one in Rust.

use anyhow::{Context, ensure};
use std::{fs, path::Path, time::SystemTime};
use tokio::process::Command;

use super::peer;

pub async fn ready() -> anyhow::Result<()> {
    let directory = peer::directory();
    // npm writes it when it has installed everything.
    let installed = directory.join("node_modules/.package-lock.json");
    if is_older(&installed, &[directory.join("package-lock.json")]) {
        let mut npm = Command::new("npm");
        run(npm.args(["ci", "--no-audit", "--no-fund"]).current_dir(&directory)).await?;
    }
    let rust = directory.join("graphile-rs");
    let sources = ["Cargo.lock", "Cargo.toml", "src/fire.rs", "src/main.rs", "src/settings.rs"];
    if is_older(&peer::built(), &sources.map(|source| rust.join(source))) {
        let mut cargo = Command::new("cargo");
        cargo.args(["build", "--release", "--locked", "--manifest-path"]).arg(rust.join("Cargo.toml"));
        run(cargo.arg("--target-dir").arg(peer::target())).await?;
    }
    Ok(())
}

/// Whether it is missing, or was made before one of these was changed.
fn is_older(made: &Path, of: &[impl AsRef<Path>]) -> bool {
    let Some(made) = changed(made) else { return true };
    of.iter().any(|source| changed(source.as_ref()).is_none_or(|source| source > made))
}

fn changed(path: &Path) -> Option<SystemTime> {
    fs::metadata(path).ok()?.modified().ok()
}

async fn run(command: &mut Command) -> anyhow::Result<()> {
    let name = command.as_std().get_program().to_string_lossy().into_owned();
    let status = command.status().await.with_context(|| format!("{name} cannot be run"))?;
    ensure!(status.success(), "{name} ended with {status}");
    Ok(())
}
