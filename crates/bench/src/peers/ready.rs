//! Prerequisites of the peers: their packages from npm, and the build of the one in Rust.

use anyhow::{Context, ensure};
use std::{fs, path::Path, time::SystemTime};
use tokio::process::Command;

use super::peer;

pub async fn ready() -> anyhow::Result<()> {
    let (sources, node) = (peer::sources(), peer::node());
    copy_files(&sources, &node)?;
    // npm writes this file last.
    let installed = node.join("node_modules/.package-lock.json");
    if is_outdated(&installed, &[sources.join("package-lock.json")]) {
        let mut npm = Command::new("npm");
        run(npm.args(["ci", "--no-audit", "--no-fund"]).current_dir(&node)).await?;
    }
    let rust = sources.join("graphile-rs");
    let sources = ["Cargo.lock", "Cargo.toml", "src/fire.rs", "src/main.rs", "src/settings.rs"];
    if is_outdated(&peer::built(), &sources.map(|source| rust.join(source))) {
        let mut cargo = Command::new("cargo");
        cargo.args(["build", "--release", "--locked", "--manifest-path"]).arg(rust.join("Cargo.toml"));
        run(cargo.arg("--target-dir").arg(peer::target())).await?;
    }
    Ok(())
}

/// The files of a directory, without those of its directories. Packages are found next to the programs that import them.
fn copy_files(from: &Path, to: &Path) -> anyhow::Result<()> {
    fs::create_dir_all(to).with_context(|| to.display().to_string())?;
    for entry in fs::read_dir(from).with_context(|| from.display().to_string())? {
        let entry = entry?;
        if entry.file_type()?.is_file() {
            fs::copy(entry.path(), to.join(entry.file_name()))?;
        }
    }
    Ok(())
}

/// Whether `made` is missing, or older than one of its sources.
fn is_outdated(made: &Path, of: &[impl AsRef<Path>]) -> bool {
    let Some(made) = changed(made) else { return true };
    of.iter().any(|source| changed(source.as_ref()).is_none_or(|source| source > made))
}

fn changed(path: &Path) -> Option<SystemTime> {
    fs::metadata(path).ok()?.modified().ok()
}

async fn run(command: &mut Command) -> anyhow::Result<()> {
    let name = command.as_std().get_program().to_string_lossy().into_owned();
    let status = command.status().await.with_context(|| format!("cannot run {name}"))?;
    ensure!(status.success(), "{name} ended with {status}");
    Ok(())
}
