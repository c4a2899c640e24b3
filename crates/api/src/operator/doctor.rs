//! Checks everything that an installation depends on. Each finding says what is wrong and what to do.

use std::{fmt, time::Duration};

use chrono::{DateTime, Datelike, Utc};
use tokio::time::{Instant, timeout};
use trigrun_core::{
    crypto::seal::MasterKeys,
    domain::{hold::Hold, schedule::zone_database},
    mail::MailServer,
    runtime::{clock, open_files},
    store::{
        self, Conn,
        backlog::{self, Backlog},
        executors, holds,
        lower_bound::BEGINNING,
        migrate, partitions, snapshots, workspace_keys,
    },
    stream::{self, StreamError, check::StreamChecker, installations::Installations},
};
use uuid::Uuid;

use crate::{
    account_mail::AccountMailError,
    settings::{Settings, SignUp},
};

/// A server that does not respond within this time counts as down.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
const CHECKS_TIMEOUT: Duration = Duration::from_secs(20);
/// Postgres 14 is the oldest tested version.
const MIN_POSTGRES_VERSION: i32 = 140_000;
/// Connections of clients at the same time, and some files for the process itself.
const MIN_CLIENTS: u64 = 1024;
/// A longer round trip delays every fire by as much.
const MAX_ROUND_TRIP: Duration = Duration::from_millis(5);
/// A larger difference makes the validity of certificates and the times in logs unreliable.
const MAX_CLOCK_SKEW_SECONDS: f64 = 1.0;
/// Work that has waited longer has no executor; a fire that has been due for longer has no scheduler.
const MAX_WAIT_SECONDS: i64 = 30;
/// An executor sends a heartbeat every two seconds.
const MAX_HEARTBEAT_AGE_SECONDS: i64 = 20;
/// Schedulers create partitions for a week ahead. The alert TrigRunPartitionsMissing has the same limit.
const MIN_PARTITION_DAYS_AHEAD: i64 = 4;

/// So many sessions plan a statement over all days at the same time, when processes start for example.
const SESSIONS_THAT_PLAN: i64 = 8;

enum Finding {
    Good(String),
    /// It works, but an operator should look at it.
    Warn(String),
    /// It does not work, or it can lose data.
    Fail(String),
}

use Finding::{Fail, Good, Warn};

/// One line per check.
#[derive(Default)]
pub struct Findings(Vec<(&'static str, Finding)>);

impl Findings {
    pub fn has_failures(&self) -> bool {
        self.0.iter().any(|(_, finding)| matches!(finding, Fail(_)))
    }

    fn add(&mut self, check: &'static str, finding: Finding) {
        self.0.push((check, finding));
    }
}

impl fmt::Display for Findings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (check, finding) in &self.0 {
            let (level, text) = match finding {
                Good(text) => ("ok", text),
                Warn(text) => ("warn", text),
                Fail(text) => ("FAIL", text),
            };
            writeln!(f, "{level:<6} {check:<12} {text}")?;
        }
        Ok(())
    }
}

/// Runs all checks. A failure skips only the checks that depend on it.
pub async fn check(settings: &Settings) -> Findings {
    let mut findings = Findings::default();
    findings.add("settings", Good("valid".to_owned()));
    findings.add("time zones", time_zones(clock::wall()));
    findings.add("open files", files(settings, open_files::hard_limit()));
    findings.add("redis", redis(settings).await);
    findings.add("mail", mail(settings).await);
    let keys = MasterKeys::new(&settings.keys);
    let keys = keys.inspect_err(|error| findings.add("keys", Fail(error.to_string()))).ok();
    match timeout(CONNECT_TIMEOUT, migrate::connect(&settings.postgres)).await {
        Ok(Ok(mut conn)) => {
            let checked =
                timeout(CHECKS_TIMEOUT, postgres(&mut findings, settings, keys.as_ref(), &mut conn));
            let why = match checked.await {
                Ok(Ok(())) => None,
                Ok(Err(error)) => Some(format!("a query failed: {error}")),
                Err(_) => Some(format!("did not respond to all queries within {CHECKS_TIMEOUT:?}")),
            };
            if let Some(why) = why {
                findings.add("postgres", Fail(why));
            }
        }
        Ok(Err(error)) => findings.add(
            "postgres",
            Fail(format!(
                "{error}; check TRIGRUN__POSTGRES__URL, and that Postgres accepts connections from this host"
            )),
        ),
        Err(_) => findings.add(
            "postgres",
            Fail(format!(
                "no response within {CONNECT_TIMEOUT:?}; check TRIGRUN__POSTGRES__URL and the network"
            )),
        ),
    }
    findings
}

/// New releases come several times a year, with the changes that governments have decided.
fn time_zones(now: DateTime<Utc>) -> Finding {
    let database = zone_database();
    let text = format!("release {} ({})", database.version, database.source);
    let year = database.version.get(..4).and_then(|year| year.parse::<i32>().ok());
    match year {
        Some(year) if year + 1 < now.year() => {
            Warn(format!("{text} is outdated: update the package tzdata of this host, or TrigRun"))
        }
        Some(_) => Good(text),
        None => Warn(format!("{text}: its age is unknown")),
    }
}

/// Every client of the API and every connection to a server is an open file.
fn files(settings: &Settings, limit: u64) -> Finding {
    let needed = MIN_CLIENTS + settings.postgres.max_connections as u64;
    let text = format!("at most {limit} in this process, of which the API needs {needed}");
    if limit < needed { Warn(format!("{text}: raise the hard limit (ulimit -Hn)")) } else { Good(text) }
}

async fn redis(settings: &Settings) -> Finding {
    let unusable = |error: StreamError| {
        let advice = error.advice().unwrap_or("check TRIGRUN__REDIS__URL");
        Fail(format!("{error}; until Redis can be used, nothing is lost, but executions are late: {advice}"))
    };
    let server = match stream::server::info(&settings.redis).await {
        Ok(server) => server,
        Err(error) => return unusable(error),
    };
    let checked = async { StreamChecker::new(&settings.redis)?.check().await };
    let checked = checked.await;
    let Some(server) = server else {
        return checked.map_or_else(unusable, |()| {
            Warn("can be used, but the user has no permission to run INFO".to_owned())
        });
    };
    let version = server.version;
    if server.is_cluster {
        Fail(format!(
            "{version}, in cluster mode, which TrigRun does not support: disable it, or use another server"
        ))
    } else if server.is_replica {
        Fail(format!("{version}, a replica, which rejects writes: set TRIGRUN__REDIS__URL to the primary"))
    } else if server.is_full && !server.evicts {
        Fail(format!("{version}, out of memory, rejects writes: increase maxmemory"))
    } else if let Err(error) = checked {
        unusable(error)
    } else if server.evicts {
        Warn(format!("{version}, may evict waiting dispatch messages: set maxmemory-policy to noeviction"))
    } else {
        Good(version)
    }
}

fn hold(held: Option<&Hold>) -> Finding {
    match held {
        Some(Hold { since, reason }) => Warn(format!(
            "since {since}, nothing is sent: {reason}; `trigrun-api release --missed run|skip --reason …` ends it"
        )),
        None => Good("none".to_owned()),
    }
}

/// Sends no message.
async fn mail(settings: &Settings) -> Finding {
    let (url, from) = (&settings.smtp.url, &settings.smtp.from);
    let server = match MailServer::new(url, from, CONNECT_TIMEOUT) {
        Ok(Some(server)) => server,
        Ok(None) if settings.server.sign_up == SignUp::Open => {
            return Warn(
                "none, and everyone can sign up: e-mail addresses are not verified, and forgotten passwords cannot be replaced; \
                 set TRIGRUN__SMTP__URL, TRIGRUN__SMTP__FROM and TRIGRUN__SERVER__PUBLIC_URL"
                    .to_owned(),
            );
        }
        Ok(None) => return Good("none: forgotten passwords cannot be replaced".to_owned()),
        Err(error) => return Fail(error.to_string()),
    };
    if settings.server.public_url.is_none() {
        return Fail(AccountMailError::NoPublicUrl.to_string());
    }
    match timeout(CONNECT_TIMEOUT, server.accepts()).await {
        Ok(Ok(true)) => Good("accepts connections".to_owned()),
        Ok(Ok(false)) => Fail("does not accept a connection; check TRIGRUN__SMTP__URL".to_owned()),
        Ok(Err(error)) => Fail(format!("{error}; check TRIGRUN__SMTP__URL")),
        Err(_) => {
            Fail(format!("no response within {CONNECT_TIMEOUT:?}; check TRIGRUN__SMTP__URL and the network"))
        }
    }
}

async fn postgres(
    findings: &mut Findings,
    settings: &Settings,
    keys: Option<&MasterKeys>,
    conn: &mut Conn,
) -> Result<(), store::StoreError> {
    findings.add("postgres", server(settings, conn).await?);
    findings.add("clock", clocks(conn).await?);
    match migrate::check(conn).await {
        Ok(()) => findings.add("schema", Good("has all migrations of this binary".to_owned())),
        Err(migrate::SchemaError::Store(error)) => return Err(error),
        Err(error) => {
            findings.add("schema", Fail(error.to_string()));
            return Ok(());
        }
    }
    if let Some(keys) = keys {
        findings.add("keys", master_keys(keys, conn).await?);
    }
    let held = holds::active(conn).await?;
    findings.add("hold", hold(held.as_ref()));
    findings.add("namespace", namespace(settings, store::installation::id(conn).await?).await);
    let now = store::clock::now(conn).await?;
    findings.add("partitions", partition_days_ahead(now, conn).await?);
    findings.add("locks", locks(conn).await?);
    findings.add("snapshots", oldest_snapshot(conn).await?);
    findings.add("executors", live_executors(now, conn).await?);
    let backlog = backlog::measure(conn, BEGINNING).await?;
    findings.add("schedulers", planning(now, &backlog, held.is_some()));
    findings.add("work", work(now, &backlog, held.is_some()));
    Ok(())
}

async fn server(settings: &Settings, conn: &mut Conn) -> Result<Finding, store::StoreError> {
    let server = store::server::inspect(conn).await?;
    let started = Instant::now();
    store::clock::now(conn).await?;
    let round_trip = started.elapsed();
    let text = format!("{}, round trip {round_trip:.1?}", server.version);
    let wanted = settings.postgres.max_connections;
    Ok(if server.version_number < MIN_POSTGRES_VERSION {
        Fail(format!("{text}: too old, 14 is the oldest tested version"))
    } else if server.is_read_only {
        Fail(format!("{text}: a standby, or read-only; set TRIGRUN__POSTGRES__URL to the primary"))
    } else if !server.fsync {
        Fail(format!("{text}: fsync is off, a power failure can corrupt the database"))
    } else if server.synchronous_commit == "off" {
        Warn(format!("{text}: synchronous_commit is off, a crash loses the most recent commits"))
    } else if usize::try_from(server.max_connections).is_ok_and(|all| all < 2 * wanted) {
        Warn(format!(
            "{text}: max_connections is {}, of which one API process can use {wanted}; each scheduler and executor needs more",
            server.max_connections
        ))
    } else if round_trip > MAX_ROUND_TRIP {
        Warn(format!("{text}: this is slow, and every fire takes several round trips"))
    } else {
        Good(text)
    })
}

/// A report or a backup has rarely this long to go, and the tables have grown meanwhile.
const MAX_SNAPSHOT_AGE_SECONDS: f64 = 3600.0;

async fn oldest_snapshot(conn: &mut Conn) -> Result<Finding, store::StoreError> {
    let oldest = snapshots::oldest(conn).await?.oldest_transaction_seconds.unwrap_or_default();
    Ok(if oldest > MAX_SNAPSHOT_AGE_SECONDS {
        Warn(format!(
            "a transaction has been open for {oldest:.0} s, so no vacuum removes old rows: end it if it is not a backup"
        ))
    } else {
        Good("no transaction has been open for long".to_owned())
    })
}

async fn clocks(conn: &mut Conn) -> Result<Finding, store::StoreError> {
    let before = clock::wall();
    let postgres = store::clock::now(conn).await?;
    let here = before + (clock::wall() - before) / 2;
    let off = (here - postgres).as_seconds_f64();
    let text =
        format!("this host is {:.3} s {} Postgres", off.abs(), if off < 0.0 { "behind" } else { "ahead of" });
    Ok(if off.abs() > MAX_CLOCK_SKEW_SECONDS {
        Warn(format!(
            "{text}; fires use Postgres's clock, certificates and logs use this one: run an NTP service on both hosts"
        ))
    } else {
        Good(text)
    })
}

/// The schedulers announce their installation in its namespace.
async fn namespace(settings: &Settings, installation: Uuid) -> Finding {
    let others = async { Installations::new(&settings.redis, installation)?.others().await };
    let name = &settings.redis.namespace;
    match others.await {
        Ok(others) if others.is_empty() => Good(format!("{name}, used by no other installation")),
        Ok(others) => Warn(format!(
            "{name}, used by {} more installations: give each its own with TRIGRUN__REDIS__NAMESPACE",
            others.len()
        )),
        Err(error) => Warn(format!("{name}, unknown whether others use it: {error}")),
    }
}

async fn master_keys(keys: &MasterKeys, conn: &mut Conn) -> Result<Finding, store::StoreError> {
    if let Err(error) = workspace_keys::check(conn, keys).await {
        return Ok(Fail(error.to_string()));
    }
    let (newest, given) = (keys.newest(), keys.ids().count());
    Ok(match workspace_keys::older(conn, keys).await? {
        0 if given == 1 => Good(format!("{newest} wraps the keys of all workspaces")),
        0 => Good(format!("{newest} wraps the keys of all workspaces; {} more are configured", given - 1)),
        older => Warn(format!(
            "the keys of {older} workspaces are wrapped by an older key than {newest}: run `trigrun-api keys rewrap`"
        )),
    })
}

async fn partition_days_ahead(now: DateTime<Utc>, conn: &mut Conn) -> Result<Finding, store::StoreError> {
    let newest = partitions::newest(conn).await?;
    let ahead = newest.map(|day| (day - now.date_naive()).num_days());
    Ok(match ahead {
        Some(ahead @ MIN_PARTITION_DAYS_AHEAD..) => Good(format!("exist for {ahead} days ahead")),
        Some(ahead @ 0..) => Warn(format!(
            "exist for {ahead} days ahead only: the retention pass of the schedulers has not succeeded for days"
        )),
        _ => Fail(
            "none for today: start a scheduler, which creates them, or run `trigrun-api migrate`".to_owned(),
        ),
    })
}

/// A session that needs more locks than are left fails with "out of shared memory".
async fn locks(conn: &mut Conn) -> Result<Finding, store::StoreError> {
    let partitions::Locks { of_session, of_server } = partitions::locks(conn).await?;
    let text = format!("the partitions need up to {of_session} for one session, the server has {of_server}");
    Ok(if of_session * SESSIONS_THAT_PLAN <= of_server {
        Good(text)
    } else {
        Warn(format!(
            "{text}: raise max_locks_per_transaction, so that {SESSIONS_THAT_PLAN} sessions have enough at a time"
        ))
    })
}

async fn live_executors(now: DateTime<Utc>, conn: &mut Conn) -> Result<Finding, store::StoreError> {
    let sessions = executors::live(conn).await?;
    let is_live = |session: &&executors::LiveExecutor| {
        (now - session.heartbeat_at).num_seconds() < MAX_HEARTBEAT_AGE_SECONDS
    };
    Ok(match sessions.iter().filter(is_live).count() {
        0 => Warn("none is running: TrigRun makes no requests".to_owned()),
        count => Good(format!("{count} running")),
    })
}

/// Schedulers do not register: only overdue fires show that none is running.
fn planning(now: DateTime<Utc>, backlog: &Backlog, is_held: bool) -> Finding {
    match backlog.next_fire_at {
        Some(next) if is_held && next < now => Good("fires wait for the release of the hold".to_owned()),
        None => Good("no active job has a next fire".to_owned()),
        Some(next) if (now - next).num_seconds() > MAX_WAIT_SECONDS => Fail(format!(
            "a fire has been due for {} s and no scheduler has planned it: start a scheduler, or read its log",
            (now - next).num_seconds()
        )),
        Some(_) => Good("no fire is overdue".to_owned()),
    }
}

fn work(now: DateTime<Utc>, backlog: &Backlog, is_held: bool) -> Finding {
    let oldest = backlog.oldest_due_at.map_or(0, |due_at| (now - due_at).num_seconds());
    let waiting = format!("{} executions wait, the oldest for {oldest} s", backlog.waiting);
    if backlog.schedule_errors > 0 {
        Fail(format!(
            "{waiting}; the next fire of {} jobs cannot be computed: `select job_id, error from job_timers where next_run_at is null`",
            backlog.schedule_errors
        ))
    } else if oldest > MAX_WAIT_SECONDS && !is_held {
        Warn(format!("{waiting}: check that executors run, have capacity and can reach Postgres"))
    } else {
        Good(waiting)
    }
}
