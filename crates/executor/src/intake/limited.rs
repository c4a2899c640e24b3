//! Leases executions of jobs with a concurrency limit: one by one, each in a transaction that locks its job, and so beside the intake,
//! which they must not hold up.

use std::{collections::HashMap, slice, sync::Arc, time::Instant};
use trigrun_core::{
    domain::id::ExecutionId,
    store::{
        StoreError,
        leases::{self, LimitedExecution},
    },
    stream::consumer::Receipt,
};

use super::Intake;
use crate::{
    owner::{Owner, Share, Shares},
    spans,
};

/// How many of these executions may be in line in this process. More wait for capacity.
const MAX_IN_LINE: usize = 10_000;
/// How many are leased at the same time: half of the connections to Postgres, by default.
const MAX_CONCURRENT: usize = 4;

/// Who may be in line, and whose turn it is.
#[derive(Clone)]
pub struct SlotTurns {
    line: Shares,
    turns: Shares,
}

impl SlotTurns {
    pub fn new(account_percent: usize) -> Self {
        Self { line: Shares::new(MAX_IN_LINE, account_percent), turns: Shares::new(MAX_CONCURRENT, 100) }
    }
}

/// One of them in line.
struct Turn {
    execution: LimitedExecution,
    owner: Owner,
    _in_line: Share,
}

impl Intake {
    /// Leases those of `ids` that need a slot, and starts them. Then acknowledges their entries.
    pub(super) async fn take_limited_of(self: Arc<Self>, ids: Vec<ExecutionId>, receipts: Vec<Receipt>) {
        let limited = async { leases::limited(&mut *self.db.conn().await?, self.session.id, &ids).await };
        match limited.await {
            Ok(limited) if limited.is_empty() => {}
            Ok(limited) => self.lease_in_turn(limited).await,
            // The scheduler finds that their dispatch messages are lost.
            Err::<_, StoreError>(error) => {
                tracing::warn!(%error, executions = ids.len(), "cannot lease with slots")
            }
        }
        self.acknowledge(receipts).await;
    }

    /// Each workspace in line for itself.
    async fn lease_in_turn(self: &Arc<Self>, limited: Vec<LimitedExecution>) {
        let workspaces: Vec<_> = limited.iter().map(LimitedExecution::workspace).collect();
        let accounts = self.accounts.of(&self.db, &workspaces).await;
        let (mut lines, mut excess): (HashMap<_, Vec<Turn>>, _) = (HashMap::new(), Vec::new());
        for execution in limited {
            let workspace = execution.workspace();
            let account = accounts.get(&workspace).copied().unwrap_or_else(|| workspace.uuid().into());
            let owner = Owner::new(account, workspace, execution.job().uuid());
            match self.slot_turns.line.try_take(owner, 1) {
                Some(in_line) => {
                    lines.entry(workspace).or_default().push(Turn { execution, owner, _in_line: in_line });
                }
                None => excess.push(execution.execution()),
            }
        }
        let waiting = async {
            if excess.is_empty() {
                return;
            }
            self.waiting_jobs.expect();
            let waiting = async { leases::wait(&mut *self.db.conn().await?, &excess).await };
            if let Err::<_, StoreError>(error) = waiting.await {
                tracing::warn!(%error, executions = excess.len(), "cannot let executions wait for capacity");
            }
        };
        let lines = lines.into_values().map(|line| self.lease_line(line));
        tokio::join!(waiting, futures_util::future::join_all(lines));
    }

    async fn lease_line(self: &Arc<Self>, line: Vec<Turn>) {
        for Turn { execution, owner, .. } in &line {
            let Some(_turn) = self.stop.run_until_cancelled(self.slot_turns.turns.take(*owner, 1)).await
            else {
                return;
            };
            let started = Instant::now();
            let leased = async {
                leases::lease_limited(&mut *self.db.conn().await?, self.session.id, execution).await
            };
            match leased.await {
                Ok(None) => {}
                Ok(Some(lease)) => {
                    spans::leased(slice::from_ref(&lease), true, &self.runner.clock, started);
                    self.start_all(vec![lease]).await;
                }
                Err::<_, StoreError>(error) => {
                    tracing::warn!(%error, execution = %execution.execution(), "cannot lease with a slot");
                }
            }
        }
    }
}
