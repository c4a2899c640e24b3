//! An installation that keeps executions for more than a year.

use chrono::{Days, SecondsFormat};
use futures_util::future::join_all;
use serde_json::json;
use trigrun_core::store::partitions;

use crate::app::App;

const DAYS: u16 = 400;
const AT_ONCE: usize = 16;
/// A statement that plans a partition locks it and its indexes.
const MAX_PARTITIONS: i64 = 64;

#[tokio::test(flavor = "multi_thread")]
async fn the_executions_of_four_hundred_days_can_be_read() {
    let app = App::new().await;
    let (mut conn, now) = (app.db.conn().await, app.db.now().await);
    for ago in (1..=DAYS).rev() {
        let day = now - Days::new(ago.into());
        partitions::make_ahead(&mut conn, day, partitions::width(DAYS)).await.unwrap();
    }
    for table in ["executions", "earlier_attempts"] {
        let of_table = format!("select count(*) from pg_inherits where inhparent = '{table}'::regclass");
        let count = app.db.count(&of_table).await;
        assert!((20..MAX_PARTITIONS).contains(&count), "{count} partitions of {table}");
    }
    let job = app.job(&json!({ "schedule": { "every_n_minutes": 1440 } })).await;
    for table in ["jobs", "job_versions"] {
        app.db.execute(&format!("update {table} set created_at = now() - interval '399 days'")).await;
    }
    let from = (now - Days::new(398)).to_rfc3339_opts(SecondsFormat::Secs, true);
    let due = app.get(&format!("/v1/jobs/{job}/ledger?from={from}")).await.expect(200)["due"].clone();
    assert!((397..=399).contains(&due.as_u64().unwrap()), "{due}");
    for path in [
        "/v1/executions".to_owned(),
        format!("/v1/executions?from={from}&status=failed"),
        format!("/v1/jobs/{job}/executions"),
        format!("/v1/jobs/{job}/ledger?from={from}"),
        format!("/v1/ledger?from={from}"),
        format!("/v1/jobs/{job}/explain?at={from}"),
        "/v1/failures".to_owned(),
        format!("/v1/jobs/activity?ids={job}"),
    ] {
        for response in join_all((0..AT_ONCE).map(|_| app.get(&path))).await {
            response.expect(200);
        }
    }
}
