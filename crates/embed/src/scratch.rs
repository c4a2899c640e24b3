//! A temporary directory for one run of the servers, in memory if there is enough.

use std::fs::{self, File, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::sys::signal::Signal;
use nix::sys::statvfs::statvfs;
use nix::unistd::mkdtemp;

use crate::EmbedError;
use crate::account::Account;
use crate::directories::{LOCK, temporary_root};
use crate::orphans::{self, ProcessMatch};

const PREFIX: &str = "trigrun-scratch-";
const MEMORY_ROOT: &str = "/dev/shm";
const MIN_FREE_MEMORY_BYTES: u64 = 1024 * 1024 * 1024;
/// A younger directory may have been created and not locked yet.
const MIN_ABANDONED_AGE: Duration = Duration::from_secs(60);

/// Program, directory and stop signal of the servers that may still run there.
const SERVERS: [(&str, &str, Signal); 3] = [
    ("postgres", "postgres", Signal::SIGINT),
    ("redis-server", "redis", Signal::SIGTERM),
    ("valkey-server", "redis", Signal::SIGTERM),
];

/// A directory that is removed on drop. Stop its servers first.
#[derive(Debug)]
pub struct Scratch {
    path: PathBuf,
}

impl Scratch {
    /// Creates it in /dev/shm if that is writable and has more than 1 GiB free, otherwise in the system's temporary
    /// directory. First removes the directories of killed runs.
    ///
    /// # Errors
    /// If the directory cannot be created.
    pub async fn create() -> Result<Scratch, EmbedError> {
        let memory = Path::new(MEMORY_ROOT);
        if statvfs(memory)
            .is_ok_and(|stat| stat.blocks_available() * stat.fragment_size() > MIN_FREE_MEMORY_BYTES)
            && let Ok(scratch) = Scratch::create_in(memory).await
        {
            return Ok(scratch);
        }
        let root = temporary_root(&Account::choose()?);
        Scratch::create_in(&root).await.map_err(EmbedError::io("create a directory in", &root))
    }

    async fn create_in(root: &Path) -> io::Result<Scratch> {
        purge(root).await;
        let path = mkdtemp(&root.join(format!("{PREFIX}XXXXXX")))?;
        let scratch = Scratch { path };
        // The unprivileged user of the servers must traverse it. Its subdirectories are private.
        fs::set_permissions(&scratch.path, Permissions::from_mode(0o711))?;
        Ok(scratch)
    }

    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.path);
    }
}

/// Removes the directories of killed processes: those whose lock is free.
async fn purge(root: &Path) {
    for entry in fs::read_dir(root).into_iter().flatten().flatten() {
        let is_ours = entry.file_name().to_string_lossy().starts_with(PREFIX);
        if !is_ours || !entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            continue;
        }
        let path = entry.path();
        if let Some(_lock) = abandoned(&path) {
            for (program, data, stop_signal) in SERVERS {
                let matching = ProcessMatch {
                    program: program.to_owned(),
                    data: path.join(data),
                    argument: path.clone(),
                };
                let _ = orphans::end(&matching, stop_signal).await;
            }
            let _ = fs::remove_dir_all(&path);
        }
    }
}

fn abandoned(path: &Path) -> Option<File> {
    let lock = File::options().append(true).open(path.join(LOCK)).ok()?;
    let age = lock.metadata().ok()?.modified().ok()?.elapsed().ok()?;
    (age > MIN_ABANDONED_AGE && lock.try_lock().is_ok()).then_some(lock)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn create_locked(root: &Path, name: &str, age: Duration) -> io::Result<File> {
        fs::create_dir(root.join(name))?;
        let lock = File::create(root.join(name).join(LOCK))?;
        lock.set_modified(lock.metadata()?.modified()? - age)?;
        Ok(lock)
    }

    #[tokio::test]
    async fn only_abandoned_directories_are_removed() -> io::Result<()> {
        let root = Scratch::create_in(&std::env::temp_dir()).await?;
        let hour = Duration::from_secs(3600);
        let held = create_locked(root.path(), "trigrun-scratch-held", hour)?;
        held.try_lock()?;
        create_locked(root.path(), "trigrun-scratch-abandoned", hour)?;
        create_locked(root.path(), "trigrun-scratch-young", Duration::ZERO)?;
        create_locked(root.path(), "of-another-program", hour)?;
        purge(root.path()).await;
        let mut remaining: Vec<_> =
            fs::read_dir(root.path())?.flatten().map(|entry| entry.file_name()).collect();
        remaining.sort();
        assert_eq!(remaining, ["of-another-program", "trigrun-scratch-held", "trigrun-scratch-young"]);
        Ok(())
    }
}
