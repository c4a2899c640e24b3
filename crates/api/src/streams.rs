//! Clients that follow the executions of a workspace as they end.
//!
//! One task per process reads what has ended for all of them together. Each has a bounded inbox. What does not fit is counted, and the client
//! learns how much it lost: a client that does not read holds up no other.

use actix_web::{http::header::RETRY_AFTER, web::Bytes};
use std::{
    collections::{BTreeMap, BTreeSet, HashMap, VecDeque},
    fmt::Write,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::{sync::Notify, time::Instant};
use tokio_util::sync::CancellationToken;
use trigrun_core::{
    domain::{
        execution::{Execution, Status},
        id::{AccountId, JobId, WorkspaceId},
    },
    runtime::tasks,
    store::{Db, StoreError, executions},
};

use crate::{
    problem::{Problem, ProblemCode},
    result::ApiResult,
};

/// How many streams this process has, and how many of them are of one account.
const MAX_STREAMS: usize = 256;
const MAX_STREAMS_OF_ACCOUNT: usize = 16;
/// Of events that a client has not read yet.
const MAX_INBOX_BYTES: usize = 256 * 1024;
/// A stream ends after this many seconds at most, and the client connects again: a token that was revoked reads no longer than that.
pub const MAX_STREAM_SECONDS: i64 = 60;
/// How often a stream without events says how far it is.
const HEARTBEAT_INTERVAL: Duration = Duration::from_secs(5);
/// After how many seconds a client may try again that has too many streams.
const RETRY_AFTER_SECONDS: u64 = 5;
/// After which time a client connects again, in milliseconds.
const RETRY_MS: u64 = 1000;
const LOOK_INTERVAL: Duration = Duration::from_millis(250);
/// How many transactions one statement reads, of whatever workspaces, and how many executions of them.
const LOOK_TRANSACTIONS: i64 = 1000;
const LOOK_EXECUTIONS: usize = 10_000;
/// How many statements a look makes: one for the clients that are up to date, the others for clients that connect again.
const LOOK_STATEMENTS: usize = 3;
/// How many transactions a client may be behind. One that is further behind learns that it lost events.
const MAX_BEHIND: i64 = 20_000;

/// Cheap to clone.
#[derive(Clone)]
pub struct Streams {
    registry: Arc<Mutex<Registry>>,
    shutdown: CancellationToken,
    /// The event of an execution, as clients read it.
    event: fn(&Execution) -> Bytes,
}

#[derive(Default)]
struct Registry {
    clients: HashMap<u64, Client>,
    next: u64,
}

struct Client {
    account: Option<AccountId>,
    workspace: WorkspaceId,
    filter: Filter,
    /// What transactions before this one recorded is in the inbox. `None`: it begins with what is recorded from now on.
    position: Option<i64>,
    inbox: Arc<Inbox>,
}

/// Which executions a client follows.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Any of these; any at all if there are none.
    pub statuses: Vec<Status>,
    pub job: Option<JobId>,
}

impl Filter {
    fn matches(&self, execution: &Execution) -> bool {
        (self.statuses.is_empty() || self.statuses.contains(&execution.status))
            && self.job.is_none_or(|job| job == execution.job)
    }
}

#[derive(Default)]
struct Inbox {
    events: Mutex<Events>,
    changed: Notify,
}

#[derive(Default)]
struct Events {
    waiting: VecDeque<Bytes>,
    bytes: usize,
    /// How many did not fit.
    lost: u64,
    /// It is unknown how many were lost.
    is_behind: bool,
    /// Up to where the client has everything, once it has read what waits.
    position: Option<i64>,
    /// The client must learn where it begins.
    tells_position: bool,
}

impl Inbox {
    fn events(&self) -> MutexGuard<'_, Events> {
        self.events.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Events {
    fn push(&mut self, event: &Bytes) {
        if self.bytes + event.len() > MAX_INBOX_BYTES {
            self.lost += 1;
        } else {
            self.bytes += event.len();
            self.waiting.push_back(event.clone());
        }
    }

    /// All that waits, as the client reads it; empty if nothing does.
    fn take(&mut self) -> String {
        let mut text = String::with_capacity(self.bytes + 64);
        for event in self.waiting.drain(..) {
            text += std::str::from_utf8(&event).unwrap_or_default();
        }
        self.bytes = 0;
        let (lost, is_behind) = (std::mem::take(&mut self.lost), std::mem::take(&mut self.is_behind));
        if is_behind {
            text += "event: lost\ndata: {\"count\":null}\n\n";
        } else if lost > 0 {
            let _infallible = write!(text, "event: lost\ndata: {{\"count\":{lost}}}\n\n");
        }
        if !text.is_empty() || std::mem::take(&mut self.tells_position) {
            text += &self.position();
        }
        text
    }

    /// An id without an event (HTML Living Standard §9.2.6): the client sends it when it connects again.
    fn position(&self) -> String {
        self.position.map_or_else(|| ":\n\n".to_owned(), |position| format!("id: {position}\n\n"))
    }
}

/// A stream of one client. Dropping it ends it.
pub struct Stream {
    streams: Streams,
    id: u64,
    inbox: Arc<Inbox>,
    has_begun: bool,
    ends_at: Instant,
}

impl Stream {
    /// The next part of the response; `None` at its end.
    pub async fn next(&mut self) -> Option<Bytes> {
        if !std::mem::replace(&mut self.has_begun, true) {
            return Some(format!("retry: {RETRY_MS}\n\n").into());
        }
        let heartbeat_at = Instant::now() + HEARTBEAT_INTERVAL;
        loop {
            let text = self.inbox.events().take();
            if !text.is_empty() {
                return Some(text.into());
            }
            tokio::select! {
                () = self.inbox.changed.notified() => {}
                () = self.streams.shutdown.cancelled() => return None,
                () = tokio::time::sleep_until(self.ends_at) => return None,
                () = tokio::time::sleep_until(heartbeat_at) => return Some(self.inbox.events().position().into()),
            }
        }
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.streams.registry().clients.remove(&self.id);
    }
}

impl Streams {
    /// After `shutdown`, every stream ends.
    pub fn new(shutdown: CancellationToken, event: fn(&Execution) -> Bytes) -> Self {
        Self { registry: Arc::default(), shutdown, event }
    }

    /// Begins with what is recorded from now on, or after `position`.
    pub fn open(
        &self,
        account: Option<AccountId>,
        workspace: WorkspaceId,
        filter: Filter,
        position: Option<i64>,
        lasts: Duration,
    ) -> ApiResult<Stream> {
        let mut registry = self.registry();
        let of_account = registry.clients.values().filter(|client| client.account == account).count();
        let refused = if of_account >= MAX_STREAMS_OF_ACCOUNT {
            Some(format!("An account can have {MAX_STREAMS_OF_ACCOUNT} streams at a time. Close one first."))
        } else if registry.clients.len() >= MAX_STREAMS {
            Some("The server has as many streams as it can have. Try again later.".to_owned())
        } else {
            None
        };
        if let Some(detail) = refused {
            let problem = Problem::new(ProblemCode::TooManyStreams, detail);
            return Err(problem.with_header(RETRY_AFTER, RETRY_AFTER_SECONDS.to_string()));
        }
        let (id, inbox) = (registry.next, Arc::<Inbox>::default());
        registry.next += 1;
        registry.clients.insert(id, Client { account, workspace, filter, position, inbox: inbox.clone() });
        let ends_at = Instant::now() + lasts;
        Ok(Stream { streams: self.clone(), id, inbox, has_begun: false, ends_at })
    }

    /// Looks for executions that have ended, until shutdown.
    pub async fn run(self, db: Db) {
        let shutdown = self.shutdown.clone();
        tasks::every("streams", shutdown, LOOK_INTERVAL, std::future::pending, || self.look(&db)).await;
    }

    async fn look(&self, db: &Db) -> Result<(), StoreError> {
        if self.registry().clients.is_empty() {
            return Ok(());
        }
        let mut conn = db.conn().await?;
        let settled = executions::settled(&mut conn).await?;
        let positions = self.registry().positions(settled);
        for (from, workspaces) in positions.into_iter().rev().take(LOOK_STATEMENTS) {
            let (workspaces, to) =
                (workspaces.into_iter().collect::<Vec<_>>(), settled.min(from + LOOK_TRANSACTIONS));
            let ended = executions::ended(&mut conn, &workspaces, (from, to), LOOK_EXECUTIONS + 1).await?;
            self.registry().deliver(&ended, self.event, (from, to));
        }
        Ok(())
    }

    fn registry(&self) -> MutexGuard<'_, Registry> {
        self.registry.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Registry {
    /// Where clients are that have not got everything that is settled, and their workspaces. Clients that are new begin here. So do those
    /// that are too far behind, and those with a position of another database.
    fn positions(&mut self, settled: i64) -> BTreeMap<i64, BTreeSet<WorkspaceId>> {
        let mut positions: BTreeMap<i64, BTreeSet<WorkspaceId>> = BTreeMap::new();
        for client in self.clients.values_mut() {
            let position = match client.position {
                Some(position) if (settled - MAX_BEHIND..=settled).contains(&position) => position,
                other => {
                    let mut events = client.inbox.events();
                    events.is_behind |= other.is_some();
                    events.position = Some(settled);
                    events.tells_position = true;
                    client.inbox.changed.notify_one();
                    settled
                }
            };
            client.position = Some(position);
            if position < settled {
                positions.entry(position).or_default().insert(client.workspace);
            }
        }
        positions
    }

    /// Gives these executions, of transactions in `[from, to)`, to the clients that are at `from`.
    fn deliver(&mut self, ended: &[Execution], event: fn(&Execution) -> Bytes, (from, to): (i64, i64)) {
        let mut of_workspaces: HashMap<WorkspaceId, Vec<(&Execution, Bytes)>> = HashMap::new();
        for execution in ended {
            of_workspaces.entry(execution.workspace).or_default().push((execution, event(execution)));
        }
        for client in self.clients.values_mut().filter(|client| client.position == Some(from)) {
            let mut events = client.inbox.events();
            let of_workspace = of_workspaces.get(&client.workspace).into_iter().flatten();
            let matching = of_workspace.filter(|(execution, _)| client.filter.matches(execution));
            matching.for_each(|(_, event)| events.push(event));
            events.is_behind |= ended.len() > LOOK_EXECUTIONS;
            events.position = Some(to);
            client.position = Some(to);
            if !events.waiting.is_empty() || events.lost > 0 || events.is_behind {
                client.inbox.changed.notify_one();
            }
        }
    }
}
