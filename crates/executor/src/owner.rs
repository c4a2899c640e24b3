//! For whom an executor holds something of its capacities.

use trigrun_core::{
    domain::id::{AccountId, JobId, WorkspaceId},
    runtime::shares,
};
use uuid::Uuid;

/// An account, one of its workspaces, and a part of that (a job, or a channel).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Owner([Uuid; 3]);

/// A capacity of this process.
pub type Shares = shares::Shares<Owner>;
pub type Share = shares::Share<Owner>;

impl Owner {
    pub const fn new(account: AccountId, workspace: WorkspaceId, part: Uuid) -> Self {
        Self([account.uuid(), workspace.uuid(), part])
    }

    /// Of a workspace that is an account of its own.
    pub const fn alone(workspace: WorkspaceId, job: JobId) -> Self {
        Self([workspace.uuid(), workspace.uuid(), job.uuid()])
    }

    pub const fn account(&self) -> AccountId {
        AccountId::from_uuid(self.0[0])
    }

    pub const fn workspace(&self) -> WorkspaceId {
        WorkspaceId::from_uuid(self.0[1])
    }
}

impl shares::Owner for Owner {
    fn path(&self) -> &[Uuid] {
        &self.0
    }
}
