//! What a job may do although its owner probably did not intend it, one sentence each.

use trigrun_core::{
    domain::{id::WorkspaceId, request::Request},
    store::secrets,
};

use crate::{result::ApiResult, state::State};

/// About the request of a job, and about the secrets that it references and the workspace does not have.
pub async fn warnings(state: &State, workspace: WorkspaceId, request: &Request) -> ApiResult<Vec<String>> {
    let mut warnings = missing_secrets(state, workspace, request).await?;
    warnings.extend(request.warnings());
    Ok(warnings)
}

async fn missing_secrets(state: &State, workspace: WorkspaceId, request: &Request) -> ApiResult<Vec<String>> {
    let names: Vec<String> = request.secrets().into_iter().map(str::to_owned).collect();
    if names.is_empty() {
        return Ok(names);
    }
    let missing = secrets::missing(&mut *state.conn().await?, workspace, &names).await?;
    let warning =
        |name| format!("The secret {name} does not exist. Until it does, executions fail and send nothing.");
    Ok(missing.into_iter().map(warning).collect())
}
