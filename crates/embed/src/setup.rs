//! `setup` of the binary: says what is found, installs what is missing. It never starts a system server.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, bail};
use nix::unistd::geteuid;
use tokio::process::Command;
use trigrun_embed::{EmbedError, Programs};

use crate::exec::Signals;

/// Read through include_dir in createcluster.conf (pg_createcluster(1)).
const NO_CLUSTER: &str = "/etc/postgresql-common/createcluster.d/trigrun-embed.conf";
/// invoke-rc.d asks it before it starts anything; 101 means "forbidden" (invoke-rc.d(8)).
const POLICY: &str = "/usr/sbin/policy-rc.d";

pub async fn setup() -> anyhow::Result<ExitCode> {
    let packages = match Programs::find() {
        Ok(programs) => {
            report(&programs);
            println!("nothing to install");
            return Ok(ExitCode::SUCCESS);
        }
        Err(EmbedError::Missing { missing, packages }) => {
            println!("missing: {}", missing.join(", "));
            packages
        }
        Err(error) => return Err(error.into()),
    };
    let has_apt = Path::new("/usr/bin/apt-get").exists();
    if has_apt && geteuid().is_root() {
        install(&packages).await?;
        report(&Programs::find()?);
        return Ok(ExitCode::SUCCESS);
    }
    if has_apt
        && Command::new("sudo").args(["-n", "true"]).status().await.is_ok_and(|status| status.success())
    {
        return again_as_root().await;
    }
    println!("Install PostgreSQL (initdb and postgres) and Redis or Valkey, then try again.");
    println!("Debian and Ubuntu: apt-get install -y --no-install-recommends {}", packages.join(" "));
    println!(
        "No system server needs to run. Programs in an unusual directory: set TRIGRUN_PROGRAMS=DIR[:DIR]."
    );
    Ok(ExitCode::FAILURE)
}

fn report(programs: &Programs) {
    for path in [&programs.initdb, &programs.postgres, &programs.redis_server] {
        println!("found: {}", path.display());
    }
}

async fn again_as_root() -> anyhow::Result<ExitCode> {
    let program = std::env::current_exe().context("where is this program?")?;
    let status = Command::new("sudo").arg("-n").arg(program).arg("setup").status().await.context("sudo")?;
    Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn install(packages: &[&str]) -> anyhow::Result<()> {
    // A signal then ends apt-get, not us, and the files below are removed.
    let _signals = Signals::listen()?;
    let _policy =
        Temporary::create(POLICY, "#!/bin/sh\n# Of `trigrun-embed setup`; may be removed.\nexit 101\n")?;
    let _no_cluster = match packages.contains(&"postgresql") {
        true => Some(Temporary::create(NO_CLUSTER, "create_main_cluster = false\n")?),
        false => None,
    };
    apt_get(&["update"]).await?;
    apt_get(&[&["install", "-y", "--no-install-recommends"], packages].concat()).await?;
    if packages.contains(&"redis-server") {
        // The package would start it at the next boot.
        run(Command::new("update-rc.d").args(["redis-server", "disable"])).await?;
        println!("the system's redis-server is installed, but not enabled");
    }
    Ok(())
}

async fn apt_get(arguments: &[&str]) -> anyhow::Result<()> {
    println!("apt-get {}", arguments.join(" "));
    run(Command::new("apt-get").args(arguments).env("DEBIAN_FRONTEND", "noninteractive")).await
}

async fn run(command: &mut Command) -> anyhow::Result<()> {
    let status = command.status().await.with_context(|| format!("cannot run {command:?}"))?;
    if !status.success() {
        bail!("{command:?} ended with {status}");
    }
    Ok(())
}

/// A file that was not there before and is removed on drop. One that was there stays as it is.
struct Temporary(Option<PathBuf>);

impl Temporary {
    fn create(path: &str, text: &str) -> anyhow::Result<Temporary> {
        let path = PathBuf::from(path);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).with_context(|| format!("cannot create {}", parent.display()))?;
        }
        match fs::OpenOptions::new().write(true).create_new(true).mode(0o755).open(&path) {
            Ok(mut file) => {
                let created = Temporary(Some(path));
                file.write_all(text.as_bytes())?;
                Ok(created)
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(Temporary(None)),
            Err(error) => Err(error).with_context(|| format!("cannot create {}", path.display())),
        }
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if let Some(path) = &self.0 {
            let _ = fs::remove_file(path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_temporary_file_goes_and_an_older_one_stays() -> anyhow::Result<()> {
        let dir = std::env::temp_dir().join(format!("trigrun-embed-setup-{}", std::process::id()));
        let path = dir.join("policy");
        let name = path.to_str().context("a UTF-8 path")?;
        let created = Temporary::create(name, "exit 101")?;
        drop(Temporary::create(name, "other")?);
        assert_eq!(fs::read_to_string(&path)?, "exit 101");
        drop(created);
        assert!(!path.exists());
        fs::remove_dir(&dir)?;
        Ok(())
    }
}
