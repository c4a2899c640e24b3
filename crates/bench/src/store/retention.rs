//! How long the scheduler's passes take, from its metrics. `retention`, which scans everything, matters most.

use std::{collections::BTreeMap, time::Duration};
use trigrun_testkit::{client::Client, cluster::free_address, process::Role};

use crate::product::{Installation, SCHEDULER};

/// Every pass has run by then; `retention` once, at the start.
const RUN_TIME: Duration = Duration::from_secs(12);
const SUM: &str = "trigrun_pass_duration_seconds_sum{";
const COUNT: &str = "trigrun_pass_duration_seconds_count{";

/// Average seconds of each pass, by name.
pub async fn measure(
    installation: &Installation<'_>,
    database: &str,
) -> anyhow::Result<BTreeMap<String, f64>> {
    let address = free_address()?;
    let mut cluster = installation.cluster(database)?;
    let probes = [("TRIGRUN__TELEMETRY__PROBES_ADDRESS", address.to_string())];
    cluster.start(SCHEDULER, Role::Scheduler, probes)?;
    tokio::time::sleep(RUN_TIME).await;
    let metrics = Client::new(address).get("/metrics").await?.text();
    cluster.stop().await?;
    let (sums, counts) = (by_pass(&metrics, SUM), by_pass(&metrics, COUNT));
    let each = |(pass, sum): (String, f64)| {
        let count = counts.get(&pass)?;
        Some((pass, sum / count))
    };
    let passes: BTreeMap<_, _> = sums.into_iter().filter_map(each).collect();
    anyhow::ensure!(passes.contains_key("retention"), "the metrics lack the pass `retention`");
    Ok(passes)
}

fn by_pass(metrics: &str, series: &str) -> BTreeMap<String, f64> {
    let value = |line: &str| {
        let (labels, value) = line.strip_prefix(series)?.rsplit_once("} ")?;
        let pass = labels.split(',').find_map(|label| label.strip_prefix("pass="))?;
        Some((pass.trim_matches('"').to_owned(), value.parse().ok()?))
    };
    metrics.lines().filter_map(value).collect()
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_series_is_parsed_by_pass() {
        let metrics = "# HELP x\ntrigrun_pass_duration_seconds_sum{otel_scope_name=\"trigrun\",pass=\"retention\"} 0.5\nother{pass=\"plan\"} 1\n";
        let read = super::by_pass(metrics, super::SUM);
        assert_eq!(read.into_iter().collect::<Vec<_>>(), [("retention".to_owned(), 0.5)]);
    }
}
