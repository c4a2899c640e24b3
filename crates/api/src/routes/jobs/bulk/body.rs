//! What a change of many jobs is asked to do.

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::{str::FromStr, sync::Arc};
use trigrun_core::{
    domain::{
        invalid::{Checked, FieldErrors, Invalid},
        job::{self, BulkAction, JobState, key::JobRef},
        page,
        schedule::Kind,
        statistics::HealthFilter,
        target,
    },
    store::jobs::Filter,
};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{
    enums,
    extract::{
        body::required,
        values::{each_once, object},
    },
    result::ApiResult,
    routes::{
        bulk::check_ids,
        jobs::{body::JobBody, patch::Patch},
    },
};

/// An action, and the jobs that it concerns: `ids` or `filter`.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
#[schema(as = JobsBulkInput)]
pub struct JobsBulkBody {
    #[schema(required, value_type = Option<enums::JobsBulkAction>, example = "pause")]
    action: Option<String>,
    /// Ids or keys of jobs.
    #[schema(min_items = 1, max_items = 1000, example = json!(["job_01k9x2v6m8f5q0c3r7t1w4y6za"]))]
    ids: Option<Vec<String>>,
    #[serde(deserialize_with = "object")]
    filter: Option<JobFilterBody>,
    /// `next_cursor` of the previous response to the same action and filter.
    cursor: Option<String>,
    /// With these ids or keys, only jobs that have this version are concerned.
    #[serde(deserialize_with = "each_once")]
    #[schema(value_type = Option<BTreeMap<String, i32>>)]
    versions: Option<IndexMap<String, i64>>,
    /// The tags that add_tags adds, or that remove_tags removes.
    #[schema(min_items = 1, max_items = 20)]
    tags: Option<Vec<String>>,
    /// What `patch` changes: a JSON merge patch, as PATCH /v1/jobs/{id} takes it.
    #[schema(value_type = Option<JobBody>)]
    patch: Option<Box<RawValue>>,
    /// Nothing is changed; the response has the jobs that match.
    #[schema(value_type = Option<bool>, default = false)]
    dry_run: Option<bool>,
}

/// Filters as those of the list of jobs; at least one.
#[derive(Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
#[schema(as = JobFilterInput)]
pub struct JobFilterBody {
    #[schema(value_type = Option<enums::JobState>)]
    state: Option<String>,
    #[schema(value_type = Option<enums::JobKind>)]
    kind: Option<String>,
    tag: Option<String>,
    stack: Option<String>,
    /// The host of the URL.
    #[schema(example = "example.com")]
    host: Option<String>,
    /// The name of a secret that the headers reference.
    secret: Option<String>,
    #[schema(value_type = Option<enums::HealthFilter>)]
    health: Option<String>,
    /// A part of the name, in any case.
    q: Option<String>,
}

/// A change of many jobs, checked.
pub struct Bulk {
    pub action: BulkAction,
    pub of: Of,
    /// By the ids or keys of jobs.
    pub versions: IndexMap<String, i64>,
    pub tags: Vec<String>,
    /// With the number of its bytes.
    pub patch: Option<(Arc<Patch>, usize)>,
    pub dry_run: bool,
}

pub enum Of {
    Ids(Vec<Named>),
    Filter(Search),
}

/// A job as the request names it.
pub struct Named {
    pub text: String,
    pub job: JobRef,
}

/// A part of the jobs that match.
pub struct Search {
    pub filter: Filter,
    pub after: Option<Uuid>,
    /// Binds the cursor to the action and the filter.
    text: String,
}

impl Search {
    pub fn cursor(&self, after: Uuid) -> String {
        page::cursor(after, &self.text)
    }
}

impl JobsBulkBody {
    pub fn check(self, mut errors: FieldErrors) -> ApiResult<Bulk> {
        let action = required(&mut errors, "/action", self.action)
            .and_then(|action| errors.take("/action", action.parse::<BulkAction>()));
        let known = action.as_ref().ok().copied();
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
                check_ids(&ids, &mut errors, |text| Ok(Named { text: text.to_owned(), job: text.parse()? }))
                    .map(Of::Ids)
            }
            (None, Some(filter)) => {
                filter.check(known.unwrap_or_default(), self.cursor.as_deref(), &mut errors).map(Of::Filter)
            }
            (None, None) => Err(errors.push("/ids", Invalid::new("required", "is required, or `filter` is"))),
        };
        let tags = tags(known, self.tags, &mut errors);
        let patch = patch(known, self.patch.as_deref(), &mut errors);
        let checked = (|| Ok((action?, of?, tags?, patch?)))();
        let (action, of, tags, patch) = errors.finish(checked)?;
        Ok(Bulk {
            action,
            of,
            versions: self.versions.unwrap_or_default(),
            tags,
            patch,
            dry_run: self.dry_run.unwrap_or_default(),
        })
    }
}

/// A field that some actions need and the others do not take.
fn only_with<T>(
    errors: &mut FieldErrors,
    pointer: &str,
    is_needed: Option<bool>,
    value: Option<T>,
) -> Checked<Option<T>> {
    match (is_needed, value) {
        (Some(true), value) => required(errors, pointer, value).map(Some),
        (Some(false), Some(_)) => {
            Err(errors.push(pointer, Invalid::new("not_with_action", "is not a field of this action")))
        }
        (None | Some(false), value) => Ok(value),
    }
}

fn tags(
    action: Option<BulkAction>,
    tags: Option<Vec<String>>,
    errors: &mut FieldErrors,
) -> Checked<Vec<String>> {
    let is_needed = action.map(|action| matches!(action, BulkAction::AddTags | BulkAction::RemoveTags));
    let Some(tags) = only_with(errors, "/tags", is_needed, tags)? else { return Ok(Vec::new()) };
    if tags.is_empty() {
        return Err(errors.push("/tags", Invalid::new("required", "must have at least one tag")));
    }
    errors.take("/tags", job::tags(tags))
}

fn patch(
    action: Option<BulkAction>,
    patch: Option<&RawValue>,
    errors: &mut FieldErrors,
) -> Checked<Option<(Arc<Patch>, usize)>> {
    let is_needed = action.map(|action| action == BulkAction::Patch);
    let Some(patch) = only_with(errors, "/patch", is_needed, patch)? else { return Ok(None) };
    let read = Patch::read(patch.get()).map_err(|_| Invalid::new("type", "must be an object"));
    let read = errors.take("/patch", read)?;
    if read.names("key") {
        let detail = "is unique: it cannot be the same for several jobs";
        return Err(errors.push("/patch/key", Invalid::new("key_taken", detail)));
    }
    Ok(Some((Arc::new(read), patch.get().len())))
}

impl JobFilterBody {
    fn check(self, action: BulkAction, cursor: Option<&str>, errors: &mut FieldErrors) -> Checked<Search> {
        let text = format!("{}\n{}", action.as_str(), serde_json::to_string(&self).unwrap_or_default());
        let Self { state, kind, tag, stack, host, secret, health, q } = self;
        if [&state, &kind, &tag, &stack, &host, &secret, &health, &q].iter().all(|filter| filter.is_none()) {
            let invalid = Invalid::new("required", "must have at least one field");
            return Err(errors.push("/filter", invalid));
        }
        let state = parsed::<JobState>(errors, "/filter/state", state.as_deref());
        let kind = parsed::<Kind>(errors, "/filter/kind", kind.as_deref());
        let health = parsed::<HealthFilter>(errors, "/filter/health", health.as_deref());
        let host = host.map(|host| errors.take("/filter/host", target::host_name(&host))).transpose();
        let after = cursor.map(|cursor| errors.take("/cursor", page::read_cursor(cursor, &text))).transpose();
        let filter =
            Filter { state: state?, kind: kind?, tag, stack, host: host?, secret, health: health?, q };
        Ok(Search { filter, after: after?, text })
    }
}

fn parsed<T: FromStr<Err = Invalid>>(
    errors: &mut FieldErrors,
    pointer: &str,
    text: Option<&str>,
) -> Checked<Option<T>> {
    text.map(|text| errors.take(pointer, text.parse())).transpose()
}
