//! A fresh temporary directory for one run of the servers, in memory when there is room.

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
use crate::leftover::{self, Marks};
use crate::place::{LOCK, temporary_root};

const PREFIX: &str = "trigrun-scratch-";
const MEMORY: &str = "/dev/shm";
const MEMORY_FREE_BYTES: u64 = 1024 * 1024 * 1024;
/// Younger directories may be between their creation and their lock.
const ABANDONED_AFTER: Duration = Duration::from_secs(60);

/// Program, directory and orderly signal of what may still run there.
const SERVERS: [(&str, &str, Signal); 3] = [
    ("postgres", "postgres", Signal::SIGINT),
    ("redis-server", "redis", Signal::SIGTERM),
    ("valkey-server", "redis", Signal::SIGTERM),
];

/// A directory that is removed on drop. Stop the servers in it first.
#[derive(Debug)]
pub struct Scratch {
    path: PathBuf,
}

impl Scratch {
    /// Creates it in /dev/shm when that is writable and has more than 1 GiB free, else in the system's temporary
    /// directory. Removes those of killed runs first.
    ///
    /// # Errors
    /// When the directory cannot be created.
    pub async fn create() -> Result<Scratch, EmbedError> {
        let memory = Path::new(MEMORY);
        if statvfs(memory).is_ok_and(|it| it.blocks_available() * it.fragment_size() > MEMORY_FREE_BYTES)
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
        // For the unprivileged user of the servers; what is inside is private.
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

/// Removes the directories whose process was killed: their lock is free.
async fn purge(root: &Path) {
    for entry in fs::read_dir(root).into_iter().flatten().flatten() {
        let is_ours = entry.file_name().to_string_lossy().starts_with(PREFIX);
        if !is_ours || !entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            continue;
        }
        let path = entry.path();
        if let Some(_lock) = abandoned(&path) {
            for (program, data, orderly) in SERVERS {
                let marks =
                    Marks { program: program.to_owned(), data: path.join(data), argument: path.clone() };
                let _ = leftover::end(&marks, orderly).await;
            }
            let _ = fs::remove_dir_all(&path);
        }
    }
}

fn abandoned(path: &Path) -> Option<File> {
    let lock = File::options().append(true).open(path.join(LOCK)).ok()?;
    let age = lock.metadata().ok()?.modified().ok()?.elapsed().ok()?;
    (age > ABANDONED_AFTER && lock.try_lock().is_ok()).then_some(lock)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(root: &Path, name: &str, age: Duration) -> io::Result<File> {
        fs::create_dir(root.join(name))?;
        let lock = File::create(root.join(name).join(LOCK))?;
        lock.set_modified(lock.metadata()?.modified()? - age)?;
        Ok(lock)
    }

    #[tokio::test]
    async fn only_abandoned_directories_are_removed() -> io::Result<()> {
        let root = Scratch::create_in(&std::env::temp_dir()).await?;
        let hour = Duration::from_secs(3600);
        let held = put(root.path(), "trigrun-scratch-held", hour)?;
        held.try_lock()?;
        put(root.path(), "trigrun-scratch-abandoned", hour)?;
        put(root.path(), "trigrun-scratch-young", Duration::ZERO)?;
        put(root.path(), "somebody-else", hour)?;
        purge(root.path()).await;
        let mut left: Vec<_> = fs::read_dir(root.path())?.flatten().map(|entry| entry.file_name()).collect();
        left.sort();
        assert_eq!(left, ["somebody-else", "trigrun-scratch-held", "trigrun-scratch-young"]);
        Ok(())
    }
}
