//! Secrets that a request references and the workspace does not have: allowed, but reported.

use trigrun_core::{
    domain::{id::WorkspaceId, request::Request},
    store::secrets,
};

use crate::{result::ApiResult, state::State};

pub async fn missing_secrets(
    state: &State,
    workspace: WorkspaceId,
    request: &Request,
) -> ApiResult<Vec<String>> {
    let names: Vec<String> = request.secrets().into_iter().map(str::to_owned).collect();
    if names.is_empty() {
        return Ok(names);
    }
    Ok(secrets::missing(&mut *state.conn().await?, workspace, &names).await?)
}

/// A warning for each of these secrets.
pub fn warnings(secrets: &[String]) -> Vec<String> {
    let warning =
        |name| format!("The secret {name} does not exist. Until it does, executions fail and send nothing.");
    secrets.iter().map(warning).collect()
}
