//! Two installations, each with its own database, on one namespace in Redis.

use chrono::TimeDelta;
use trigrun_core::{store::installation, stream::installations::Installations};
use trigrun_scheduler::{Scheduler, installations::announce, plan::plan, publish::publish_requested};
use trigrun_testkit::jobs::every_seconds;

use crate::bench::{Bench, URL};

/// Databases of tests are copies, with the same id. A new installation has its own.
const NEW_ID: &str = "update installation set id = gen_random_uuid()";

#[tokio::test]
async fn installations_in_one_namespace_share_no_stream_and_detect_each_other() {
    let (mut one, mut other) = (Bench::new().await, Bench::new().await);
    other.db.execute(NEW_ID).await;
    other.settings.redis = one.settings.redis.clone();
    let schedulers: [Scheduler; 2] = [one.scheduler().await, other.scheduler().await];
    other.reader = other.reader().await;
    let job = other.job_due(TimeDelta::seconds(1), &every_seconds(3600, URL)).await;
    other.run_now(job).await;
    plan(&schedulers[1]).await.unwrap();
    publish_requested(&schedulers[1]).await.unwrap();
    assert!(one.received().await.is_empty());
    assert!(!other.received().await.is_empty());

    let id = installation::id(&mut *one.db.conn().await).await.unwrap();
    let mut namespace = Installations::new(&one.settings.redis, id).unwrap();
    announce(&schedulers[0]).await.unwrap();
    assert!(namespace.others().await.unwrap().is_empty(), "it is alone");
    announce(&schedulers[1]).await.unwrap();
    announce(&schedulers[1]).await.unwrap();
    let id = installation::id(&mut *other.db.conn().await).await.unwrap();
    assert_eq!(namespace.others().await.unwrap(), [id.to_string()]);
}
