//! What an attempt needs of what is sealed: the values of the secrets that it mentions, and the signer of its workspace.
//!
//! MasterKeys and signers are kept for a while, values are not: a new value counts from the next attempt on.

use moka::sync::Cache;
use secrecy::{ExposeSecret, SecretString};
use std::{collections::HashMap, sync::Arc, time::Duration};
use trigrun_core::{
    crypto::{
        seal::{DataKey, MasterKeys},
        sign::Signer,
    },
    domain::{
        attempt::{Outcome, PREVIEW_BYTES},
        id::WorkspaceId,
        redact::Redactor,
    },
    runtime::clock::Clock,
    store::{Conn, Db, StoreError, leases::Lease, secrets, signing, workspace_keys},
};

/// Workspaces whose keys are kept.
const KEPT: u64 = 10_000;
const KEEP_KEYS: Duration = Duration::from_secs(3600);
/// After a rotation the secret before signs for a day: a signer that is a little old is no harm.
const KEEP_SIGNERS: Duration = Duration::from_secs(30);

pub struct SecretResolver {
    keys: MasterKeys,
    clock: Clock,
    data_keys: Cache<WorkspaceId, Arc<DataKey>>,
    signers: Cache<WorkspaceId, Arc<Signer>>,
}

/// For one attempt. It has no Debug: it holds values.
pub struct Material {
    /// None when it could not be read, which is a defect or a matter for the operator, and was logged.
    pub signer: Option<Arc<Signer>>,
    /// None: it is there and cannot be opened.
    values: HashMap<String, Option<SecretString>>,
    redactor: Redactor,
}

impl SecretResolver {
    pub fn new(keys: MasterKeys, clock: Clock) -> Self {
        let kept = |time| Cache::builder().max_capacity(KEPT).time_to_live(time);
        Self {
            keys,
            clock,
            data_keys: kept(KEEP_KEYS).build(),
            signers: Cache::builder().max_capacity(KEPT).time_to_live(KEEP_SIGNERS).build(),
        }
    }

    /// For each of these leases, in their order. `Err` only when Postgres is away.
    pub async fn materials(&self, conn: &mut Conn, leases: &[Lease]) -> Result<Vec<Material>, StoreError> {
        let mut wanted: Vec<(WorkspaceId, String)> = leases
            .iter()
            .flat_map(|lease| {
                lease.request.secrets().into_iter().map(|name| (lease.workspace, name.to_owned()))
            })
            .collect();
        wanted.sort();
        wanted.dedup();
        let values = self.values(conn, &wanted).await?;
        let mut materials = Vec::with_capacity(leases.len());
        for lease in leases {
            let signer = passing(self.signer(conn, lease.workspace).await)?;
            let value = |name: &str| {
                Some((name.to_owned(), values.get(&(lease.workspace, name.to_owned()))?.clone()))
            };
            materials
                .push(Material::new(signer, lease.request.secrets().into_iter().filter_map(value).collect()));
        }
        Ok(materials)
    }

    /// The key of a workspace, with a connection only if it is not known yet.
    pub async fn data_key_of(&self, db: &Db, workspace: WorkspaceId) -> Result<Arc<DataKey>, StoreError> {
        match self.data_keys.get(&workspace) {
            Some(known) => Ok(known),
            None => self.data_key(&mut *db.conn().await?, workspace).await,
        }
    }

    /// The same of its signer.
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
            let value = match passing(self.data_key(conn, sealed.workspace).await)? {
                Some(key) => passing(sealed.open(&key))?,
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

/// What only this workspace suffers from is logged and left out; Postgres being away is an error for all.
pub fn passing<T>(result: Result<T, StoreError>) -> Result<Option<T>, StoreError> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(StoreError::Unavailable(why)) => Err(StoreError::Unavailable(why)),
        Err(error) => {
            tracing::error!(%error, "what is sealed cannot be used");
            Ok(None)
        }
    }
}

impl Material {
    fn new(signer: Option<Arc<Signer>>, values: HashMap<String, Option<SecretString>>) -> Self {
        let redactor = Redactor::new(values.values().flatten().map(|value| value.expose_secret()));
        Self { signer, values, redactor }
    }

    pub fn value(&self, name: &str) -> Option<&str> {
        self.values.get(name)?.as_ref().map(|value| value.expose_secret())
    }

    /// There is such a secret, and it cannot be opened.
    pub fn is_unreadable(&self, name: &str) -> bool {
        self.values.get(name).is_some_and(Option::is_none)
    }

    /// How much of a body has to be kept until it is redacted.
    pub fn keep(&self) -> usize {
        PREVIEW_BYTES + self.redactor.longest()
    }

    /// Takes out of an outcome what it must not show, and what was kept of the body for that only.
    pub fn redact(&self, outcome: &mut Outcome) {
        outcome.body_truncated = outcome.response_bytes > PREVIEW_BYTES as u64;
        if self.values.is_empty() {
            return outcome.body_preview.truncate(PREVIEW_BYTES);
        }
        outcome.body_preview = self.redactor.bytes(&outcome.body_preview, PREVIEW_BYTES);
        outcome.body_preview.truncate(PREVIEW_BYTES);
        for (name, value) in &mut outcome.response_headers {
            *name = self.redactor.text(name);
            *value = self.redactor.text(value);
        }
        outcome.error = outcome.error.take().map(|error| self.redactor.text(&error));
    }
}
