//! A wall clock that can be set for single processes (libfaketime).

use anyhow::{Context, bail};
use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Command,
};

/// In a directory named after the architecture.
const FAKETIME: &str = "faketime/libfaketimeMT.so.1";
/// Between the two calls of `date`.
const MAX_DEVIATION_SECONDS: i64 = 2;

/// The wall clock of the processes started with its environment. Their monotonic clock is not changed.
#[derive(Clone)]
pub struct ClockFile {
    path: PathBuf,
    library: PathBuf,
}

impl ClockFile {
    pub fn create(path: PathBuf) -> anyhow::Result<Self> {
        let architectures = fs::read_dir("/usr/lib")?.flatten();
        let library = architectures
            .map(|architecture| architecture.path().join(FAKETIME))
            .find(|library| library.exists());
        let library = library.context("libfaketime is missing: apt-get install faketime")?;
        let clock = Self { path, library };
        clock.step(0)?;
        Ok(clock)
    }

    /// Sets the clock this many seconds off the true time.
    pub fn step(&self, seconds: i64) -> anyhow::Result<()> {
        let new = self.path.with_extension("new");
        fs::write(&new, format!("{seconds:+}\n"))?;
        fs::set_permissions(&new, fs::Permissions::from_mode(0o644))?;
        fs::rename(&new, &self.path)?;
        Ok(())
    }

    pub fn environment(&self) -> Vec<(String, String)> {
        let file = self.path.display().to_string();
        [
            ("LD_PRELOAD", self.library.display().to_string()),
            ("FAKETIME_TIMESTAMP_FILE", file),
            ("FAKETIME_NO_CACHE", "1".to_owned()),
            ("FAKETIME_DONT_FAKE_MONOTONIC", "1".to_owned()),
            ("DONT_FAKE_MONOTONIC", "1".to_owned()),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .to_vec()
    }

    /// Whether this process has loaded libfaketime, and `date` with the same environment is `seconds` off.
    pub fn is_in_effect(&self, pid: u32, seconds: i64) -> anyhow::Result<bool> {
        let maps = fs::read_to_string(format!("/proc/{pid}/maps"))?;
        let date = Command::new("date").arg("+%s").envs(self.environment()).output()?;
        let true_date = Command::new("date").arg("+%s").output()?;
        let [fake, real] =
            [date, true_date].map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
        let offset = fake.trim().parse::<i64>()? - real.trim().parse::<i64>()?;
        Ok(maps.contains("libfaketime") && (offset - seconds).abs() <= MAX_DEVIATION_SECONDS)
    }

    /// A program of the same name in `dir` that runs `program` with this clock.
    pub fn wrap(&self, program: &Path, dir: &Path) -> anyhow::Result<PathBuf> {
        let Some(name) = program.file_name() else { bail!("{} has no name", program.display()) };
        let wrapper = dir.join("wrapped").join(name);
        fs::create_dir_all(dir.join("wrapped"))?;
        let exports: String =
            self.environment().iter().map(|(name, value)| format!("export {name}='{value}'\n")).collect();
        fs::write(&wrapper, format!("#!/bin/sh\n{exports}exec '{}' \"$@\"\n", program.display()))?;
        fs::set_permissions(&wrapper, fs::Permissions::from_mode(0o755))?;
        Ok(wrapper)
    }
}
