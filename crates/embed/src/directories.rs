//! The directories of data, logs and sockets, and the lock that excludes other processes.

use std::fs::{self, File, TryLockError};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::EmbedError;
use crate::account::Account;

/// `sun_path` has 108 bytes, including the terminating zero (unix(7)).
const MAX_SOCKET_PATH_BYTES: usize = 107;
const LOCK_TIMEOUT: Duration = Duration::from_secs(5);
pub(crate) const POSTGRES_SOCKET: &str = ".s.PGSQL.5432";
pub(crate) const LOCK: &str = "lock";

/// The directories of one Postgres and one Redis. Dropping it releases the lock.
#[derive(Debug)]
pub(crate) struct Directories {
    pub dir: PathBuf,
    pub sockets: PathBuf,
    /// Notes for the user: where a directory differs from the requested one.
    pub notes: Vec<String>,
    _lock: File,
}

impl Directories {
    pub async fn open(requested: &Path, account: &Account) -> Result<Directories, EmbedError> {
        let mut notes = Vec::new();
        let dir = traversable(requested, account, &mut notes)?;
        let lock = lock(&dir).await?;
        account.create_private(&dir.join("redis"))?;
        let sockets = sockets(&dir, account, &mut notes)?;
        Ok(Directories { dir, sockets, notes, _lock: lock })
    }

    pub fn postgres(&self) -> PathBuf {
        self.dir.join("postgres")
    }

    pub fn redis(&self) -> PathBuf {
        self.dir.join("redis")
    }

    pub fn remove_short_sockets(&self) {
        if !self.sockets.starts_with(&self.dir) {
            // It is not empty if a server did not end. The next start cleans it.
            let _ = fs::remove_dir(&self.sockets);
        }
    }
}

/// The requested directory, or one named after a hash of it if the servers' user cannot access it.
fn traversable(requested: &Path, account: &Account, notes: &mut Vec<String>) -> Result<PathBuf, EmbedError> {
    let requested = std::path::absolute(requested).map_err(EmbedError::io("resolve", requested))?;
    let is_new = !requested.exists();
    let real = create(&requested, account)?;
    if account.can_traverse(&real) {
        return Ok(real);
    }
    if is_new {
        let _ = fs::remove_dir(&real);
    }
    // Not under /tmp: another user could have created a link of that name there.
    let var_lib = Path::new("/var/lib/trigrun-embed").join(key(&real));
    let fallback = create(&var_lib, account)?;
    notes.push(format!(
        "{} cannot be accessed by the user that runs the servers: their data is in {}",
        real.display(),
        fallback.display()
    ));
    Ok(fallback)
}

/// Creates `dir` and returns its real path, which /proc shows as the working directory of processes.
fn create(dir: &Path, account: &Account) -> Result<PathBuf, EmbedError> {
    let failed = |source| EmbedError::Io { action: "create", path: dir.to_owned(), source };
    if !dir.exists() {
        fs::create_dir_all(dir).map_err(failed)?;
        if account.drops_privileges {
            fs::set_permissions(dir, fs::Permissions::from_mode(0o755)).map_err(failed)?;
        }
    }
    fs::canonicalize(dir).map_err(failed)
}

async fn lock(dir: &Path) -> Result<File, EmbedError> {
    let path = dir.join(LOCK);
    let file =
        File::options().create(true).append(true).open(&path).map_err(EmbedError::io("open", &path))?;
    // A child process between fork and exec still holds the lock of servers that were just stopped.
    let deadline = Instant::now() + LOCK_TIMEOUT;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::Error(error)) => return Err(EmbedError::io("lock", &path)(error)),
            Err(TryLockError::WouldBlock) if Instant::now() > deadline => {
                return Err(EmbedError::InUse { dir: dir.to_owned() });
            }
            Err(TryLockError::WouldBlock) => sleep(Duration::from_millis(20)).await,
        }
    }
}

fn sockets(dir: &Path, account: &Account, notes: &mut Vec<String>) -> Result<PathBuf, EmbedError> {
    let mut sockets = dir.join("run");
    if sockets.join(POSTGRES_SOCKET).as_os_str().len() > MAX_SOCKET_PATH_BYTES {
        sockets = temporary_root(account).join(format!("trigrun-{}", key(dir)));
        notes.push(format!(
            "{} is too long for a unix socket: the sockets are in {}",
            dir.display(),
            sockets.display()
        ));
    }
    account.create_private(&sockets)?;
    Ok(sockets)
}

/// The system's temporary directory, or /tmp if that path is too long or the servers' user cannot access it.
pub(crate) fn temporary_root(account: &Account) -> PathBuf {
    let root = std::env::temp_dir();
    let fits = root.as_os_str().len() + 50 < MAX_SOCKET_PATH_BYTES;
    if fits && account.can_traverse(&root) { root } else { PathBuf::from("/tmp") }
}

/// A name for `dir` that is the same in every run and release: FNV-1a, 64 bits.
fn key(dir: &Path) -> String {
    let hash = dir.as_os_str().as_bytes().iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    format!("{hash:016x}")
}
