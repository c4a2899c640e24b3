//! The doorbells, on a real Redis: rung, heard once, acknowledged, and back after the server forgot everything.

use chrono::{DateTime, Utc};
use std::time::Duration;
use trigrun_core::{
    domain::{
        bell::Bell,
        id::{ExecutionId, SessionId, WorkspaceId},
    },
    stream::{Consumer, Heard, Producer, RedisSettings, consumer::Acknowledger},
};
use trigrun_testkit::redis;
use uuid::Uuid;

const SOON: Duration = Duration::from_millis(50);

fn instant(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_800_000_000 + seconds, 0).unwrap()
}

const ALL: [i16; 16] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15];

fn bell(shard: i16, seconds: i64) -> Bell {
    Bell {
        execution: ExecutionId::from_uuid(Uuid::new_v4()),
        workspace: WorkspaceId::from_uuid(Uuid::from_u128(u128::from(shard.unsigned_abs()))),
        shard,
        due_at: instant(seconds),
        traceparent: None,
    }
}

fn consumer(settings: &RedisSettings) -> (Consumer, SessionId) {
    let session = SessionId::from_uuid(Uuid::now_v7());
    (Consumer::new(settings, session).unwrap(), session)
}

/// The bells of a few reads; the first may only make the groups.
async fn hear(consumer: &mut Consumer, most: usize) -> Vec<Heard> {
    let mut heard = Vec::new();
    for _ in 0..4 {
        heard.extend(consumer.hear(&ALL, most, SOON).await.unwrap());
    }
    heard
}

fn executions(heard: Vec<Heard>) -> Vec<ExecutionId> {
    heard.into_iter().filter_map(|heard| heard.executions).flatten().collect()
}

#[tokio::test]
async fn what_is_rung_together_is_heard_together() {
    let settings = redis::settings();
    let (mut reader, _) = consumer(&settings);
    hear(&mut reader, 1).await;
    // Each from a workspace of its own, so that none of them rings too often.
    let own = |n| Bell { workspace: WorkspaceId::from_uuid(Uuid::new_v4()), ..bell(3, n) };
    let bells: Vec<Bell> = (0..40).map(own).collect();
    Producer::new(&settings).unwrap().ring(&bells, instant(0)).await.unwrap();
    // Room for one: an entry is not divided.
    let mut heard = Vec::new();
    while heard.len() < 3 {
        heard.extend(reader.hear(&ALL, 1, SOON).await.unwrap());
    }
    let sizes: Vec<usize> = heard.iter().map(|heard| heard.executions.as_ref().unwrap().len()).collect();
    assert_eq!(sizes, [16, 16, 8]);
    assert_eq!(executions(heard), bells.iter().map(|bell| bell.execution).collect::<Vec<_>>());
}

#[tokio::test]
async fn each_bell_is_heard_by_one_reader() {
    let settings = redis::settings();
    let (mut one, _) = consumer(&settings);
    let (mut other, _) = consumer(&settings);
    hear(&mut one, 1).await;
    let bells: Vec<Bell> = (0..100).map(|n| bell(n % 16, i64::from(n))).collect();
    Producer::new(&settings).unwrap().ring(&bells, instant(0)).await.unwrap();
    let (first, second) = tokio::join!(hear(&mut one, 32), hear(&mut other, 32));
    let mut heard: Vec<ExecutionId> =
        first.into_iter().chain(second).flat_map(|heard| heard.executions.unwrap()).collect();
    let mut rung: Vec<ExecutionId> = bells.iter().map(|bell| bell.execution).collect();
    heard.sort();
    rung.sort();
    assert_eq!(heard, rung);
}

#[tokio::test]
async fn a_full_shard_does_not_keep_the_others_waiting() {
    let settings = redis::settings();
    let (mut reader, _) = consumer(&settings);
    hear(&mut reader, 1).await;
    let mut bells: Vec<Bell> = (0..1000).map(|n| bell(3, n)).collect();
    let quiet = bell(9, 5000);
    bells.push(quiet.clone());
    Producer::new(&settings).unwrap().ring(&bells, instant(0)).await.unwrap();
    // With few places they take turns.
    let mut heard = Vec::new();
    for _ in 0..16 {
        let more = executions(reader.hear(&ALL, 32, SOON).await.unwrap());
        assert!(more.len() <= 32, "{}", more.len());
        heard.extend(more);
    }
    assert!(heard.contains(&quiet.execution) && heard.len() > 100, "{}", heard.len());
    let with_room = executions(reader.hear(&ALL, 512, SOON).await.unwrap());
    assert!(with_room.len() > 300, "the rest: {}", with_room.len());
}

#[tokio::test]
async fn one_with_very_many_does_not_keep_its_neighbours_waiting() {
    let settings = redis::settings();
    let (mut reader, _) = consumer(&settings);
    reader.hear(&ALL, 32, SOON).await.unwrap();
    let quiet = Bell { workspace: WorkspaceId::from_uuid(Uuid::new_v4()), ..bell(3, 5000) };
    let bells: Vec<Bell> = (0..10_000).map(|n| bell(3, n)).chain([quiet.clone()]).collect();
    Producer::new(&settings).unwrap().ring(&bells, instant(0)).await.unwrap();
    let mut before = 0;
    loop {
        let heard = executions(reader.hear(&ALL, 320, SOON).await.unwrap());
        before += heard.len();
        if heard.contains(&quiet.execution) {
            break;
        }
    }
    assert!(before < 1000, "{before} were heard before, of the same shard");
}

#[tokio::test]
async fn how_far_a_stream_was_heard_is_known() {
    let settings = redis::settings();
    let mut producer = Producer::new(&settings).unwrap();
    assert_eq!(producer.oldest_unheard(2).await.unwrap(), None, "there is no stream");
    // In the order of ringing, whatever is due when.
    producer.ring(&[bell(2, 99)], instant(10)).await.unwrap();
    producer.ring(&[bell(2, 5)], instant(20)).await.unwrap();
    assert_eq!(producer.oldest_unheard(2).await.unwrap(), Some(instant(10)), "there is no reader");
    let (mut reader, _) = consumer(&settings);
    while reader.hear(&[2], 1, SOON).await.unwrap().is_empty() {}
    assert_eq!(producer.oldest_unheard(2).await.unwrap(), Some(instant(20)));
    while reader.hear(&[2], 1, SOON).await.unwrap().is_empty() {}
    assert_eq!(producer.oldest_unheard(2).await.unwrap(), None, "all was handed out");
}

#[tokio::test]
async fn a_wiped_server_is_ordinary() {
    let settings = redis::settings();
    let (mut reader, _) = consumer(&settings);
    hear(&mut reader, 1).await;
    let mut connection = redis::connection().await;
    for shard in 0..16 {
        let key = format!("{}:{{{shard}}}:executions", settings.namespace);
        let _: i64 = ::redis::cmd("DEL").arg(key).query_async(&mut connection).await.unwrap();
    }
    let after = bell(1, 1);
    Producer::new(&settings).unwrap().ring(std::slice::from_ref(&after), instant(0)).await.unwrap();
    let mut heard = Vec::new();
    // The first read says that the group is gone, and makes it again.
    for _ in 0..20 {
        heard.extend(reader.hear(&ALL, 16, SOON).await.unwrap_or_default());
    }
    assert_eq!(executions(heard), [after.execution]);
}

#[tokio::test]
async fn garbage_is_heard_as_garbage() {
    let settings = redis::settings();
    let key = format!("{}:{{4}}:executions", settings.namespace);
    let mut connection = redis::connection().await;
    let _: String =
        ::redis::cmd("XADD").arg(key).arg("*").arg("x").arg("y").query_async(&mut connection).await.unwrap();
    let (mut reader, _) = consumer(&settings);
    let heard = hear(&mut reader, 16).await;
    assert_eq!((heard.len(), heard[0].executions.is_none()), (1, true));
}

#[tokio::test]
async fn acknowledged_entries_are_gone_and_dead_readers_are_retired() {
    let settings = redis::settings();
    let (mut reader, session) = consumer(&settings);
    let (mut dead, _) = consumer(&settings);
    let mut producer = Producer::new(&settings).unwrap();
    producer.ring(&[bell(5, 1)], instant(0)).await.unwrap();
    let heard = hear(&mut reader, 16).await;
    let receipts: Vec<_> = heard.into_iter().map(|heard| heard.receipt).collect();
    Acknowledger::new(&settings).unwrap().acknowledge(&receipts).await.unwrap();
    producer.ring(&[bell(5, 2)], instant(0)).await.unwrap();
    assert_eq!(hear(&mut dead, 16).await.len(), 1);
    assert_eq!(
        producer.retire(&[session]).await.unwrap(),
        1,
        "the one reader that got something and is dead"
    );
    let mut connection = redis::connection().await;
    let key = format!("{}:{{5}}:executions", settings.namespace);
    let left: usize = ::redis::cmd("XLEN").arg(&key).query_async(&mut connection).await.unwrap();
    assert_eq!(left, 0);
    assert_eq!(producer.oldest_unheard(5).await.unwrap(), None);
}
