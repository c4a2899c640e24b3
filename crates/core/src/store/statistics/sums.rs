//! Sums that are kept: read, added to, and written back. Only the transaction that holds the position does so.

use chrono::{DateTime, Utc};
use diesel::{
    prelude::*,
    sql_query,
    sql_types::{Array, BigInt, Binary, Text, Timestamptz, Uuid as SqlUuid},
};
use diesel_async::RunQueryDsl;
use std::collections::HashMap;
use uuid::Uuid;

use super::hour;
use crate::{
    domain::{
        id::WorkspaceId,
        statistics::{Histogram, Recorded, Sums, bucket},
    },
    store::{Conn, StoreError, sql::prepared},
};

/// How many sums one statement reads or writes.
const BATCH: usize = 5000;

/// What sums are kept by, besides workspace and time.
#[derive(Clone, Copy, Debug)]
pub enum Grain {
    Minutes,
    Hours,
    Hosts,
}

/// What a sum is kept by: workspace, time, and a job's id, a host or nothing.
type Key = (WorkspaceId, DateTime<Utc>, String);

/// Sums of the executions that a transaction counts.
#[derive(Default)]
pub struct Accumulated(HashMap<Key, Sums>);

impl Accumulated {
    pub fn add_minute(&mut self, recorded: &Recorded) {
        let key = (recorded.workspace, bucket(recorded.scheduled_for, 60), String::new());
        self.0.entry(key).or_default().add(recorded);
    }

    pub fn add_hour(&mut self, recorded: &Recorded) {
        let key = (recorded.workspace, hour(recorded.scheduled_for), recorded.job.uuid().to_string());
        self.0.entry(key).or_default().add(recorded);
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }
}

/// The statements of a table: `$key` is the column of the third part of the key, converted from text.
macro_rules! statements {
    ($table:literal, $columns:literal, $wanted:literal, $found:literal) => {
        (
            concat!(
                "select k.number, s.succeeded, s.failed, s.cancelled, s.skipped, s.retried, s.attempts, s.lateness, s.duration
                 from unnest($1::uuid[], $2::timestamptz[], $3::text[]) with ordinality as k(workspace_id, at, key, number)
                 join lateral (select * from ", $table, " s where s.workspace_id = k.workspace_id and s.at = k.at", $found,
                " limit 1) s on true"
            ),
            concat!(
                "insert into ", $table, " (workspace_id, at", $columns, ", succeeded, failed, cancelled, skipped, retried, attempts,
                                           lateness, duration)
                 select workspace_id, at", $wanted, ", succeeded, failed, cancelled, skipped, retried, attempts, lateness, duration
                 from unnest($1::uuid[], $2::timestamptz[], $3::text[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[],
                             $8::bigint[], $9::bigint[], $10::bytea[], $11::bytea[])
                   as k(workspace_id, at, key, succeeded, failed, cancelled, skipped, retried, attempts, lateness, duration)
                 on conflict (workspace_id, at", $columns, ") do update set
                   succeeded = excluded.succeeded, failed = excluded.failed, cancelled = excluded.cancelled,
                   skipped = excluded.skipped, retried = excluded.retried, attempts = excluded.attempts,
                   lateness = excluded.lateness, duration = excluded.duration"
            ),
        )
    };
}

impl Grain {
    /// What reads and what writes.
    const fn statements(self) -> (&'static str, &'static str) {
        match self {
            Self::Minutes => statements!("stats_minutes", "", "", ""),
            Self::Hours => {
                statements!("stats_hours", ", job_id", ", key::uuid", " and s.job_id = k.key::uuid")
            }
            Self::Hosts => statements!("stats_hosts", ", host", ", key", " and s.host = k.key collate \"C\""),
        }
    }
}

/// The columns of sums.
#[derive(QueryableByName)]
pub struct SumsRow {
    #[diesel(sql_type = BigInt)]
    succeeded: i64,
    #[diesel(sql_type = BigInt)]
    failed: i64,
    #[diesel(sql_type = BigInt)]
    cancelled: i64,
    #[diesel(sql_type = BigInt)]
    skipped: i64,
    #[diesel(sql_type = BigInt)]
    retried: i64,
    #[diesel(sql_type = BigInt)]
    attempts: i64,
    #[diesel(sql_type = Binary)]
    lateness: Vec<u8>,
    #[diesel(sql_type = Binary)]
    duration: Vec<u8>,
}

impl SumsRow {
    pub fn into_sums(self) -> Result<Sums, StoreError> {
        let read = |column, bytes: &[u8]| {
            Histogram::from_bytes(bytes).map_err(|why| StoreError::unreadable(column, why))
        };
        let Self { succeeded, failed, cancelled, skipped, retried, attempts, lateness, duration } = self;
        let (lateness, duration) = (read("lateness", &lateness)?, read("duration", &duration)?);
        Ok(Sums { succeeded, failed, cancelled, skipped, retried, attempts, lateness, duration })
    }
}

#[derive(QueryableByName)]
struct FoundRow {
    #[diesel(sql_type = BigInt)]
    number: i64,
    #[diesel(embed)]
    sums: SumsRow,
}

/// Adds to what is kept.
pub async fn write(conn: &mut Conn, grain: Grain, accumulated: Accumulated) -> Result<(), StoreError> {
    let mut all: Vec<(Key, Sums)> = accumulated.0.into_iter().collect();
    // Neighbours in the table are written together.
    all.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
    for batch in all.chunks_mut(BATCH) {
        add_kept(conn, grain, batch).await?;
        write_batch(conn, grain, batch).await?;
    }
    Ok(())
}

fn column<T>(batch: &[(Key, Sums)], value: impl Fn(&Key, &Sums) -> T) -> Vec<T> {
    batch.iter().map(|(key, sums)| value(key, sums)).collect()
}

async fn add_kept(conn: &mut Conn, grain: Grain, batch: &mut [(Key, Sums)]) -> Result<(), StoreError> {
    let (read, _) = grain.statements();
    let found: Vec<FoundRow> = prepared(
        sql_query(read)
            .bind::<Array<SqlUuid>, _>(column(batch, |key, _| key.0.uuid()))
            .bind::<Array<Timestamptz>, _>(column(batch, |key, _| key.1))
            .bind::<Array<Text>, _>(column(batch, |key, _| key.2.clone())),
    )
    .load(conn)
    .await?;
    for FoundRow { number, sums } in found {
        let index = usize::try_from(number).unwrap_or(0).checked_sub(1);
        if let Some((_, into)) = index.and_then(|index| batch.get_mut(index)) {
            into.merge(&sums.into_sums()?);
        }
    }
    Ok(())
}

async fn write_batch(conn: &mut Conn, grain: Grain, batch: &[(Key, Sums)]) -> Result<(), StoreError> {
    let (_, write) = grain.statements();
    prepared(
        sql_query(write)
            .bind::<Array<SqlUuid>, _>(column(batch, |key, _| key.0.uuid()))
            .bind::<Array<Timestamptz>, _>(column(batch, |key, _| key.1))
            .bind::<Array<Text>, _>(column(batch, |key, _| key.2.clone()))
            .bind::<Array<BigInt>, _>(column(batch, |_, sums| sums.succeeded))
            .bind::<Array<BigInt>, _>(column(batch, |_, sums| sums.failed))
            .bind::<Array<BigInt>, _>(column(batch, |_, sums| sums.cancelled))
            .bind::<Array<BigInt>, _>(column(batch, |_, sums| sums.skipped))
            .bind::<Array<BigInt>, _>(column(batch, |_, sums| sums.retried))
            .bind::<Array<BigInt>, _>(column(batch, |_, sums| sums.attempts))
            .bind::<Array<Binary>, _>(column(batch, |_, sums| sums.lateness.to_bytes()))
            .bind::<Array<Binary>, _>(column(batch, |_, sums| sums.duration.to_bytes())),
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Sums of jobs by the host that each calls now; a deleted job has none.
pub async fn of_hosts(conn: &mut Conn, hours: &Accumulated) -> Result<Accumulated, StoreError> {
    #[derive(QueryableByName)]
    struct HostRow {
        #[diesel(sql_type = Text)]
        job: String,
        #[diesel(sql_type = Text)]
        host: String,
    }
    let jobs: Vec<Uuid> = hours.0.keys().filter_map(|key| key.2.parse().ok()).collect();
    let mut hosts: HashMap<String, String> = HashMap::new();
    for batch in jobs.chunks(BATCH) {
        let rows: Vec<HostRow> = prepared(
            sql_query(
                "select j.id::text as job, j.host from unnest($1::uuid[]) as wanted(id)
                 join lateral (select * from jobs j where j.id = wanted.id limit 1) j on true",
            )
            .bind::<Array<SqlUuid>, _>(batch),
        )
        .load(conn)
        .await?;
        hosts.extend(rows.into_iter().map(|row| (row.job, row.host)));
    }
    let mut by_host = Accumulated::default();
    for ((workspace, at, job), sums) in &hours.0 {
        let host = hosts.get(job).cloned().unwrap_or_default();
        by_host.0.entry((*workspace, *at, host)).or_default().merge(sums);
    }
    Ok(by_host)
}
