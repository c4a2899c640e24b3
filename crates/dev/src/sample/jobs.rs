//! The jobs of the sample.

use serde_json::{Value, json};

/// The first jobs are paused.
pub const PAUSED: usize = 3;

const REGIONS: [&str; 3] = ["eu", "us", "ap"];
const ZONES: [&str; 3] = ["Europe/Berlin", "America/New_York", "Asia/Singapore"];

/// Service, task, schedule (cron, or minutes of an interval), and the path at the target.
const TASKS: [(&str, &str, &str, &str); 34] = [
    ("partners", "sync-catalogue", "15 */4 * * *", "/200/340"),
    ("billing", "invoices", "0 6 * * MON-FRI", "/200/820"),
    ("billing", "dunning", "30 8 * * *", "/200/410"),
    ("billing", "collect-payments", "*/10 * * * *", "/200/260"),
    ("billing", "settle", "5 0 * * *", "/200/1900"),
    ("billing", "renew-subscriptions", "0 * * * *", "/200/530"),
    ("billing", "expire-cards", "10 3 1 * *", "/200/150"),
    ("shop", "reindex", "*/30 * * * *", "/200/700"),
    ("shop", "restock", "0 5 * * *", "/200/240"),
    ("shop", "abandoned-carts", "*/15 * * * *", "/flaky/180"),
    ("shop", "prices", "0 */2 * * *", "/200/390"),
    ("shop", "sitemap", "20 2 * * *", "/200/1200"),
    ("shop", "warm-cache", "5", "/200/45"),
    ("mail", "digest", "0 7 * * *", "/200/610"),
    ("mail", "newsletter", "0 9 * * TUE", "/200/2300"),
    ("mail", "bounces", "*/20 * * * *", "/200/130"),
    ("mail", "reminders", "*/15 * * * *", "/200/95"),
    ("search", "embeddings", "0 */3 * * *", "/200/3100"),
    ("search", "compact", "40 1 * * *", "/200/900"),
    ("search", "suggestions", "30", "/200/210"),
    ("reports", "daily", "0 4 * * *", "/200/1500"),
    ("reports", "weekly", "0 5 * * MON", "/200/2100"),
    ("reports", "monthly", "0 6 1 * *", "/200/3600"),
    ("reports", "export", "*/30 * * * *", "/200/480"),
    ("hooks", "retry-failed", "*/5 * * * *", "/flaky/70"),
    ("hooks", "rotate-keys", "0 0 * * SUN", "/200/60"),
    ("ops", "heartbeat", "5", "/204/12"),
    ("ops", "certificates", "30 6 * * *", "/200/330"),
    ("ops", "backup", "0 2 * * *", "/200/4200"),
    ("ops", "backup-verify", "30 4 * * *", "/200/1700"),
    ("ops", "prune-logs", "45 3 * * *", "/200/800"),
    ("ops", "disk-report", "0 */6 * * *", "/200/160"),
    ("crm", "import-leads", "*/10 * * * *", "/200/310"),
    ("crm", "score-leads", "50 * * * *", "/200/940"),
];

/// Jobs that fail, by key, and where they call.
const FAILING: [(&str, &str); 4] = [
    ("billing-collect-payments-us", "/503/90"),
    ("crm-import-leads-us", "/503/110"),
    ("shop-prices-ap", "/404/30"),
    ("search-suggestions-eu", ""),
];

/// The bodies of requests that create them.
pub fn all(target: u16) -> Vec<Value> {
    let mut jobs = Vec::new();
    for (service, task, schedule, path) in TASKS {
        for (region, zone) in REGIONS.into_iter().zip(ZONES) {
            jobs.push(recurring((service, task, schedule, path), (region, zone), target));
        }
    }
    jobs.push(json!({
        "name": "Move the archive", "key": "move-archive", "kind": "scheduled", "schedule": { "run_at": "2999-01-01T03:00:00Z" },
        "tags": ["ops"], "request": { "url": url("ops", target, "/200/900"), "method": "POST" },
    }));
    jobs.push(json!({
        "name": "Notify the auditors", "key": "notify-auditors", "kind": "cron", "schedule": { "cron": "0 8 1 1 *" }, "tags": ["reports"],
        "request": { "url": url("reports", target, "/200/90"), "headers": { "Authorization": "Bearer secret://auditors-token" } },
    }));
    jobs.push(json!({
        "name": "Draft of a webhook", "key": "draft-webhook", "state": "draft", "schedule": { "cron": "*/5 * * * *" }, "tags": ["hooks"],
        "request": { "url": url("hooks", target, "/200/50"), "method": "POST", "body": { "event": "ping", "run": "{{execution_id}}" } },
    }));
    jobs
}

fn recurring(
    (service, task, schedule, path): (&str, &str, &str, &str),
    (region, zone): (&str, &str),
    target: u16,
) -> Value {
    let key = format!("{service}-{task}-{region}");
    let failing = FAILING.iter().find(|(failing, _)| *failing == key).map(|(_, path)| *path);
    let url = match failing {
        // A host that was switched off.
        Some("") => "http://old-search.invalid/suggestions".to_owned(),
        Some(path) => url(service, target, path),
        None => url(service, target, path),
    };
    let schedule = match schedule.parse::<u16>() {
        Ok(minutes) => json!({ "every_n_minutes": minutes }),
        Err(_) => json!({ "cron": schedule, "timezone": zone }),
    };
    let name = format!("{} {} {}", capitalised(service), task.replace('-', " "), region.to_uppercase());
    let mut job = json!({
        "name": name, "key": key, "schedule": schedule, "tags": [service, region],
        "request": { "url": url, "method": "POST", "headers": { "X-Region": region }, "body": { "region": region }, "timeout_seconds": 20 },
        "retry_policy": { "max_attempts": 2 },
    });
    if service == "billing" {
        job["request"]["headers"]["Authorization"] = json!("Bearer secret://api-key");
        job["overlap_policy"] = json!("skip");
        job["concurrency_limit"] = json!(1);
    }
    job
}

fn url(service: &str, target: u16, path: &str) -> String {
    format!("http://{service}.localhost:{target}{path}")
}

fn capitalised(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn keys_are_unique_and_the_failing_jobs_exist() {
        let all = all(8081);
        let keys: BTreeSet<&str> = all.iter().filter_map(|job| job["key"].as_str()).collect();
        assert_eq!(keys.len(), all.len());
        assert!(all.len() >= 100);
        assert!(FAILING.iter().all(|(key, _)| keys.contains(key)));
    }
}
