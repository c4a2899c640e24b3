//! Looks at everything that an installation stands on, says what is wrong, and what to do.

use std::{fmt, time::Duration};

use chrono::{DateTime, Datelike, Utc};
use tokio::time::{Instant, timeout};
use trigrun_core::{
    crypto::seal::MasterKeys,
    domain::schedule::zone_database,
    runtime::clock,
    store::{
        self, Conn,
        backlog::{self, Backlog},
        executors, migrate, partitions, workspace_keys,
    },
    stream,
};

use crate::Settings;

/// A server that says nothing for so long is down.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);
const LOOKED_WITHIN: Duration = Duration::from_secs(20);
/// Postgres 14 is the oldest that is tried.
const OLDEST_POSTGRES: i32 = 140_000;
/// A round trip that is longer costs every fire as much.
const NEAR: Duration = Duration::from_millis(5);
/// More than that makes certificates and times in logs doubtful.
const CLOCKS_DIFFER_SECONDS: f64 = 1.0;
/// Work that waits for so long has no executor to take it; a fire that is due for so long, no scheduler.
const WAITS_SECONDS: i64 = 30;
/// An executor says every two seconds that it lives.
const SILENT_SECONDS: i64 = 20;
/// Made for a week ahead; the alert says the same.
const DAYS_AHEAD: i64 = 4;

enum Verdict {
    Fine(String),
    /// It works; it should be looked at.
    Doubtful(String),
    /// It does not work, or loses something.
    Wrong(String),
}

use Verdict::{Doubtful, Fine, Wrong};

/// What was found, a line for each thing looked at.
#[derive(Default)]
pub struct Findings(Vec<(&'static str, Verdict)>);

impl Findings {
    /// Whether something does not work.
    pub fn is_wrong(&self) -> bool {
        self.0.iter().any(|(_, verdict)| matches!(verdict, Wrong(_)))
    }

    fn note(&mut self, what: &'static str, verdict: Verdict) {
        self.0.push((what, verdict));
    }
}

impl fmt::Display for Findings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (what, verdict) in &self.0 {
            let (word, text) = match verdict {
                Fine(text) => ("ok", text),
                Doubtful(text) => ("look", text),
                Wrong(text) => ("WRONG", text),
            };
            writeln!(f, "{word:<6} {what:<12} {text}")?;
        }
        Ok(())
    }
}

/// Looks at all of it; one thing that is wrong keeps from the others only what cannot be told without it.
pub async fn look(settings: &Settings) -> Findings {
    let mut findings = Findings::default();
    findings.note("settings", Fine("can be understood".to_owned()));
    findings.note("time zones", time_zones(clock::wall()));
    findings.note("redis", redis(settings).await);
    let keys = MasterKeys::new(&settings.keys);
    let keys = keys.inspect_err(|error| findings.note("keys", Wrong(error.to_string()))).ok();
    match timeout(ANSWER_WITHIN, migrate::connect(&settings.postgres)).await {
        Ok(Ok(mut conn)) => {
            let asked = timeout(LOOKED_WITHIN, postgres(&mut findings, settings, keys.as_ref(), &mut conn));
            let why = match asked.await {
                Ok(Ok(())) => None,
                Ok(Err(error)) => Some(format!("does not answer as it should: {error}")),
                Err(_) => Some(format!("had not answered all that it was asked within {LOOKED_WITHIN:?}")),
            };
            if let Some(why) = why {
                findings.note("postgres", Wrong(why));
            }
        }
        Ok(Err(error)) => findings.note(
            "postgres",
            Wrong(format!("{error}; see TRIGRUN__POSTGRES__URL, and that Postgres lets this host in")),
        ),
        Err(_) => findings.note(
            "postgres",
            Wrong(format!("no answer within {ANSWER_WITHIN:?}; see TRIGRUN__POSTGRES__URL and the network")),
        ),
    }
    findings
}

/// New releases come several times a year, with what governments have decided meanwhile.
fn time_zones(now: DateTime<Utc>) -> Verdict {
    let database = zone_database();
    let text = format!("release {} ({})", database.version, database.source);
    let year = database.version.get(..4).and_then(|year| year.parse::<i32>().ok());
    match year {
        Some(year) if year + 1 < now.year() => {
            Doubtful(format!("{text} is old: update the package tzdata of this host, or TrigRun"))
        }
        Some(_) => Fine(text),
        None => Doubtful(format!("{text}: its age cannot be told")),
    }
}

async fn redis(settings: &Settings) -> Verdict {
    let server = match stream::server::look(&settings.redis).await {
        Ok(server) => server,
        Err(error) => {
            return Wrong(format!(
                "{error}; nothing is lost meanwhile, but all is later: see TRIGRUN__REDIS__URL"
            ));
        }
    };
    let Some(server) = server else {
        return Doubtful("answers, but does not tell of itself: this user may not run INFO".to_owned());
    };
    let version = server.version;
    if server.is_replica {
        Wrong(format!(
            "{version}, a replica, which takes no dispatches: name the primary in TRIGRUN__REDIS__URL"
        ))
    } else if server.is_full && !server.forgets {
        Wrong(format!("{version}, and its memory is full: it takes no dispatches, raise maxmemory"))
    } else if server.forgets {
        Doubtful(format!("{version}, and may throw away what waits: set maxmemory-policy to noeviction"))
    } else {
        Fine(version)
    }
}

async fn postgres(
    findings: &mut Findings,
    settings: &Settings,
    keys: Option<&MasterKeys>,
    conn: &mut Conn,
) -> Result<(), store::StoreError> {
    findings.note("postgres", server(settings, conn).await?);
    findings.note("clock", clocks(conn).await?);
    match migrate::check(conn).await {
        Ok(()) => findings.note("schema", Fine("has every migration of this binary".to_owned())),
        Err(migrate::SchemaError::Store(error)) => return Err(error),
        Err(error) => {
            findings.note("schema", Wrong(error.to_string()));
            return Ok(());
        }
    }
    if let Some(keys) = keys {
        findings.note("keys", sealed(keys, conn).await?);
    }
    let now = store::clock::now(conn).await?;
    findings.note("partitions", days_ahead(now, conn).await?);
    findings.note("executors", living(now, conn).await?);
    let backlog = backlog::measure(conn).await?;
    findings.note("schedulers", planned(now, &backlog));
    findings.note("work", work(now, &backlog));
    Ok(())
}

async fn server(settings: &Settings, conn: &mut Conn) -> Result<Verdict, store::StoreError> {
    let server = store::server::look(conn).await?;
    let asked = Instant::now();
    store::clock::now(conn).await?;
    let took = asked.elapsed();
    let text = format!("{}, answers in {took:.1?}", server.version);
    let wanted = settings.postgres.max_connections;
    Ok(if server.version_number < OLDEST_POSTGRES {
        Wrong(format!("{text}: it is too old, 14 is the oldest that is tried"))
    } else if server.is_read_only {
        Wrong(format!("{text}: a standby, or read-only; name the primary in TRIGRUN__POSTGRES__URL"))
    } else if !server.fsync {
        Wrong(format!("{text}: fsync is off, a power cut destroys the database"))
    } else if server.synchronous_commit == "off" {
        Doubtful(format!(
            "{text}: synchronous_commit is off, a crash loses what was promised in the last moments"
        ))
    } else if usize::try_from(server.max_connections).is_ok_and(|all| all < 2 * wanted) {
        Doubtful(format!(
            "{text}: max_connections is {}, of which one API process may take {wanted}; every scheduler and executor takes its own",
            server.max_connections
        ))
    } else if took > NEAR {
        Doubtful(format!("{text}: that is far away, and every fire waits for some such answers"))
    } else {
        Fine(text)
    })
}

async fn clocks(conn: &mut Conn) -> Result<Verdict, store::StoreError> {
    let before = clock::wall();
    let postgres = store::clock::now(conn).await?;
    let here = before + (clock::wall() - before) / 2;
    let off = (here - postgres).as_seconds_f64();
    let text =
        format!("this host is {:.3} s {} Postgres", off.abs(), if off < 0.0 { "behind" } else { "ahead of" });
    Ok(if off.abs() > CLOCKS_DIFFER_SECONDS {
        Doubtful(format!(
            "{text}; fires go by Postgres's clock, certificates and logs by this one: run an NTP service on both"
        ))
    } else {
        Fine(text)
    })
}

async fn sealed(keys: &MasterKeys, conn: &mut Conn) -> Result<Verdict, store::StoreError> {
    if let Err(error) = workspace_keys::check(conn, keys).await {
        return Ok(Wrong(error.to_string()));
    }
    let (newest, given) = (keys.newest(), keys.ids().count());
    Ok(match workspace_keys::older(conn, keys).await? {
        0 if given == 1 => Fine(format!("{newest} wraps the keys of all workspaces")),
        0 => Fine(format!("{newest} wraps the keys of all workspaces; {} more are given", given - 1)),
        older => Doubtful(format!(
            "the keys of {older} workspaces are not wrapped by the newest, {newest}: run `trigrun-api keys rewrap`"
        )),
    })
}

async fn days_ahead(now: DateTime<Utc>, conn: &mut Conn) -> Result<Verdict, store::StoreError> {
    let newest = partitions::newest(conn).await?;
    let ahead = newest.map(|day| (day - now.date_naive()).num_days());
    Ok(match ahead {
        Some(ahead @ DAYS_AHEAD..) => Fine(format!("made for {ahead} days ahead")),
        Some(ahead @ 0..) => {
            Doubtful(format!("made for {ahead} days ahead only: no scheduler has tidied for days"))
        }
        _ => Wrong(
            "none for today: start a scheduler, which makes them, or run `trigrun-api migrate`".to_owned(),
        ),
    })
}

async fn living(now: DateTime<Utc>, conn: &mut Conn) -> Result<Verdict, store::StoreError> {
    let sessions = executors::live(conn).await?;
    let received =
        |session: &&executors::LiveExecutor| (now - session.heartbeat_at).num_seconds() < SILENT_SECONDS;
    Ok(match sessions.iter().filter(received).count() {
        0 => Doubtful("none is running: nothing will be called".to_owned()),
        count => Fine(format!("{count} running")),
    })
}

/// Schedulers leave no trace but what they do.
fn planned(now: DateTime<Utc>, backlog: &Backlog) -> Verdict {
    match backlog.next_fire_at {
        None => Fine("no active job has a next fire".to_owned()),
        Some(next) if (now - next).num_seconds() > WAITS_SECONDS => Wrong(format!(
            "a fire has been due for {} s and nobody has planned it: start a scheduler, or see what it logs",
            (now - next).num_seconds()
        )),
        Some(_) => Fine("no fire is overdue".to_owned()),
    }
}

fn work(now: DateTime<Utc>, backlog: &Backlog) -> Verdict {
    let oldest = backlog.oldest_due_at.map_or(0, |due_at| (now - due_at).num_seconds());
    let waiting = format!("{} executions wait, the oldest for {oldest} s", backlog.waiting);
    if backlog.schedule_errors > 0 {
        Wrong(format!(
            "{waiting}; {} jobs have no next fire that can be computed: `select job_id, error from job_timers where next_run_at is null`",
            backlog.schedule_errors
        ))
    } else if oldest > WAITS_SECONDS {
        Doubtful(format!("{waiting}: see that executors run, have room and reach Postgres"))
    } else {
        Fine(waiting)
    }
}
