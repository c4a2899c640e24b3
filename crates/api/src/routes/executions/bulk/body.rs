//! What a bulk operation is asked to do.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeSet, str::FromStr};
use trigrun_core::{
    domain::{
        execution::{BulkAction, Status},
        id::{ExecutionId, WorkspaceId},
        invalid::{Checked, FieldErrors, Invalid},
        job::key::JobRef,
        page,
        retry::MAX_ATTEMPTS,
        statuses::StatusItem,
        target,
    },
    store::executions::{Filter, MAX_NAMED_JOBS},
};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{
    enums,
    extract::{
        body::required,
        values::{integer, object},
    },
    job_refs::{resolve, resolve_one},
    result::ApiResult,
    routes::{bulk::check_ids, statuses::StatusBody},
    state::State,
    time::read_instant,
};

/// An action, and the executions that it concerns: `ids` or `filter`.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
#[schema(as = BulkInput)]
pub struct BulkBody {
    #[schema(required, value_type = Option<enums::BulkAction>, example = "replay")]
    action: Option<String>,
    #[schema(min_items = 1, max_items = 1000, example = json!(["exe_01k9x2v6m8f5q0c3r7t1w4y6za"]))]
    ids: Option<Vec<String>>,
    #[serde(deserialize_with = "object")]
    filter: Option<FilterBody>,
    /// `next_cursor` of the previous response to the same action and filter.
    cursor: Option<String>,
    /// Nothing is changed; the response has the executions that match.
    #[schema(value_type = Option<bool>, default = false)]
    dry_run: Option<bool>,
}

/// Filters as those of the list of executions. Without a status, an action to cancel concerns executions that have not ended.
#[derive(Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
#[schema(as = ExecutionFilterInput)]
pub struct FilterBody {
    /// Any of these.
    #[schema(value_type = Option<Vec<enums::ExecutionStatus>>)]
    status: Option<Vec<String>>,
    status_code: Option<StatusBody>,
    #[schema(minimum = 1, maximum = 10)]
    #[serde(deserialize_with = "integer")]
    min_attempts: Option<i64>,
    error_class: Option<String>,
    #[schema(value_type = Option<enums::ExecutionSource>)]
    source: Option<String>,
    /// The id or the key of a job.
    job_id: Option<String>,
    /// Any of these jobs, by their ids or keys.
    #[schema(max_items = 20)]
    job_ids: Option<Vec<String>>,
    job_name: Option<String>,
    tag: Option<String>,
    host: Option<String>,
    #[schema(required, format = DateTime, example = "2026-03-28T00:00:00Z")]
    from: Option<String>,
    /// By default the time of the first call: what it replays is not replayed again.
    #[schema(format = DateTime)]
    to: Option<String>,
}

/// A bulk operation, checked.
pub struct Bulk {
    pub action: BulkAction,
    pub of: Of,
    pub dry_run: bool,
}

pub enum Of {
    Ids(BTreeSet<ExecutionId>),
    Filter(Box<Search>),
}

/// A part of the executions that match.
pub struct Search {
    pub filter: Filter,
    /// The jobs that the filter names: see [`Search::find_jobs`].
    named: Named,
    pub after: Option<Uuid>,
    to: DateTime<Utc>,
    /// Binds the cursor to the action and the filter.
    text: String,
}

struct Named {
    job: Option<JobRef>,
    jobs: Vec<JobRef>,
}

impl Search {
    /// Completes the filter with the ids of the jobs that it names.
    pub async fn find_jobs(&mut self, state: &State, workspace: WorkspaceId) -> ApiResult<()> {
        self.filter.job = resolve_one(state, workspace, self.named.job.as_ref()).await?;
        self.filter.jobs = resolve(state, workspace, &self.named.jobs).await?;
        Ok(())
    }

    pub fn cursor(&self, after: Uuid) -> String {
        format!("{}{:011x}", page::cursor(after, &self.text), self.to.timestamp_millis())
    }
}

impl BulkBody {
    pub fn check(self, now: DateTime<Utc>, mut errors: FieldErrors) -> ApiResult<Bulk> {
        let action = required(&mut errors, "/action", self.action)
            .and_then(|action| errors.take("/action", action.parse::<BulkAction>()));
        let of = match (self.ids, self.filter) {
            (Some(_), Some(_)) => {
                let invalid =
                    Invalid::new("not_with_ids", "cannot be combined with `ids`").hint("Send one of them.");
                Err(errors.push("/filter", invalid))
            }
            (Some(ids), None) => {
                if self.cursor.is_some() {
                    errors.push("/cursor", Invalid::new("not_with_ids", "cannot be combined with `ids`"));
                }
                check_ids(&ids, &mut errors, str::parse).map(|ids| Of::Ids(ids.into_iter().collect()))
            }
            (None, Some(filter)) => {
                let cancels = matches!(action, Ok(BulkAction::Cancel));
                filter
                    .check(cancels, self.cursor.as_deref(), now, &mut errors)
                    .map(|search| Of::Filter(Box::new(search)))
            }
            (None, None) => {
                let invalid = Invalid::new("required", "is required, or `filter` is");
                Err(errors.push("/ids", invalid))
            }
        };
        let checked = action.and_then(|action| Ok((action, of?)));
        let (action, of) = errors.finish(checked)?;
        Ok(Bulk { action, of, dry_run: self.dry_run.unwrap_or_default() })
    }
}

impl FilterBody {
    fn check(
        self,
        cancels: bool,
        cursor: Option<&str>,
        now: DateTime<Utc>,
        errors: &mut FieldErrors,
    ) -> Checked<Search> {
        let text = format!("{cancels}\n{}", serde_json::to_string(&self).unwrap_or_default());
        let statuses: Vec<Checked<Status>> = self
            .status
            .unwrap_or_default()
            .iter()
            .enumerate()
            .map(|(index, status)| errors.take(&format!("/filter/status/{index}"), status.parse()))
            .collect();
        let statuses = statuses.into_iter().collect::<Checked<Vec<Status>>>();
        let status_code =
            self.status_code.map(|code| errors.take("/filter/status_code", status(code))).transpose();
        let min_attempts =
            self.min_attempts.map(|count| errors.take("/filter/min_attempts", attempts(count))).transpose();
        let source = parsed(errors, "/filter/source", self.source.as_deref());
        let job = parsed(errors, "/filter/job_id", self.job_id.as_deref());
        let jobs = job_refs(&self.job_ids.unwrap_or_default(), errors);
        let host = self.host.map(|host| errors.take("/filter/host", target::host(&host))).transpose();
        let from = required(errors, "/filter/from", self.from)
            .and_then(|from| errors.take("/filter/from", read_instant(&from)));
        let to = self.to.map(|to| errors.take("/filter/to", read_instant(&to))).transpose();
        let position = cursor.map(|cursor| errors.take("/cursor", position(cursor, &text))).transpose();
        let (position, statuses) = (position?, statuses?);
        let to = to?.or(position.map(|(_, to)| to)).unwrap_or(now);
        let filter = Filter {
            statuses: if cancels && statuses.is_empty() { open() } else { statuses },
            source: source?,
            job: None,
            jobs: Vec::new(),
            job_name: self.job_name,
            tag: self.tag,
            host: host?,
            status_code: status_code?,
            min_attempts: min_attempts?,
            error_class: self.error_class,
            from: Some(from?),
            to: Some(to),
        };
        let named = Named { job: job?, jobs: jobs? };
        Ok(Search { filter, named, after: position.map(|(after, _)| after), to, text })
    }
}

fn job_refs(refs: &[String], errors: &mut FieldErrors) -> Checked<Vec<JobRef>> {
    if refs.len() > MAX_NAMED_JOBS {
        let detail = format!("must have at most {MAX_NAMED_JOBS} jobs");
        return Err(errors.push("/filter/job_ids", Invalid::new("out_of_range", detail)));
    }
    let parsed: Vec<Checked<JobRef>> = refs
        .iter()
        .enumerate()
        .map(|(index, text)| errors.take(&format!("/filter/job_ids/{index}"), text.parse()))
        .collect();
    parsed.into_iter().collect()
}

fn open() -> Vec<Status> {
    Status::ALL.iter().copied().filter(|status| !status.is_terminal()).collect()
}

fn parsed<T: FromStr<Err = Invalid>>(
    errors: &mut FieldErrors,
    pointer: &str,
    text: Option<&str>,
) -> Checked<Option<T>> {
    text.map(|text| errors.take(pointer, text.parse())).transpose()
}

fn status(body: StatusBody) -> Result<StatusItem, Invalid> {
    match body.into() {
        StatusItem::Range(digit) => Ok(StatusItem::Range(digit)),
        StatusItem::Status(status) => status.to_string().parse(),
    }
}

fn attempts(count: i64) -> Result<u16, Invalid> {
    let known = u16::try_from(count).ok().filter(|count| (1..=MAX_ATTEMPTS).contains(count));
    known.ok_or_else(|| Invalid::new("out_of_range", format!("must be from 1 to {MAX_ATTEMPTS}")))
}

/// The execution after which the search continues, and the end of the search.
fn position(cursor: &str, text: &str) -> Result<(Uuid, DateTime<Utc>), Invalid> {
    let (head, to) = cursor.split_at_checked(40).unwrap_or((cursor, ""));
    let after = page::read_cursor(head, text)?;
    let to = i64::from_str_radix(to, 16).ok().and_then(DateTime::from_timestamp_millis);
    let invalid = || Invalid::new("cursor_invalid", "is not a cursor of this action and this filter");
    to.map(|to| (after, to)).ok_or_else(invalid)
}
