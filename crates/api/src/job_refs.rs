//! Finds the jobs that requests refer to, in paths, parameters and bodies alike: by their ids or by their keys.

use std::collections::{HashMap, HashSet};
use trigrun_core::{
    domain::{
        id::{JobId, WorkspaceId},
        job::key::JobRef,
    },
    store::jobs,
};
use uuid::Uuid;

use crate::{result::ApiResult, state::State};

/// Their ids, in the same order, each once. If the workspace has no job with a key, the id is that of no job: it takes the same path through the code as an
/// id that does not exist.
pub async fn resolve(state: &State, workspace: WorkspaceId, refs: &[JobRef]) -> ApiResult<Vec<JobId>> {
    let ids = resolve_each(state, workspace, refs).await?;
    let mut seen = HashSet::new();
    let ids = ids.into_iter().map(|id| id.unwrap_or(JobId::from_uuid(Uuid::nil())));
    Ok(ids.filter(|id| seen.insert(*id)).collect())
}

/// The ids of each, in the same order: `None` if the workspace has no job with the key. An id need not be that of a job.
pub async fn resolve_each(
    state: &State,
    workspace: WorkspaceId,
    refs: &[JobRef],
) -> ApiResult<Vec<Option<JobId>>> {
    let keys: Vec<&str> = refs.iter().filter_map(JobRef::key).collect();
    let known = match keys.is_empty() {
        true => HashMap::new(),
        false => jobs::ids_by_key(&mut *state.conn().await?, workspace, &keys).await?,
    };
    let id = |of: &JobRef| match of {
        JobRef::Id(id) => Some(*id),
        JobRef::Key(key) => known.get(key).copied(),
    };
    Ok(refs.iter().map(id).collect())
}

/// Likewise for at most one job.
pub async fn resolve_one(
    state: &State,
    workspace: WorkspaceId,
    of: Option<&JobRef>,
) -> ApiResult<Option<JobId>> {
    let refs = of.cloned().into_iter().collect::<Vec<_>>();
    Ok(resolve(state, workspace, &refs).await?.pop())
}
