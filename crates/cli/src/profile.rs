//! The configuration file: for each server, its address and a token.

use etcetera::BaseStrategy;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeMap,
    fs,
    io::{ErrorKind, Write},
    path::{Path, PathBuf},
};

use crate::{environment, exit::Failure};

const FILE: &str = "config.toml";

#[derive(Default, Deserialize, Serialize)]
#[serde(default)]
pub struct Config {
    /// The profile that is used unless the command names another.
    pub current: Option<String>,
    pub profiles: BTreeMap<String, Profile>,
}

#[derive(Clone, Default, Deserialize, Serialize)]
#[serde(default)]
pub struct Profile {
    pub url: String,
    pub token: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub workspace: Option<String>,
    /// Whether a token may go to a server on another machine without encryption.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub allow_http: bool,
}

/// `TRIGRUN_CONFIG`, or the user's directory of configurations.
pub fn path() -> Result<PathBuf, Failure> {
    if let Some(path) = environment::variable("TRIGRUN_CONFIG") {
        return Ok(path.into());
    }
    let strategy = etcetera::choose_base_strategy().map_err(|_| {
        Failure::new("this user has no home directory; set TRIGRUN_CONFIG to the path of a file")
    })?;
    Ok(strategy.config_dir().join("trigrun").join(FILE))
}

impl Config {
    /// Reads the file; none is an empty one.
    pub fn read(path: &Path) -> Result<Self, Failure> {
        let text = match fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Self::default()),
            Err(error) => return Err(Failure::new(format!("cannot read {}: {error}", path.display()))),
        };
        toml::from_str(&text)
            .map_err(|error| Failure::new(format!("{} is invalid: {}", path.display(), error.message())))
    }

    /// Writes the file so that only its user can read it, at once or not at all.
    pub fn write(&self, path: &Path) -> Result<(), Failure> {
        let failed =
            |error: std::io::Error| Failure::new(format!("cannot write {}: {error}", path.display()));
        let text = toml::to_string(self).map_err(|error| Failure::new(error.to_string()))?;
        if let Some(directory) = path.parent().filter(|directory| !directory.as_os_str().is_empty()) {
            create_directory(directory).map_err(failed)?;
        }
        let new = path.with_extension(format!("toml.{}", std::process::id()));
        let written = create_private(&new).and_then(|mut file| {
            file.write_all(text.as_bytes())?;
            file.sync_all()
        });
        written.and_then(|()| fs::rename(&new, path)).map_err(|error| {
            // The error of the write is reported; the rest of the file does no harm.
            let _ = fs::remove_file(&new);
            failed(error)
        })
    }
}

#[cfg(unix)]
fn create_directory(directory: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    fs::DirBuilder::new().recursive(true).mode(0o700).create(directory)
}

#[cfg(unix)]
fn create_private(path: &Path) -> std::io::Result<fs::File> {
    use std::os::unix::fs::OpenOptionsExt;
    fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)
}

/// Whether other users of this machine can read the file.
#[cfg(unix)]
pub fn is_exposed(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    fs::metadata(path).is_ok_and(|metadata| metadata.permissions().mode() & 0o077 != 0)
}

// On Windows, the user's directory is private to the user.
#[cfg(not(unix))]
fn create_directory(directory: &Path) -> std::io::Result<()> {
    fs::create_dir_all(directory)
}

#[cfg(not(unix))]
fn create_private(path: &Path) -> std::io::Result<fs::File> {
    fs::File::create_new(path)
}

#[cfg(not(unix))]
pub fn is_exposed(_: &Path) -> bool {
    false
}
