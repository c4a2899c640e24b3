//! How many jobs per second a product stores, while no worker runs: added one by one, and in bulk.

use anyhow::Context;
use std::fmt;

use super::{Product, peer::PeerRun};
use crate::{
    arrivals::now_us,
    bench::Bench,
    product::Installation,
    scenarios::{BATCH_JOBS, Creation, JobKind},
};

const JOBS: i64 = 20_000;
/// TrigRun's jobs are created over HTTP for this time.
const SECONDS: u64 = 5;

/// How jobs are added.
#[derive(Clone, Copy, Debug)]
pub enum Adding {
    /// One job in each call, with 64 calls in flight.
    Singly,
    /// As many jobs in each call as the product's documentation recommends, at most a thousand, with four calls in flight.
    InBulk,
}

impl fmt::Display for Adding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Singly => "jobs added one by one",
            Self::InBulk => "jobs added in bulk",
        })
    }
}

/// Jobs per second. `None` if the product has no such operation.
pub async fn measure(
    adding: Adding,
    product: &Product,
    installation: &Installation<'_>,
) -> anyhow::Result<Option<f64>> {
    let jobs_per_request = match adding {
        Adding::Singly => 1,
        Adding::InBulk => BATCH_JOBS,
    };
    let Product::Peer(peer) = product else {
        let creation = Creation { kind: JobKind::OneTime, jobs_per_request, seconds: SECONDS };
        return Ok(creation.measure(installation).await?.map(|created| created.jobs_per_second));
    };
    let Bench { servers, .. } = installation.bench;
    let database = servers.empty_database().await?;
    let run = PeerRun::new(*peer, installation.bench, &database, JOBS, now_us(), 0)?;
    run.step("setup").await?;
    servers.sql(&database).await?.batch_execute("checkpoint").await?;
    let printed = match adding {
        Adding::Singly => run.step("add").await?,
        Adding::InBulk => run.step("enqueue").await?,
    };
    servers.drop_database(&database).await?;
    let seconds: f64 = printed.parse().with_context(|| format!("adding prints {printed}"))?;
    Ok(Some(JOBS as f64 / seconds))
}
