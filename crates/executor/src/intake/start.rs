//! Starts leased runs, each in a task of its own, once what they need of sealed values has been read.

use std::{collections::HashMap, sync::Arc};
use trigrun_core::{
    domain::id::WorkspaceId,
    runtime::tasks,
    store::{
        StoreError,
        leases::{AfterRelease, Lease},
    },
};

use super::Intake;
use crate::{
    in_flight::{AttemptKey, Capacity, InFlightGuard},
    record::FinishedRun,
    secrets::{self, OpenedSecrets},
};

/// A lease that is about to run.
struct Run {
    lease: Lease,
    guard: InFlightGuard,
    capacity: Box<Capacity>,
}

impl Intake {
    /// Each with what it holds of this process.
    pub(super) fn begin(self: &Arc<Self>, ready: impl IntoIterator<Item = (Lease, Box<Capacity>)>) {
        let mut without_values = Vec::new();
        for (lease, capacity) in ready {
            let guard = self.in_flight.add((lease.execution, lease.number));
            let run = Run { lease, guard, capacity };
            match self.secrets.known(&run.lease) {
                Some(secrets) => self.start(run, secrets),
                None => without_values.push(run),
            }
        }
        if !without_values.is_empty() {
            self.resolve(without_values);
        }
    }

    /// Reads what these runs need of sealed values, each workspace in a task, so that none waits for another.
    fn resolve(self: &Arc<Self>, runs: Vec<Run>) {
        let mut of_workspace: HashMap<WorkspaceId, Vec<Run>> = HashMap::new();
        for run in runs {
            of_workspace.entry(run.lease.workspace).or_default().push(run);
        }
        for runs in of_workspace.into_values() {
            let resolving = self.clone().resolve_and_start(runs);
            tasks::spawn("resolve", self.runs.track_future(resolving));
        }
    }

    /// Repeats until Postgres responds and the workspace's key can be opened. If the process must stop before that, the leases are released.
    async fn resolve_and_start(self: Arc<Self>, mut runs: Vec<Run>) {
        let mut is_logged = false;
        let secrets = loop {
            // Those that have been cancelled meanwhile wait no longer.
            runs.retain(|run| !run.guard.revocation.is_revoked());
            let leases: Vec<&Lease> = runs.iter().map(|run| &run.lease).collect();
            if leases.is_empty() {
                return;
            }
            let resolved = async { self.secrets.resolve(&mut *self.db.conn().await?, &leases).await };
            let pause = match resolved.await {
                Ok(secrets) => break secrets,
                Err::<_, StoreError>(error) => {
                    let is_first = !std::mem::replace(&mut is_logged, true);
                    secrets::resolving_failed(&error, leases.len(), is_first);
                    secrets::retry_interval(&error)
                }
            };
            if self.stop.run_until_cancelled(tokio::time::sleep(pause)).await.is_none() {
                let keys: Vec<AttemptKey> =
                    leases.iter().map(|lease| (lease.execution, lease.number)).collect();
                return self.release(&keys, AfterRelease::Publish).await;
            }
        };
        for (run, secrets) in runs.into_iter().zip(secrets) {
            self.start(run, secrets);
        }
    }

    fn start(self: &Arc<Self>, run: Run, secrets: OpenedSecrets) {
        // Boxed, because every layer of a task moves its future once more.
        let running = Box::pin(self.clone().run(run, secrets));
        tasks::spawn("run", self.runs.track_future(running));
    }

    async fn run(self: Arc<Self>, run: Run, secrets: OpenedSecrets) {
        let Run { lease, guard, mut capacity } = run;
        let key = (lease.execution, lease.number);
        let running = self.runner.run(lease, secrets, &mut capacity.memory);
        match guard.revocation.run_until_revoked(running).await {
            // The recorder ends after the last run.
            Some(Some(ended)) => drop(self.results.send(FinishedRun { ended, guard, capacity }).await),
            None => {
                tracing::debug!(execution = %key.0, "aborted: it was cancelled, deleted or reclaimed");
            }
            // Boxed, because it is large and rare.
            Some(None) => Box::pin(self.release(&[key], AfterRelease::Publish)).await,
        }
    }
}
