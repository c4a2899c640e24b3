//! Finds the server programs on this machine. Starts and installs nothing; setup.sh looks in the same directories.

use std::env;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::EmbedError;

const DEBIAN: &str = "/usr/lib/postgresql";

/// Where the server programs are.
#[derive(Debug, Clone)]
pub struct Programs {
    pub initdb: PathBuf,
    pub postgres: PathBuf,
    /// valkey-server or redis-server.
    pub redis_server: PathBuf,
}

impl Programs {
    /// Looks in the directories of `TRIGRUN_PROGRAMS` (separated like PATH), in Debian's versioned directories
    /// (newest first) and in PATH.
    ///
    /// # Errors
    /// [`EmbedError::Missing`] lists all missing programs and says how to install them.
    pub fn find() -> Result<Programs, EmbedError> {
        Programs::find_in(&split(env::var_os("TRIGRUN_PROGRAMS").as_deref()))
    }

    /// Like [`Programs::find`], with the caller's directories instead of `TRIGRUN_PROGRAMS`.
    ///
    /// # Errors
    /// [`EmbedError::Missing`].
    pub fn find_in(first: &[PathBuf]) -> Result<Programs, EmbedError> {
        let mut directories = first.to_vec();
        directories.extend(debian_directories(Path::new(DEBIAN)));
        directories.extend(split(env::var_os("PATH").as_deref()));
        // initdb requires a postgres of its own version, so both come from one directory.
        let postgres = directories.iter().find(|directory| {
            is_program(&directory.join("initdb")) && is_program(&directory.join("postgres"))
        });
        let redis_server = directories
            .iter()
            .flat_map(|directory| [directory.join("valkey-server"), directory.join("redis-server")])
            .find(|path| is_program(path));
        match (postgres, redis_server) {
            (Some(directory), Some(redis_server)) => Ok(Programs {
                initdb: directory.join("initdb"),
                postgres: directory.join("postgres"),
                redis_server,
            }),
            (postgres, redis) => Err(missing(postgres.is_some(), redis.is_some())),
        }
    }
}

/// The program `name` in PATH.
pub(crate) fn in_path(name: &str) -> Option<PathBuf> {
    split(env::var_os("PATH").as_deref())
        .into_iter()
        .map(|directory| directory.join(name))
        .find(|path| is_program(path))
}

fn missing(have_postgres: bool, have_redis: bool) -> EmbedError {
    let (mut missing, mut packages) = (Vec::new(), Vec::new());
    if !have_postgres {
        missing.push("PostgreSQL (initdb and postgres)");
        packages.push("postgresql");
    }
    if !have_redis {
        missing.push("Redis (redis-server or valkey-server)");
        packages.push("redis-server");
    }
    EmbedError::Missing { missing, packages }
}

/// `root/*/bin`, the highest version first.
fn debian_directories(root: &Path) -> Vec<PathBuf> {
    let mut versions: Vec<u32> = fs::read_dir(root)
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .collect();
    versions.sort_unstable_by(|a, b| b.cmp(a));
    versions.into_iter().map(|version| root.join(version.to_string()).join("bin")).collect()
}

fn split(paths: Option<&OsStr>) -> Vec<PathBuf> {
    paths.map(|paths| env::split_paths(paths).filter(|path| path.is_absolute()).collect()).unwrap_or_default()
}

fn is_program(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o111 != 0)
}
