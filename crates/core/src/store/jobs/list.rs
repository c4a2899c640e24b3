//! Lists of jobs in several orders, and counts of them.
//!
//! A list that is sorted by id or by name reads one index in order. It stops when the page is full, or when it has read `MAX_ROWS_SEARCHED`
//! rows. The limit of the index scan separates it from the filters, which are inside a `case`: see `executions::list`. `offset 0` keeps Postgres
//! from computing them twice.
//!
//! No index has the times of the next and the last run, because each fire would have to change it, nor what a job needs attention for. A
//! list that is sorted by one of them looks it up for all jobs of the workspace.

use chrono::{DateTime, Utc};
use diesel::{
    QueryableByName, sql_query,
    sql_types::{BigInt, Bool, Nullable, Text, Uuid as SqlUuid},
};
use diesel_async::RunQueryDsl;

use super::{job_columns, last_run, pause::pause_columns, planned_run, row::JobRow, select_jobs};
use crate::{
    domain::{
        id::{ExecutionId, WorkspaceId},
        job::{
            Job, JobState,
            order::{JobOrder, Position, PositionKey, SortedBy},
        },
        page::{List, Page, max_rows_searched},
        schedule::Kind,
        statistics::HealthFilter,
    },
    store::{
        Conn, StoreError,
        columns::{SearchedRow, parse_enum},
        sql::prepared,
    },
};

/// Filters of a list. The default matches everything.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    pub state: Option<JobState>,
    pub kind: Option<Kind>,
    pub tag: Option<String>,
    pub stack: Option<String>,
    /// Of the URL, without a port.
    pub host: Option<String>,
    /// The name of a secret that the headers reference.
    pub secret: Option<String>,
    pub health: Option<HealthFilter>,
    /// A substring of the name, regardless of case in any alphabet. (Postgres's default collation may know ASCII only. In upper case, no
    /// letter depends on its place in the word.)
    pub q: Option<String>,
}

/// Whether job `j` will fail: a secret that its version references does not exist.
macro_rules! will_fail {
    () => {
        "j.state = 'active' and exists (
             select from job_versions v, unnest(v.secrets) as needed(name)
             where v.job_id = j.id and v.version = j.version
               and not exists (select from secrets s where s.workspace_id = j.workspace_id and s.name = needed.name))"
    };
}

macro_rules! is_failing {
    () => {
        // `offset 0` keeps Postgres from reading the health of all jobs at once.
        "exists (select from job_health h where h.job_id = j.id and h.state = 'failing' offset 0)"
    };
}

/// Whether a job `j` matches the filter in `$3` to `$9` and `$health`. The secrets are in its version, which is looked up only for this
/// filter; so is what shows its health.
macro_rules! job_matches {
    ($health:literal) => {
        concat!("case when j.state = $3 then true else $3::text is null end
         and case when j.kind = $4 then true else $4::text is null end
         and case when $5 = any(j.tags) then true else $5::text is null end
         and case when position(upper($6 collate \"und-x-icu\") in upper(j.name collate \"und-x-icu\")) > 0 then true else $6::text is null end
         and case when j.stack = $7 then true else $7::text is null end
         and case when j.host = $8 then true else $8::text is null end
         and case when $9::text is null then true else (
             select $9 = any(v.secrets) from job_versions v where v.job_id = j.id and v.version = j.version) end
         and case when ", $health, "::text is null then true
                  when ", $health, " = 'will_fail' then ", will_fail!(), "
                  when ", is_failing!(), " then ", $health, " = 'failing'
                  when ", $health, " = 'failing' then false
                  when exists (select from runs e where e.job_id = j.id and e.scheduled_for <= clock_timestamp())
                    or exists (select from executions e where e.job_id = j.id) then ", $health, " = 'well'
                  else ", $health, " = 'never_ran' end")
    };
}

/// Binds the filter to `$3` to `$9`.
macro_rules! bind_filter {
    ($query:expr, $filter:expr) => {
        $query
            .bind::<Nullable<Text>, _>($filter.state.map(JobState::as_str))
            .bind::<Nullable<Text>, _>($filter.kind.map(Kind::as_str))
            .bind::<Nullable<Text>, _>($filter.tag.as_deref())
            .bind::<Nullable<Text>, _>($filter.q.as_deref())
            .bind::<Nullable<Text>, _>($filter.stack.as_deref())
            .bind::<Nullable<Text>, _>($filter.host.as_deref())
            .bind::<Nullable<Text>, _>($filter.secret.as_deref())
    };
}

/// The name as the index `jobs_name` has it.
macro_rules! upper_name {
    () => {
        "upper(name collate \"und-x-icu\") collate \"C\""
    };
}

/// A walk of an index, numbered. `$after` is where it begins, `$order` that of the index.
macro_rules! walk {
    ($key:expr, $after:expr, $order:expr) => {
        select_jobs!(
            "null as body",
            concat!(
                "select * from (
                     select j.*, j.number = ",
                max_rows_searched!(),
                " as is_last, ",
                job_matches!("$13"),
                " as matches
                     from (select j.*, row_number() over () as number
                           from (select *, ",
                $key,
                " as sort_key from jobs where ",
                $after,
                " order by ",
                $order,
                " limit ",
                max_rows_searched!(),
                ") j) j offset 0) j
                 where matches or is_last limit $11"
            ),
            ", j.matches, j.is_last, j.sort_key",
            // The number of the row: the order of the walk.
            "j.number"
        )
    };
}

/// How many jobs can be sorted by what no index has.
macro_rules! max_sorted {
    () => {
        10_000
    };
}

/// [`sorted`] refuses to sort more jobs by what no index has.
pub const MAX_SORTED: i64 = max_sorted!();

/// All jobs that match, sorted by a rank and an instant. `$lookups` are joins to a job `j`, and `$none` is the instant of those without one.
macro_rules! by_rank {
    ($rank:expr, $instant:expr, $lookups:expr, $none:literal, $after:literal, $order:literal) => {
        select_jobs!(
            "null as body",
            concat!(
                "select j.*, row_number() over () as number,
                        j.rank || case when isfinite(j.at) then (extract(epoch from j.at) * 1000000)::bigint::text else '' end as sort_key
                 from (
                     select * from (
                         select j.*, ",
                $rank,
                " as rank, coalesce(",
                $instant,
                ", timestamptz '",
                $none,
                "') as at
                         from (select j.*, ",
                job_matches!("$13"),
                " as matches
                               from (select * from jobs
                                     where (workspace_id, id) >= ($1, '00000000-0000-0000-0000-000000000000') and workspace_id <= $1
                                     order by workspace_id, id limit ",
                max_sorted!(),
                ") j offset 0) j ",
                $lookups,
                " where j.matches) j
                     where (j.rank, j.at, j.id) ",
                $after,
                " (split_part($12, ' ', 1)::integer, split_part($12, ' ', 2)::timestamptz, $10)
                     order by j.rank",
                $order,
                ", j.at",
                $order,
                ", j.id",
                $order,
                " limit $11) j"
            ),
            ", true as matches, false as is_last, j.sort_key",
            "j.number"
        )
    };
}

macro_rules! next_run {
    () => {
        concat!(
            "left join lateral (select next_run_at from job_timers t where t.job_id = j.id limit 1) t on true
             left join lateral (",
            planned_run!(),
            ") planned on true"
        )
    };
}

macro_rules! by_next_run {
    ($none:literal, $after:literal, $order:literal) => {
        by_rank!("0", "least(t.next_run_at, planned.scheduled_for)", next_run!(), $none, $after, $order)
    };
}

macro_rules! by_last_run {
    ($none:literal, $after:literal, $order:literal) => {
        by_rank!(
            "0",
            "last.scheduled_for",
            concat!("left join lateral (", last_run!(), ") last on true"),
            $none,
            $after,
            $order
        )
    };
}

/// The ranks are those of `Attention`. Of each job, the oldest runs are looked at: a late one is among them, unless many retry.
macro_rules! by_attention {
    () => {
        by_rank!(
            concat!(
                "case when j.state = 'active' and ",
                is_failing!(),
                " then 0 when ",
                will_fail!(),
                " then 1
                 when t.next_run_at < clock_timestamp() - interval '1 minute' or exists (
                     select from (
                         select e.status, e.scheduled_for from runs e
                         where (e.job_id, e.id) >= (j.id, '00000000-0000-0000-0000-000000000000') and (e.job_id, e.id) <= (j.id, $2)
                         order by e.job_id, e.id limit 10) e
                     where e.status = 'queued' and e.scheduled_for < clock_timestamp() - interval '1 minute')
                 then 2 else 3 end"
            ),
            "least(t.next_run_at, planned.scheduled_for)",
            next_run!(),
            "infinity",
            ">",
            ""
        )
    };
}

/// The statements of [`sorted`], for the tests of their plans.
pub const SORTED: [(JobOrder, &str); 9] = [
    (
        JobOrder::NewestFirst,
        walk!(
            "null::text",
            "(workspace_id, id) < ($1, $10) and workspace_id >= $1",
            "workspace_id desc, id desc"
        ),
    ),
    (
        JobOrder::OldestFirst,
        walk!("null::text", "(workspace_id, id) > ($1, $10) and workspace_id <= $1", "workspace_id, id"),
    ),
    (
        JobOrder::Name,
        walk!(
            upper_name!(),
            concat!("(workspace_id, ", upper_name!(), ", id) > ($1, $12, $10) and workspace_id <= $1"),
            concat!("workspace_id, ", upper_name!(), ", id")
        ),
    ),
    (
        JobOrder::NameDescending,
        walk!(
            upper_name!(),
            concat!("(workspace_id, ", upper_name!(), ", id) < ($1, $12, $10) and workspace_id >= $1"),
            concat!("workspace_id desc, ", upper_name!(), " desc, id desc")
        ),
    ),
    (JobOrder::NextRun, by_next_run!("infinity", ">", "")),
    (JobOrder::NextRunDescending, by_next_run!("-infinity", "<", " desc")),
    (JobOrder::LastRun, by_last_run!("infinity", ">", "")),
    (JobOrder::LastRunDescending, by_last_run!("-infinity", "<", " desc")),
    (JobOrder::Attention, by_attention!()),
];

/// What stands for no run.
const fn none(order: JobOrder) -> &'static str {
    if order.is_descending() { "-infinity" } else { "infinity" }
}

#[derive(QueryableByName)]
struct SortedRow {
    #[diesel(embed)]
    job: JobRow,
    #[diesel(sql_type = Nullable<Text>)]
    sort_key: Option<String>,
}

/// A job, and where it is in the list.
#[derive(Clone, Debug)]
pub struct Sorted {
    pub job: Job,
    pub position: Position,
}

impl SortedRow {
    fn position(&self, order: JobOrder) -> Position {
        let key = self.sort_key.as_deref().unwrap_or_default();
        let by = match order.sorted_by() {
            SortedBy::Id => PositionKey::Id,
            SortedBy::Name => PositionKey::Name(key.to_owned()),
            SortedBy::NextRun | SortedBy::LastRun | SortedBy::Attention => PositionKey::ranked(key),
        };
        Position { by, id: self.job.id() }
    }
}

/// Without the bodies of the requests: a page of them could be 64 MiB. A page may be short, or even empty, and have a next one: see [`MAX_ROWS_SEARCHED`].
///
/// [`StoreError::Conflict`] `too_many_jobs` if the workspace has more than [`MAX_SORTED`] jobs, and no index has their order.
///
/// [`MAX_ROWS_SEARCHED`]: crate::domain::page::MAX_ROWS_SEARCHED
pub async fn sorted(
    conn: &mut Conn,
    workspace: WorkspaceId,
    filter: &Filter,
    (order, page): (JobOrder, Page<Position>),
    now: DateTime<Utc>,
) -> Result<List<Sorted, Position>, StoreError> {
    if !order.has_index() && has_more_than(conn, workspace, MAX_SORTED).await? {
        return Err(StoreError::conflict("too_many_jobs"));
    }
    let Page { limit, before } = page;
    let after = before.unwrap_or_else(|| Position::start(order));
    let statement = SORTED.iter().find(|(of, _)| *of == order).map_or("", |(_, statement)| statement);
    let query = sql_query(statement)
        .bind::<SqlUuid, _>(workspace.uuid())
        .bind::<SqlUuid, _>(ExecutionId::lower_bound(now));
    let rows: Vec<SearchedRow<SortedRow>> = prepared(
        bind_filter!(query, filter)
            .bind::<SqlUuid, _>(after.id)
            .bind::<BigInt, _>(limit + 1)
            .bind::<Nullable<Text>, _>(after.by.as_text(none(order)))
            .bind::<Nullable<Text>, _>(filter.health.map(HealthFilter::as_str)),
    )
    .load(conn)
    .await?;
    let rows = rows.into_iter().map(Into::into).collect();
    List::from_search(rows, limit, |row: &SortedRow| row.position(order)).try_map(|row| {
        let position = row.position(order);
        Ok(Sorted { job: row.job.into_job()?, position })
    })
}

/// Newest first; otherwise like [`sorted`].
pub async fn list(
    conn: &mut Conn,
    workspace: WorkspaceId,
    filter: &Filter,
    page: Page,
    now: DateTime<Utc>,
) -> Result<List<Job>, StoreError> {
    let before = page.before.map(|id| Position { by: PositionKey::Id, id });
    let page = Page { limit: page.limit, before };
    let List { data, next } = sorted(conn, workspace, filter, (JobOrder::NewestFirst, page), now).await?;
    Ok(List {
        data: data.into_iter().map(|sorted| sorted.job).collect(),
        next: next.map(|position| position.id),
    })
}

async fn has_more_than(conn: &mut Conn, workspace: WorkspaceId, count: i64) -> Result<bool, StoreError> {
    #[derive(QueryableByName)]
    struct Row {
        #[diesel(sql_type = Bool)]
        has_more: bool,
    }
    let row: Row = prepared(
        sql_query("select exists (select from jobs where workspace_id = $1 offset $2) as has_more")
            .bind::<SqlUuid, _>(workspace.uuid())
            .bind::<BigInt, _>(count),
    )
    .get_result(conn)
    .await?;
    Ok(row.has_more)
}

/// How many jobs match, by their states.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// States without a job may be absent.
    pub by_state: Vec<(JobState, i64)>,
    /// There are more jobs, which were not looked at.
    pub capped: bool,
}

/// The statement of [`count`], for the test of its plan.
pub const COUNT: &str = concat!(
    "select j.state, count(*) filter (where j.matches and not j.is_extra) as jobs, bool_or(j.is_extra) as capped
     from (select j.state, j.number > $2 as is_extra, ",
    job_matches!("$10"),
    " as matches
           from (select j.*, row_number() over () as number
                 from (select * from jobs
                       where (workspace_id, id) <= ($1, 'ffffffff-ffff-ffff-ffff-ffffffffffff') and workspace_id >= $1
                       order by workspace_id desc, id desc limit $2 + 1) j) j) j
     group by j.state"
);

/// Counts the jobs that match among the newest `limit` of the workspace.
pub async fn count(
    conn: &mut Conn,
    workspace: WorkspaceId,
    filter: &Filter,
    limit: i64,
) -> Result<Counts, StoreError> {
    #[derive(QueryableByName)]
    struct Row {
        #[diesel(sql_type = Text)]
        state: String,
        #[diesel(sql_type = BigInt)]
        jobs: i64,
        #[diesel(sql_type = Bool)]
        capped: bool,
    }
    let query = sql_query(COUNT).bind::<SqlUuid, _>(workspace.uuid()).bind::<BigInt, _>(limit);
    let query =
        bind_filter!(query, filter).bind::<Nullable<Text>, _>(filter.health.map(HealthFilter::as_str));
    let rows: Vec<Row> = prepared(query).load(conn).await?;
    let mut counts = Counts::default();
    for Row { state, jobs, capped } in rows {
        counts.by_state.push((parse_enum("jobs.state", &state)?, jobs));
        counts.capped |= capped;
    }
    Ok(counts)
}
