//! Where the servers of one directory keep their data, logs and sockets, and the lock that makes us its only user.

use std::fs::{self, File, TryLockError};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::EmbedError;
use crate::account::Account;

/// `sun_path` has 108 bytes with the closing zero (unix(7)).
const SOCKET_PATH_MAX: usize = 107;
pub(crate) const POSTGRES_SOCKET: &str = ".s.PGSQL.5432";
pub(crate) const LOCK: &str = "lock";

/// The directories of one pair of servers. Dropping it gives the lock up.
#[derive(Debug)]
pub(crate) struct Place {
    pub dir: PathBuf,
    pub sockets: PathBuf,
    /// What a person should be told, because it is not where they asked for it.
    pub notes: Vec<String>,
    _lock: File,
}

impl Place {
    pub async fn open(wanted: &Path, account: &Account) -> Result<Place, EmbedError> {
        let mut notes = Vec::new();
        let dir = reachable(wanted, account, &mut notes)?;
        let lock = lock(&dir).await?;
        account.own(&dir.join("redis"))?;
        let sockets = sockets(&dir, account, &mut notes)?;
        Ok(Place { dir, sockets, notes, _lock: lock })
    }

    pub fn postgres(&self) -> PathBuf {
        self.dir.join("postgres")
    }

    pub fn redis(&self) -> PathBuf {
        self.dir.join("redis")
    }

    pub fn remove_short_sockets(&self) {
        if !self.sockets.starts_with(&self.dir) {
            // Not empty means that a server did not end; the next start cleans it.
            let _ = fs::remove_dir(&self.sockets);
        }
    }
}

/// The wanted directory, or one keyed by its name when the servers' user cannot get there.
fn reachable(wanted: &Path, account: &Account, notes: &mut Vec<String>) -> Result<PathBuf, EmbedError> {
    let wanted = std::path::absolute(wanted).map_err(EmbedError::io("resolve", wanted))?;
    let is_new = !wanted.exists();
    let real = create(&wanted, account)?;
    if account.can_traverse(&real) {
        return Ok(real);
    }
    if is_new {
        let _ = fs::remove_dir(&real);
    }
    // Not under /tmp: somebody else could have put a link of that name there.
    let var_lib = Path::new("/var/lib/trigrun-embed").join(key(&real));
    let instead = create(&var_lib, account)?;
    notes.push(format!(
        "{} cannot be reached by the user that runs the servers: their data is in {}",
        real.display(),
        instead.display()
    ));
    Ok(instead)
}

/// Creates `dir` and returns its real path: /proc names processes' directories by it.
fn create(dir: &Path, account: &Account) -> Result<PathBuf, EmbedError> {
    let failed = |source| EmbedError::Io { action: "create", path: dir.to_owned(), source };
    if !dir.exists() {
        fs::create_dir_all(dir).map_err(failed)?;
        if account.dropped {
            fs::set_permissions(dir, fs::Permissions::from_mode(0o755)).map_err(failed)?;
        }
    }
    fs::canonicalize(dir).map_err(failed)
}

async fn lock(dir: &Path) -> Result<File, EmbedError> {
    let path = dir.join(LOCK);
    let file =
        File::options().create(true).append(true).open(&path).map_err(EmbedError::io("open", &path))?;
    // A child of ours between fork and exec still holds the lock of a pair that was stopped just now.
    let deadline = Instant::now() + Duration::from_secs(2);
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
    if sockets.join(POSTGRES_SOCKET).as_os_str().len() > SOCKET_PATH_MAX {
        sockets = temporary_root(account).join(format!("trigrun-{}", key(dir)));
        notes.push(format!(
            "{} is too long for a unix socket: the sockets are in {}",
            dir.display(),
            sockets.display()
        ));
    }
    account.own(&sockets)?;
    Ok(sockets)
}

/// The system's temporary directory, or /tmp where that one is too deep or closed to the servers' user.
pub(crate) fn temporary_root(account: &Account) -> PathBuf {
    let root = std::env::temp_dir();
    let fits = root.as_os_str().len() + 50 < SOCKET_PATH_MAX;
    if fits && account.can_traverse(&root) { root } else { PathBuf::from("/tmp") }
}

/// A name for `dir` that stays the same over runs and releases: FNV-1a, 64 bits.
fn key(dir: &Path) -> String {
    let hash = dir.as_os_str().as_bytes().iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    format!("{hash:016x}")
}
