//! The user that the servers run as, and what that user may reach.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::Path;

use nix::unistd::{User, getegid, geteuid};

use crate::EmbedError;

/// Who runs the servers: ourselves, or an unprivileged user when we are root (initdb and postgres refuse root).
#[derive(Debug, Clone)]
pub(crate) struct Account {
    pub uid: u32,
    pub gid: u32,
    /// True when we are root and the children must change to `uid` and `gid`.
    pub dropped: bool,
}

impl Account {
    pub fn choose() -> Result<Account, EmbedError> {
        if !geteuid().is_root() {
            return Ok(Account { uid: geteuid().as_raw(), gid: getegid().as_raw(), dropped: false });
        }
        ["postgres", "nobody"]
            .into_iter()
            .find_map(|name| User::from_name(name).ok().flatten())
            .map(|user| Account { uid: user.uid.as_raw(), gid: user.gid.as_raw(), dropped: true })
            .ok_or(EmbedError::NoAccount)
    }

    /// Whether the mode bits of `directory` and of all above it let this account through.
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

    /// Makes `directory` exist, private to this account.
    ///
    /// A link, or a directory of somebody else, is refused: under /tmp anyone could have put it there.
    pub fn own(&self, directory: &Path) -> Result<(), EmbedError> {
        let failed = EmbedError::io("make a private directory of", directory);
        self.try_own(directory).map_err(failed)
    }

    fn try_own(&self, directory: &Path) -> std::io::Result<()> {
        if let Err(error) = fs::create_dir(directory)
            && error.kind() != std::io::ErrorKind::AlreadyExists
        {
            return Err(error);
        }
        let found = fs::symlink_metadata(directory)?;
        if !found.is_dir() || ![self.uid, geteuid().as_raw()].contains(&found.uid()) {
            return Err(std::io::Error::other("it exists and belongs to somebody else"));
        }
        if self.dropped {
            chown(directory, Some(self.uid), Some(self.gid))?;
        }
        fs::set_permissions(directory, fs::Permissions::from_mode(0o700))
    }
}
