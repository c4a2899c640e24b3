//! Reads the timers of a workspace, of which fires are computed.

use actix_web::http::header::HeaderMap;
use trigrun_core::{
    domain::{id::WorkspaceId, timer::Timer},
    store::timers::{self, ACTIVE_BATCH},
};

use crate::{capacity::CallerShare, result::ApiResult, state::State};

/// How many jobs are read at most.
const MAX_JOBS: i64 = 100_000;

/// What a timer takes in memory, with its expression and its host.
const TIMER_BYTES: usize = 256;

/// Which jobs are counted.
#[derive(Default)]
pub struct Selection {
    /// Those that call this host.
    pub host: Option<String>,
    pub tag: Option<String>,
}

/// The timers of the selected jobs, by job.
pub struct Loaded {
    pub timers: Vec<Timer>,
    /// Whether all jobs of the workspace were read.
    pub is_complete: bool,
    /// What the timers take of the memory of all requests.
    pub held: Vec<CallerShare>,
}

/// In batches, each on a connection for lists: others get one in between, and no statement takes long.
pub async fn load(
    state: &State,
    workspace: WorkspaceId,
    headers: &HeaderMap,
    selection: &Selection,
) -> ApiResult<Loaded> {
    let Selection { host, tag } = selection;
    let (mut all, mut held, mut after) = (Vec::new(), Vec::new(), None);
    for _ in 0..MAX_JOBS / ACTIVE_BATCH {
        let mut conn = state.connections.for_list().await?;
        let batch = timers::active(&mut conn, workspace, tag.as_deref(), after, ACTIVE_BATCH).await?;
        held.push(state.capacity.bytes(headers, batch.timers.len() * TIMER_BYTES)?);
        let calls_host = |timer: &Timer| host.as_ref().is_none_or(|host| *host == timer.host);
        all.extend(batch.timers.into_iter().filter(calls_host));
        after = batch.next;
        if after.is_none() {
            break;
        }
    }
    Ok(Loaded { timers: all, is_complete: after.is_none(), held })
}
