//! Resolves what an attempt needs of sealed values: the secrets that its request names, and the signer of its workspace.
//!
//! Data keys and signers are cached, values are not: a changed value counts from the next attempt on.

use moka::sync::Cache;
use secrecy::{ExposeSecret, SecretString};
use std::{collections::HashMap, sync::Arc, time::Duration};
use trigrun_core::{
    crypto::{
        seal::{DataKey, MasterKeys},
        sign::Signer,
    },
    domain::{
        attempt::{MAX_PREVIEW_BYTES, Outcome},
        id::WorkspaceId,
        redact::Redactor,
    },
    runtime::clock::Clock,
    store::{Conn, Db, StoreError, leases::Lease, secrets, signing, workspace_keys},
    telemetry::metrics,
};

/// Workspaces whose keys are cached.
const MAX_CACHED: u64 = 10_000;
const DATA_KEY_TTL: Duration = Duration::from_secs(3600);
/// After a rotation the previous secret signs for a day, so a slightly old signer does no harm.
const SIGNER_TTL: Duration = Duration::from_secs(30);
const RETRY_INTERVAL: Duration = Duration::from_millis(200);
const KEY_RETRY_INTERVAL: Duration = Duration::from_secs(5);

pub struct SecretResolver {
    keys: MasterKeys,
    clock: Clock,
    data_keys: Cache<WorkspaceId, Arc<DataKey>>,
    signers: Cache<WorkspaceId, Arc<Signer>>,
}

/// What was read for one attempt. It holds values, so it has no Debug.
pub struct OpenedSecrets {
    signer: Option<Arc<Signer>>,
    values: HashMap<String, Option<SecretString>>,
}

impl OpenedSecrets {
    /// Of all values.
    pub fn bytes(&self) -> usize {
        self.values.values().flatten().map(|value| value.expose_secret().len()).sum()
    }

    /// Takes about a microsecond for each byte of the values.
    pub fn for_request(self) -> RequestSecrets {
        RequestSecrets::new(self.signer, self.values)
    }
}

/// For one attempt. It holds values, so it has no Debug.
pub struct RequestSecrets {
    /// None when it could not be read. That is a bug or needs the operator, and was logged.
    pub signer: Option<Arc<Signer>>,
    /// None for a secret that exists and cannot be opened.
    values: HashMap<String, Option<SecretString>>,
    redactor: Redactor,
}

impl SecretResolver {
    pub fn new(keys: MasterKeys, clock: Clock) -> Self {
        let cache = |ttl| Cache::builder().max_capacity(MAX_CACHED).time_to_live(ttl);
        Self {
            keys,
            clock,
            data_keys: cache(DATA_KEY_TTL).build(),
            signers: Cache::builder().max_capacity(MAX_CACHED).time_to_live(SIGNER_TTL).build(),
        }
    }

    /// Of a request that names no secret and whose signer is cached: nothing has to be read.
    pub fn known(&self, lease: &Lease) -> Option<OpenedSecrets> {
        if !lease.request.secrets().is_empty() {
            return None;
        }
        let signer = self.signers.get(&lease.workspace)?;
        Some(OpenedSecrets { signer: Some(signer), values: HashMap::new() })
    }

    /// For each of these leases, in their order. `Err` when Postgres is unavailable, or the key of a workspace cannot be opened.
    pub async fn resolve(
        &self,
        conn: &mut Conn,
        leases: &[&Lease],
    ) -> Result<Vec<OpenedSecrets>, StoreError> {
        let mut wanted: Vec<(WorkspaceId, String)> = leases
            .iter()
            .flat_map(|lease| {
                lease.request.secrets().into_iter().map(|name| (lease.workspace, name.to_owned()))
            })
            .collect();
        wanted.sort();
        wanted.dedup();
        let values = self.values(conn, &wanted).await?;
        let mut resolved = Vec::with_capacity(leases.len());
        for lease in leases {
            let signer = or_logged(self.signer(conn, lease.workspace).await)?;
            let value = |name: &str| {
                Some((name.to_owned(), values.get(&(lease.workspace, name.to_owned()))?.clone()))
            };
            let values = lease.request.secrets().into_iter().filter_map(value).collect();
            resolved.push(OpenedSecrets { signer, values });
        }
        Ok(resolved)
    }

    /// The data key of a workspace; takes a connection only if it is not cached.
    pub async fn data_key_of(&self, db: &Db, workspace: WorkspaceId) -> Result<Arc<DataKey>, StoreError> {
        match self.data_keys.get(&workspace) {
            Some(known) => Ok(known),
            None => self.data_key(&mut *db.conn().await?, workspace).await,
        }
    }

    /// Likewise its signer.
    pub async fn signer_of(&self, db: &Db, workspace: WorkspaceId) -> Result<Arc<Signer>, StoreError> {
        match self.signers.get(&workspace) {
            Some(known) => Ok(known),
            None => self.signer(&mut *db.conn().await?, workspace).await,
        }
    }

    async fn values(
        &self,
        conn: &mut Conn,
        wanted: &[(WorkspaceId, String)],
    ) -> Result<HashMap<(WorkspaceId, String), Option<SecretString>>, StoreError> {
        let mut values = HashMap::with_capacity(wanted.len());
        if wanted.is_empty() {
            return Ok(values);
        }
        for sealed in secrets::sealed(conn, wanted).await? {
            let value = match or_logged(self.data_key(conn, sealed.workspace).await)? {
                Some(key) => or_logged(sealed.open(&key))?,
                None => None,
            };
            values.insert((sealed.workspace, sealed.name), value);
        }
        Ok(values)
    }

    async fn data_key(&self, conn: &mut Conn, workspace: WorkspaceId) -> Result<Arc<DataKey>, StoreError> {
        if let Some(known) = self.data_keys.get(&workspace) {
            return Ok(known);
        }
        let key = Arc::new(workspace_keys::data_key(conn, workspace, &self.keys).await?);
        self.data_keys.insert(workspace, key.clone());
        Ok(key)
    }

    async fn signer(&self, conn: &mut Conn, workspace: WorkspaceId) -> Result<Arc<Signer>, StoreError> {
        if let Some(known) = self.signers.get(&workspace) {
            return Ok(known);
        }
        let key = self.data_key(conn, workspace).await?;
        let signing = signing::get(conn, workspace, &key, self.clock.now()).await?;
        let signer = Signer::new(signing.secrets());
        let signer = Arc::new(signer.ok_or_else(|| StoreError::unreadable("signing secret", "its form"))?);
        self.signers.insert(workspace, signer.clone());
        Ok(signer)
    }
}

/// How long to wait before secrets are read again.
pub const fn retry_interval(error: &StoreError) -> Duration {
    match error {
        StoreError::KeyUnreadable(_) => KEY_RETRY_INTERVAL,
        _ => RETRY_INTERVAL,
    }
}

/// Logs the first failure of a batch, and counts keys that cannot be opened, which an operator must mend.
pub fn resolving_failed(error: &StoreError, executions: usize, is_first: bool) {
    match error {
        StoreError::KeyUnreadable(_) => {
            metrics::unreadable_key();
            if is_first {
                tracing::error!(%error, executions, "cannot open the key of a workspace; its executions wait");
            }
        }
        _ if is_first => tracing::warn!(%error, executions, "cannot read secrets"),
        _ => {}
    }
}

/// A failure that concerns one value is logged, and gives `None`; an outage of Postgres is an error, and so is a key that cannot be opened.
pub fn or_logged<T>(result: Result<T, StoreError>) -> Result<Option<T>, StoreError> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.is_temporary() => Err(error),
        Err(error) => {
            tracing::error!(%error, "cannot open sealed values");
            Ok(None)
        }
    }
}

impl RequestSecrets {
    fn new(signer: Option<Arc<Signer>>, values: HashMap<String, Option<SecretString>>) -> Self {
        let redactor = Redactor::new(values.values().flatten().map(|value| value.expose_secret()));
        Self { signer, values, redactor }
    }

    pub fn value(&self, name: &str) -> Option<&str> {
        self.values.get(name)?.as_ref().map(|value| value.expose_secret())
    }

    /// Whether the secret exists and cannot be opened.
    pub fn is_unreadable(&self, name: &str) -> bool {
        self.values.get(name).is_some_and(Option::is_none)
    }

    /// How much of a body is needed to redact its preview.
    pub fn max_preview_bytes(&self) -> usize {
        MAX_PREVIEW_BYTES + self.redactor.longest()
    }

    /// About how many nanoseconds it takes to redact this outcome.
    pub fn redaction_ns(&self, outcome: &Outcome) -> usize {
        let headers = outcome.response_headers.iter().map(|(name, value)| name.len() + value.len());
        self.redactor.steps(outcome.body_preview.len() + headers.sum::<usize>()) / 2
    }

    /// Masks secret values in an outcome, and cuts the preview to its stored size.
    pub fn redact(&self, outcome: &mut Outcome) {
        let read = outcome.body_preview.len();
        // A value that was cut in two could not be recognised, so what follows the preview must have been read, or the body ended.
        let is_whole = outcome.response_bytes <= read as u64;
        let after = if is_whole { 0 } else { self.redactor.longest() };
        let keep = read.saturating_sub(after).min(MAX_PREVIEW_BYTES);
        outcome.body_truncated = outcome.response_bytes > keep as u64;
        if self.values.is_empty() {
            return outcome.body_preview.truncate(keep);
        }
        outcome.body_preview = self.redactor.bytes(&outcome.body_preview, keep);
        outcome.body_preview.truncate(MAX_PREVIEW_BYTES);
        for (name, value) in &mut outcome.response_headers {
            *name = self.redactor.text(name);
            *value = self.redactor.text(value);
        }
        outcome.error = outcome.error.take().map(|error| self.redactor.text(&error));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use trigrun_core::domain::{attempt::AttemptStatus, redact::MASK};

    fn redacted(secrets: &RequestSecrets, preview: &str, response_bytes: usize) -> (String, bool) {
        let mut outcome = Outcome {
            body_preview: preview.as_bytes().to_vec(),
            response_bytes: response_bytes as u64,
            ..Outcome::of(AttemptStatus::Success)
        };
        secrets.redact(&mut outcome);
        (String::from_utf8(outcome.body_preview).unwrap(), outcome.body_truncated)
    }

    #[test]
    fn no_part_of_a_value_is_kept_wherever_the_preview_ends() {
        let value = Some(SecretString::from("0123456789"));
        let secrets = RequestSecrets::new(None, HashMap::from([("a".to_owned(), value)]));
        let body = format!("{}0123456789{}", "x".repeat(100), "y".repeat(100));
        for read in 0..body.len() {
            let (kept, is_cut) = redacted(&secrets, &body[..read], body.len());
            assert!(is_cut && !kept.contains('0') && !kept.contains('9'), "{read}: {kept}");
        }
        let whole = body.replace("0123456789", MASK);
        assert_eq!(redacted(&secrets, &body, body.len()), (whole, false));
    }
}
