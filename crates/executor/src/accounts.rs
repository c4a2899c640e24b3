//! The account of each workspace. It never changes, so it is read once.

use moka::sync::Cache;
use std::collections::HashMap;
use trigrun_core::{
    domain::id::{AccountId, WorkspaceId},
    store::{Db, StoreError, leases::Lease, workspaces},
};

use crate::owner::Owner;

/// About ten megabytes.
const MAX_CACHED: u64 = 100_000;

/// Cheap to clone.
#[derive(Clone)]
pub struct Accounts(Cache<WorkspaceId, AccountId>);

impl Default for Accounts {
    fn default() -> Self {
        Self(Cache::new(MAX_CACHED))
    }
}

impl Accounts {
    /// The owner of each of these leases, in their order. While Postgres does not respond, an unknown workspace counts as an account of
    /// its own.
    pub async fn owners(&self, db: &Db, leases: &[Lease]) -> Vec<Owner> {
        let workspaces: Vec<WorkspaceId> = leases.iter().map(|lease| lease.workspace).collect();
        let accounts = self.of(db, &workspaces).await;
        let owner = |lease: &Lease| {
            let account = accounts.get(&lease.workspace).copied();
            Owner::new(
                account.unwrap_or_else(|| lease.workspace.uuid().into()),
                lease.workspace,
                lease.job.uuid(),
            )
        };
        leases.iter().map(owner).collect()
    }

    /// Without those that are unknown while Postgres does not respond, and those of deleted workspaces.
    pub async fn of(&self, db: &Db, workspaces: &[WorkspaceId]) -> HashMap<WorkspaceId, AccountId> {
        let (mut accounts, mut unknown) = (HashMap::new(), Vec::new());
        for workspace in workspaces {
            if accounts.contains_key(workspace) {
                continue;
            }
            match self.0.get(workspace) {
                Some(account) => drop(accounts.insert(*workspace, account)),
                None if unknown.contains(workspace) => {}
                None => unknown.push(*workspace),
            }
        }
        if unknown.is_empty() {
            return accounts;
        }
        let read = async { workspaces::accounts(&mut *db.conn().await?, &unknown).await };
        match read.await {
            Ok(read) => {
                for (workspace, account) in read {
                    self.0.insert(workspace, account);
                    accounts.insert(workspace, account);
                }
            }
            Err::<_, StoreError>(error) => tracing::debug!(%error, "cannot read the accounts of workspaces"),
        }
        accounts
    }
}
