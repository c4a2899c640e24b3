//! What a job may do although its owner probably did not intend it, one sentence each.

use std::collections::BTreeSet;
use trigrun_core::{
    domain::{id::WorkspaceId, request::Request},
    store::secrets,
};

use crate::{result::ApiResult, state::State};

/// Many jobs may have as many unknown variables.
const MAX_WARNINGS: usize = 50;

/// About the request of a job, and about the secrets that it references and the workspace does not have.
pub async fn warnings(state: &State, workspace: WorkspaceId, request: &Request) -> ApiResult<Vec<String>> {
    let mut warnings = missing_secrets(state, workspace, request.secrets()).await?;
    warnings.extend(request.warnings());
    Ok(warnings)
}

/// The same about many requests, each warning once; of many, the first.
pub async fn warnings_of_all<'a>(
    state: &State,
    workspace: WorkspaceId,
    requests: impl Iterator<Item = &'a Request> + Clone,
) -> ApiResult<Vec<String>> {
    let names: BTreeSet<&str> = requests.clone().flat_map(Request::secrets).collect();
    let mut all = missing_secrets(state, workspace, names).await?;
    all.truncate(MAX_WARNINGS);
    for warning in requests.flat_map(Request::warnings) {
        if all.len() < MAX_WARNINGS && !all.contains(&warning) {
            all.push(warning);
        }
    }
    Ok(all)
}

async fn missing_secrets<'a>(
    state: &State,
    workspace: WorkspaceId,
    names: impl IntoIterator<Item = &'a str>,
) -> ApiResult<Vec<String>> {
    let names: Vec<String> = names.into_iter().map(str::to_owned).collect();
    if names.is_empty() {
        return Ok(names);
    }
    let missing = secrets::missing(&mut *state.conn().await?, workspace, &names).await?;
    Ok(missing.iter().map(|name| secret_missing(name)).collect())
}

pub fn secret_missing(name: &str) -> String {
    format!("The secret {name} does not exist. Until it does, executions fail and send nothing.")
}
