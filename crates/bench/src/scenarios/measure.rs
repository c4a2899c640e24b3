//! One measurement of the plan, on one installation.

use super::{
    idle, pages,
    plan::{Kind, Measurement},
    prototype,
};
use crate::{ceiling, measured::Outcome, product::Installation};

impl Measurement {
    pub async fn measure(&self, installation: &Installation<'_>) -> anyhow::Result<Outcome> {
        let bench = installation.bench;
        let services = &bench.servers.services;
        Ok(match &self.kind {
            Kind::Load { load, pages } => {
                let (measured, database) = load.measure(installation).await?;
                let pages = match pages {
                    true => pages::measure(installation, &database, load.runs).await?,
                    false => Vec::new(),
                };
                bench.servers.drop_database(&database).await?;
                Outcome::Load { measured, pages }
            }
            Kind::Prototype(load) => {
                let measured = prototype::measure(&self.name, load.runs, load.mode, bench).await?;
                Outcome::Load { measured, pages: Vec::new() }
            }
            Kind::Create(creation) => {
                creation.measure(installation).await?.map_or(Outcome::NotAvailable, Outcome::Created)
            }
            Kind::EndToEnd(end_to_end) => Outcome::EndToEnd(end_to_end.measure(installation).await?),
            Kind::Idle { jobs } => Outcome::Idle(idle::measure(installation, *jobs).await?),
            Kind::StreamCycle => {
                bench.servers.flush_redis().await?;
                Outcome::PerSecond(ceiling::stream_cycle(&services.redis_url()).await?)
            }
            Kind::Insert => {
                let database = bench.servers.empty_database().await?;
                let rate = ceiling::insert(&services.postgres_url(&database)).await?;
                bench.servers.drop_database(&database).await?;
                Outcome::PerSecond(rate)
            }
            Kind::Http { seconds } => {
                bench.sink.reset(None).await?;
                let rate = ceiling::http(bench.sink.address, *seconds).await?;
                bench.sink.reset(None).await?;
                Outcome::PerSecond(rate)
            }
        })
    }
}
