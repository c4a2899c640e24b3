//! The user that the servers run as, and the directories that this user can access.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::Path;

use nix::unistd::{User, getegid, geteuid};

use crate::EmbedError;

/// The user that runs the servers: the current user, or an unprivileged one if that is root (initdb and postgres refuse root).
#[derive(Debug, Clone)]
pub(crate) struct Account {
    pub uid: u32,
    pub gid: u32,
    /// True if this process is root, so that the servers must change to `uid` and `gid`.
    pub drops_privileges: bool,
}

impl Account {
    pub fn choose() -> Result<Account, EmbedError> {
        if !geteuid().is_root() {
            return Ok(Account { uid: geteuid().as_raw(), gid: getegid().as_raw(), drops_privileges: false });
        }
        ["postgres", "nobody"]
            .into_iter()
            .find_map(|name| User::from_name(name).ok().flatten())
            .map(|user| Account { uid: user.uid.as_raw(), gid: user.gid.as_raw(), drops_privileges: true })
            .ok_or(EmbedError::NoAccount)
    }

    /// Whether the mode bits of `directory` and of all its ancestors let this user through.
    pub fn can_traverse(&self, directory: &Path) -> bool {
        directory.ancestors().all(|ancestor| {
            fs::metadata(ancestor).is_ok_and(|metadata| {
                let execute = match () {
                    () if metadata.uid() == self.uid => 0o100,
                    () if metadata.gid() == self.gid => 0o010,
                    () => 0o001,
                };
                metadata.is_dir() && metadata.mode() & execute != 0
            })
        })
    }

    /// Creates `directory` if it is missing, and makes it private to this user.
    ///
    /// Refuses a link or a directory of another user: under /tmp, any user could have created it.
    pub fn create_private(&self, directory: &Path) -> Result<(), EmbedError> {
        let failed = EmbedError::io("create the private directory", directory);
        self.try_create_private(directory).map_err(failed)
    }

    fn try_create_private(&self, directory: &Path) -> std::io::Result<()> {
        if let Err(error) = fs::create_dir(directory)
            && error.kind() != std::io::ErrorKind::AlreadyExists
        {
            return Err(error);
        }
        let found = fs::symlink_metadata(directory)?;
        if !found.is_dir() || ![self.uid, geteuid().as_raw()].contains(&found.uid()) {
            return Err(std::io::Error::other("it exists and belongs to another user"));
        }
        if self.drops_privileges {
            chown(directory, Some(self.uid), Some(self.gid))?;
        }
        fs::set_permissions(directory, fs::Permissions::from_mode(0o700))
    }
}
