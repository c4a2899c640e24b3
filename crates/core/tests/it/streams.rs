//! Dispatch messages on a real Redis: published, received once, acknowledged, and restored after the server lost everything.

use chrono::{DateTime, Utc};
use secrecy::ExposeSecret;
use std::time::Duration;
use trigrun_core::{
    domain::{
        dispatch::Dispatch,
        id::{ExecutionId, ExecutorId, WorkspaceId},
    },
    stream::{
        Consumer, Producer, Received, RedisSettings, check::StreamChecker, consumer::Acknowledger,
        installations::Installations, key::Lane,
    },
};
use trigrun_testkit::{due, own_redis::OwnRedis, redis};
use uuid::Uuid;

/// Only ends a test that hangs.
const TIMEOUT: Duration = Duration::from_secs(180);
const READ_TIMEOUT: Duration = Duration::from_millis(50);

fn instant(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_800_000_000 + seconds, 0).unwrap()
}

fn dispatch(shard: i16, seconds: i64) -> Dispatch {
    Dispatch {
        execution: ExecutionId::from_uuid(Uuid::new_v4()),
        workspace: WorkspaceId::from_uuid(Uuid::from_u128(u128::from(shard.unsigned_abs()))),
        shard,
        due_at: instant(seconds),
        traceparent: None,
    }
}

fn consumer(settings: &RedisSettings) -> (Consumer, ExecutorId) {
    let session = ExecutorId::from_uuid(Uuid::now_v7());
    (Consumer::new(settings, session).unwrap(), session)
}

/// The dispatch messages of a few reads; the first read may only create the groups.
async fn receive(consumer: &mut Consumer, max: usize) -> Vec<Received> {
    let mut received = Vec::new();
    for _ in 0..4 {
        received.extend(consumer.receive(&Lane::ALL, max, READ_TIMEOUT).await.unwrap());
    }
    received
}

fn executions(received: Vec<Received>) -> Vec<ExecutionId> {
    received.into_iter().filter_map(|received| received.executions).flatten().collect()
}

#[tokio::test]
async fn messages_published_together_are_received_together() {
    let settings = redis::settings();
    let (mut reader, _) = consumer(&settings);
    receive(&mut reader, 1).await;
    // Each from its own workspace, so that none exceeds its allowance.
    let own = |n| Dispatch { workspace: WorkspaceId::from_uuid(Uuid::new_v4()), ..dispatch(3, n) };
    let dispatches: Vec<Dispatch> = (0..40).map(own).collect();
    Producer::new(&settings).unwrap().publish(&dispatches, instant(0)).await.unwrap();
    // Capacity for one: an entry is not divided.
    let mut received = Vec::new();
    while received.len() < 3 {
        received.extend(reader.receive(&Lane::ALL, 1, READ_TIMEOUT).await.unwrap());
    }
    let sizes: Vec<usize> =
        received.iter().map(|received| received.executions.as_ref().unwrap().len()).collect();
    assert_eq!(sizes, [16, 16, 8]);
    assert_eq!(
        executions(received),
        dispatches.iter().map(|dispatch| dispatch.execution).collect::<Vec<_>>()
    );
}

#[tokio::test]
async fn each_dispatch_message_is_received_by_one_executor() {
    let settings = redis::settings();
    let (mut one, _) = consumer(&settings);
    let (mut other, _) = consumer(&settings);
    receive(&mut one, 1).await;
    let dispatches: Vec<Dispatch> = (0..100).map(|n| dispatch(n % 16, i64::from(n))).collect();
    Producer::new(&settings).unwrap().publish(&dispatches, instant(0)).await.unwrap();
    let (first, second) = tokio::join!(receive(&mut one, 32), receive(&mut other, 32));
    let mut received: Vec<ExecutionId> =
        first.into_iter().chain(second).flat_map(|received| received.executions.unwrap()).collect();
    let mut published: Vec<ExecutionId> = dispatches.iter().map(|dispatch| dispatch.execution).collect();
    received.sort();
    published.sort();
    assert_eq!(received, published);
}

#[tokio::test]
async fn a_full_shard_does_not_delay_the_others() {
    let settings = redis::settings();
    let (mut reader, _) = consumer(&settings);
    receive(&mut reader, 1).await;
    let mut dispatches: Vec<Dispatch> = (0..1000).map(|n| dispatch(3, n)).collect();
    let quiet = dispatch(9, 5000);
    dispatches.push(quiet.clone());
    Producer::new(&settings).unwrap().publish(&dispatches, instant(0)).await.unwrap();
    // With little capacity, the shards alternate.
    let mut received = Vec::new();
    for _ in 0..16 {
        let more = executions(reader.receive(&Lane::ALL, 32, READ_TIMEOUT).await.unwrap());
        assert!(more.len() <= 32, "{}", more.len());
        received.extend(more);
    }
    assert!(received.contains(&quiet.execution) && received.len() > 100, "{}", received.len());
    let with_capacity = executions(reader.receive(&Lane::ALL, 512, READ_TIMEOUT).await.unwrap());
    assert!(with_capacity.len() > 300, "the rest: {}", with_capacity.len());
}

#[tokio::test]
async fn a_workspace_with_a_backlog_does_not_delay_its_neighbours() {
    let settings = redis::settings();
    let (mut reader, _) = consumer(&settings);
    reader.receive(&Lane::ALL, 32, READ_TIMEOUT).await.unwrap();
    let quiet = Dispatch { workspace: WorkspaceId::from_uuid(Uuid::new_v4()), ..dispatch(3, 5000) };
    let dispatches: Vec<Dispatch> = (0..10_000).map(|n| dispatch(3, n)).chain([quiet.clone()]).collect();
    Producer::new(&settings).unwrap().publish(&dispatches, instant(0)).await.unwrap();
    let mut before = 0;
    loop {
        let received = executions(reader.receive(&Lane::ALL, 320, READ_TIMEOUT).await.unwrap());
        before += received.len();
        if received.contains(&quiet.execution) {
            break;
        }
    }
    assert!(before < 5000, "{before} of 10,000 were received before, of the same shard");
}

#[tokio::test]
async fn the_oldest_undelivered_entry_is_known() {
    let settings = redis::settings();
    let mut producer = Producer::new(&settings).unwrap();
    assert_eq!(producer.oldest_undelivered(2).await.unwrap(), None, "the stream does not exist");
    // In the order of publication, whatever their due times.
    producer.publish(&[dispatch(2, 99)], instant(10)).await.unwrap();
    producer.publish(&[dispatch(2, 5)], instant(20)).await.unwrap();
    assert_eq!(producer.oldest_undelivered(2).await.unwrap(), Some(instant(10)), "no group has read it");
    let (mut reader, _) = consumer(&settings);
    while reader.receive(&Lane::ALL, 1, READ_TIMEOUT).await.unwrap().is_empty() {}
    assert_eq!(producer.oldest_undelivered(2).await.unwrap(), Some(instant(20)));
    while reader.receive(&Lane::ALL, 1, READ_TIMEOUT).await.unwrap().is_empty() {}
    assert_eq!(producer.oldest_undelivered(2).await.unwrap(), None, "everything was delivered");
}

#[tokio::test]
async fn a_wiped_server_is_recovered() {
    let settings = redis::settings();
    let (mut reader, _) = consumer(&settings);
    receive(&mut reader, 1).await;
    let mut connection = redis::connection().await;
    for shard in 0..16 {
        let key = format!("{}:{{{shard}}}:executions", settings.namespace);
        let _: i64 = ::redis::cmd("DEL").arg(key).query_async(&mut connection).await.unwrap();
    }
    let after = dispatch(1, 1);
    Producer::new(&settings).unwrap().publish(std::slice::from_ref(&after), instant(0)).await.unwrap();
    let mut received = Vec::new();
    // The first read reports that the group does not exist, and creates it.
    for _ in 0..20 {
        received.extend(reader.receive(&Lane::ALL, 16, READ_TIMEOUT).await.unwrap_or_default());
    }
    assert_eq!(executions(received), [after.execution]);
}

#[tokio::test]
async fn invalid_entries_are_reported_as_invalid() {
    let settings = redis::settings();
    let key = format!("{}:{{4}}:executions", settings.namespace);
    let mut connection = redis::connection().await;
    let _: String =
        ::redis::cmd("XADD").arg(key).arg("*").arg("x").arg("y").query_async(&mut connection).await.unwrap();
    let (mut reader, _) = consumer(&settings);
    let received = receive(&mut reader, 16).await;
    assert_eq!((received.len(), received[0].executions.is_none()), (1, true));
}

#[tokio::test]
async fn acknowledged_entries_are_deleted_and_expired_readers_removed() {
    let settings = redis::settings();
    let (mut reader, session) = consumer(&settings);
    let (mut expired, _) = consumer(&settings);
    let mut producer = Producer::new(&settings).unwrap();
    producer.publish(&[dispatch(5, 1)], instant(0)).await.unwrap();
    let received = receive(&mut reader, 16).await;
    let receipts: Vec<_> = received.into_iter().map(|received| received.receipt).collect();
    Acknowledger::new(&settings).unwrap().acknowledge(&receipts).await.unwrap();
    producer.publish(&[dispatch(5, 2)], instant(0)).await.unwrap();
    assert_eq!(receive(&mut expired, 16).await.len(), 1);
    assert_eq!(
        producer.retire(&[session]).await.unwrap(),
        1,
        "the one reader that got something and is expired"
    );
    let mut connection = redis::connection().await;
    let key = format!("{}:{{5}}:executions", settings.namespace);
    let left: usize = ::redis::cmd("XLEN").arg(&key).query_async(&mut connection).await.unwrap();
    assert_eq!(left, 0);
    assert_eq!(producer.oldest_undelivered(5).await.unwrap(), None);
}

#[tokio::test]
async fn a_check_finds_a_redis_whose_streams_cannot_be_used() {
    let usable = redis::settings();
    StreamChecker::new(&usable).unwrap().check().await.unwrap();
    let mut connection = redis::connection().await;
    let left: Vec<String> = ::redis::cmd("KEYS")
        .arg(format!("{}:*", usable.namespace))
        .query_async(&mut connection)
        .await
        .unwrap();
    assert!(left.is_empty(), "{left:?}");

    let cluster = OwnRedis::start(&["--cluster-enabled", "yes"]).await.unwrap();
    cluster.run(&["CLUSTER", "ADDSLOTSRANGE", "0", "16383"]).await.unwrap();
    let is_formed = async || {
        let error = StreamChecker::new(&cluster.settings()).unwrap().check().await.unwrap_err();
        error.advice().is_some_and(|advice| advice.contains("cluster mode"))
            && error.to_string().contains("CrossSlot")
    };
    due::until("the cluster is formed, and refuses to read two slots", TIMEOUT, is_formed).await.unwrap();

    let replica = OwnRedis::start(&[]).await.unwrap();
    replica.run(&["REPLICAOF", "127.0.0.1", "1"]).await.unwrap();
    let full = OwnRedis::start(&["--maxmemory", "1"]).await.unwrap();
    for (server, expected) in [(&replica, "replica"), (&full, "maxmemory")] {
        let error = StreamChecker::new(&server.settings()).unwrap().check().await.expect_err(expected);
        assert!(error.advice().is_some_and(|advice| advice.contains(expected)), "{error}");
    }
}

#[tokio::test]
async fn a_check_finds_a_permission_that_is_missing() {
    let server = OwnRedis::start(&[]).await.unwrap();
    let settings = |user: &str| {
        let address = server.settings().url.expose_secret().replace("redis://", "");
        RedisSettings {
            url: format!("redis://{user}:pw@{address}").into(),
            namespace: "ours".into(),
            ..server.settings()
        }
    };
    let allow = async |user: &str, rules: &[&str]| {
        let words = [&["ACL", "SETUSER", user, "on", ">pw"], rules].concat();
        server.run(&words).await.unwrap();
    };
    // As the error advises.
    allow(
        "right",
        &["~ours:*", "+@stream", "+@scripting", "+@sortedset", "+get", "+set", "+del", "+time", "+info"],
    )
    .await;
    StreamChecker::new(&settings("right")).unwrap().check().await.unwrap();
    Installations::new(&settings("right"), Uuid::new_v4()).unwrap().announce().await.unwrap();
    allow("other_keys", &["~other:*", "+@all"]).await;
    for command in ["xadd", "xgroup", "xreadgroup", "xinfo", "xpending", "xrange", "xack", "xdel"] {
        allow(command, &["~ours:*", "+@all", &format!("-{command}")]).await;
    }
    for user in ["other_keys", "xadd", "xgroup", "xreadgroup", "xinfo", "xpending", "xrange", "xack", "xdel"]
    {
        let error = StreamChecker::new(&settings(user)).unwrap().check().await.expect_err(user);
        assert!(error.advice().is_some_and(|advice| advice.contains("+@stream")), "{user}: {error}");
    }
}
