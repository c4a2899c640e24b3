//! How long the scheduler's passes take, as it tells itself by its metrics: above all `tidy`, which looks through everything.

use anyhow::Context;
use hyper::Method;
use std::{collections::BTreeMap, time::Duration};

use crate::{http, product, servers::Servers};

/// Every pass has been made by then; `tidy` once, when it starts.
const RUNS: Duration = Duration::from_secs(12);
const SUM: &str = "trigrun_pass_duration_seconds_sum{";
const COUNT: &str = "trigrun_pass_duration_seconds_count{";

/// Seconds for each pass, by name.
pub async fn measure(servers: &Servers, database: &str) -> anyhow::Result<BTreeMap<String, f64>> {
    let address = product::free_address()?;
    let environment = ("TRIGRUN__TELEMETRY__PROBES_ADDRESS", address.to_string());
    let scheduler = product::start("scheduler", servers, database, &[(environment.0, &environment.1)])?;
    tokio::time::sleep(RUNS).await;
    let metrics = http::ask(address, Method::GET, "/metrics").await;
    let metrics = String::from_utf8(metrics.context("the scheduler serves no metrics")?.to_vec())?;
    scheduler.end().await?;
    let (sums, counts) = (by_pass(&metrics, SUM), by_pass(&metrics, COUNT));
    let each = |(pass, sum): (String, f64)| {
        let count = counts.get(&pass)?;
        Some((pass, sum / count))
    };
    let passes: BTreeMap<_, _> = sums.into_iter().filter_map(each).collect();
    anyhow::ensure!(passes.contains_key("retention"), "the scheduler does not say how long `tidy` took");
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
    fn a_series_is_read_by_pass() {
        let metrics = "# HELP x\ntrigrun_pass_duration_seconds_sum{otel_scope_name=\"trigrun\",pass=\"tidy\"} 0.5\nother{pass=\"plan\"} 1\n";
        let read = super::by_pass(metrics, super::SUM);
        assert_eq!(read.into_iter().collect::<Vec<_>>(), [("retention".to_owned(), 0.5)]);
    }
}
