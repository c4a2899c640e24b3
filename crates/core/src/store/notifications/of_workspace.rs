//! Notifications by the rules of workspaces, for executions that have been counted.

use chrono::{DateTime, Utc};
use diesel::{
    QueryableByName, sql_query,
    sql_types::{Array, Nullable, SmallInt, Text, Timestamptz, Uuid as SqlUuid},
};
use diesel_async::RunQueryDsl;
use std::collections::{HashMap, HashSet};
use uuid::Uuid;

use super::{NewNotification, insert};
use crate::{
    domain::{
        execution::Status,
        notification::{NotificationEvent, Rule, Selector, SelectorKind},
        statistics::Recorded,
    },
    store::{Conn, StoreError, columns::parse_enum, sql::prepared},
};

/// One statement writes the notifications of so many executions: at most as many times the rules of a workspace.
const NOTIFY_BATCH: usize = 500;

/// An execution that succeeded or failed, and how many had failed in a row before it.
pub struct Decided<'a> {
    pub end: &'a Recorded,
    pub failures: u32,
}

#[derive(QueryableByName)]
struct RuleRow {
    #[diesel(sql_type = SqlUuid)]
    id: Uuid,
    #[diesel(sql_type = SqlUuid)]
    workspace_id: Uuid,
    #[diesel(sql_type = SqlUuid)]
    channel_id: Uuid,
    #[diesel(sql_type = Text)]
    selector: String,
    #[diesel(sql_type = Nullable<Text>)]
    value: Option<String>,
    #[diesel(sql_type = Text)]
    event: String,
    #[diesel(sql_type = Nullable<SmallInt>)]
    after_failures: Option<i16>,
    #[diesel(sql_type = Timestamptz)]
    created_at: DateTime<Utc>,
}

struct ApplicableRule {
    id: Uuid,
    channel: Uuid,
    selector: Selector,
    rule: Rule,
    created_at: DateTime<Utc>,
}

impl RuleRow {
    fn into_rule(self) -> Result<ApplicableRule, StoreError> {
        let kind: SelectorKind = parse_enum("workspace_rules.selector", &self.selector)?;
        Ok(ApplicableRule {
            id: self.id,
            channel: self.channel_id,
            selector: Selector::check(kind, self.value)
                .map_err(|invalid| StoreError::unreadable("workspace_rules.value", invalid))?,
            rule: Rule {
                event: parse_enum("workspace_rules.event", &self.event)?,
                after_failures: self.after_failures.map(i16::unsigned_abs),
            },
            created_at: self.created_at,
        })
    }
}

/// Writes the notifications that the rules of workspaces ask for. A channel gets each event of an execution once, also if a rule of the job
/// has notified it.
pub async fn write(conn: &mut Conn, decided: &[Decided<'_>]) -> Result<(), StoreError> {
    let workspaces = decided.iter().map(|decided| decided.end.workspace.uuid()).collect();
    let rules = rules(conn, workspaces).await?;
    if rules.is_empty() {
        return Ok(());
    }
    let has_rules = |decided: &&Decided<'_>| rules.contains_key(&decided.end.workspace.uuid());
    let jobs = decided.iter().filter(has_rules).map(|decided| decided.end.job.uuid());
    let jobs = jobs_of(conn, jobs.collect()).await?;
    for decided in decided.chunks(NOTIFY_BATCH) {
        notify(conn, decided, &rules, &jobs).await?;
    }
    Ok(())
}

type Rules = HashMap<Uuid, Vec<ApplicableRule>>;
/// Tags and host of each job.
type Jobs = HashMap<Uuid, (Vec<String>, String)>;

async fn notify(
    conn: &mut Conn,
    decided: &[Decided<'_>],
    rules: &Rules,
    jobs: &Jobs,
) -> Result<(), StoreError> {
    let mut new: Vec<NewNotification> = Vec::new();
    for decided in decided {
        let end = decided.end;
        let (Some(rules), Some((tags, authority))) =
            (rules.get(&end.workspace.uuid()), jobs.get(&end.job.uuid()))
        else {
            continue;
        };
        let selected = rules.iter().filter(|rule| rule.selector.matches(tags, authority));
        new.extend(selected.filter_map(|rule| rule.notification(decided)));
    }
    let mut notified = notified(conn, &new).await?;
    new.retain(|new| notified.insert((new.execution, new.channel, new.event.as_str().to_owned())));
    insert(conn, &new).await
}

impl ApplicableRule {
    fn notification(&self, Decided { end, failures }: &Decided<'_>) -> Option<NewNotification> {
        // It was created after the execution had ended.
        if end.finished_at < self.created_at {
            return None;
        }
        let succeeded = end.status == Status::Succeeded;
        let event = self.rule.event_after(*failures, succeeded)?;
        Some(NewNotification {
            rule: self.id,
            channel: self.channel,
            workspace: end.workspace.uuid(),
            job: end.job.uuid(),
            execution: end.execution.uuid(),
            finished_at: end.finished_at,
            event,
            // A recovery reports the number of failures that it ends.
            failures: if event == NotificationEvent::Failed { failures + 1 } else { *failures },
        })
    }
}

async fn rules(conn: &mut Conn, workspaces: HashSet<Uuid>) -> Result<Rules, StoreError> {
    let rows: Vec<RuleRow> = prepared(
        sql_query(
            "select r.* from unnest($1::uuid[]) as wanted(id)
             join lateral (select id, workspace_id, channel_id, selector, value, event, after_failures, created_at
                           from workspace_rules r where r.workspace_id = wanted.id) r on true",
        )
        .bind::<Array<SqlUuid>, _>(workspaces.into_iter().collect::<Vec<_>>()),
    )
    .load(conn)
    .await?;
    let mut of = Rules::new();
    for row in rows {
        let workspace = row.workspace_id;
        match row.into_rule() {
            Ok(rule) => of.entry(workspace).or_default().push(rule),
            // A newer version of TrigRun wrote it. Counting goes on without it.
            Err(error) => tracing::error!(%error, "cannot read a notification rule"),
        }
    }
    // The oldest rule of several counts.
    of.values_mut().for_each(|rules| rules.sort_unstable_by_key(|rule| rule.id));
    Ok(of)
}

/// Tags and host of these jobs. Those that were deleted are absent.
async fn jobs_of(conn: &mut Conn, jobs: HashSet<Uuid>) -> Result<Jobs, StoreError> {
    #[derive(QueryableByName)]
    struct Row {
        #[diesel(sql_type = SqlUuid)]
        id: Uuid,
        #[diesel(sql_type = Array<Text>)]
        tags: Vec<String>,
        #[diesel(sql_type = Text)]
        host: String,
    }
    let rows: Vec<Row> = prepared(
        sql_query(
            "select j.* from unnest($1::uuid[]) as wanted(id)
             join lateral (select id, tags, host from jobs j where j.id = wanted.id limit 1) j on true",
        )
        .bind::<Array<SqlUuid>, _>(jobs.into_iter().collect::<Vec<_>>()),
    )
    .load(conn)
    .await?;
    Ok(rows.into_iter().map(|row| (row.id, (row.tags, row.host))).collect())
}

/// What channels have been notified of already: execution, channel and event.
async fn notified(
    conn: &mut Conn,
    new: &[NewNotification],
) -> Result<HashSet<(Uuid, Uuid, String)>, StoreError> {
    #[derive(QueryableByName)]
    struct Row {
        #[diesel(sql_type = SqlUuid)]
        execution_id: Uuid,
        #[diesel(sql_type = SqlUuid)]
        channel_id: Uuid,
        #[diesel(sql_type = Text)]
        event: String,
    }
    if new.is_empty() {
        return Ok(HashSet::new());
    }
    let rows: Vec<Row> = prepared(
        sql_query(
            "select n.* from unnest($1::uuid[]) as wanted(id)
             join lateral (select execution_id, channel_id, event from notifications n where n.execution_id = wanted.id) n on true",
        )
        .bind::<Array<SqlUuid>, _>(new.iter().map(|new| new.execution).collect::<HashSet<_>>().into_iter().collect::<Vec<_>>()),
    )
    .load(conn)
    .await?;
    Ok(rows.into_iter().map(|row| (row.execution_id, row.channel_id, row.event)).collect())
}
