//! Exports jobs as an application takes them: without what is at its default, by their keys.

use actix_web::{HttpResponse, post, web};
use indexmap::IndexMap;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::collections::{BTreeMap, HashMap, HashSet};
use trigrun_core::{
    domain::{
        access::Scope,
        id::{JobId, TypedId, WorkspaceId},
        invalid::{Checked, FieldErrors},
        job::{Job, JobState, key},
        page::{self, Page},
        schedule::Kind,
    },
    store::{
        jobs::{self, Filter},
        rules::{self, JobRule},
    },
};
use utoipa::ToSchema;

use super::{
    apply::notify::{Channels, of_job},
    difference::without_defaults,
};
use crate::{
    auth::{Authorized, JobsRead},
    extract::{body::JsonText, values::integer},
    result::ApiResult,
    state::State,
};

/// Jobs that are read at a time, each with the body of its request, of up to 256 KiB.
const READ_BATCH: usize = 32;
/// A page ends when its jobs have this many bytes.
const MAX_PAGE_BYTES: usize = 2 * 1024 * 1024;
/// Of a key that is made of a name.
const MAX_SLUG_CHARS: usize = 80;
/// Of the id of a job, which make a key unique.
const ID_CHARS: usize = 6;

/// Which jobs to export.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
#[schema(as = ExportInput)]
pub struct ExportBody {
    /// Only jobs of this stack.
    stack: Option<String>,
    /// Only jobs with this tag.
    tag: Option<String>,
    #[schema(minimum = 1, maximum = 250, default = 250)]
    #[serde(deserialize_with = "integer")]
    limit: Option<i64>,
    /// `next_cursor` of the previous page. `stack` and `tag` must be the same.
    cursor: Option<String>,
}

/// Jobs by their keys, as POST /v1/jobs/apply takes them.
#[derive(Default, Serialize, ToSchema)]
#[schema(as = Export)]
pub struct ExportView {
    /// What is at its default is left out. A job without a key has a suggested one, and `adopt` with its id: to apply the export changes no
    /// job and creates none.
    #[schema(value_type = BTreeMap<String, Object>)]
    jobs: IndexMap<String, Box<RawValue>>,
    /// How many jobs are left out, by the reason: `one_time` jobs run when they are created, and `completed` ones have run.
    left_out: BTreeMap<&'static str, usize>,
    next_cursor: Option<String>,
}

/// Exports jobs as POST /v1/jobs/apply takes them, newest first.
///
/// They have their notification rules (`notify`) if the token has the scope `notifications:write`. Values of secrets are never part of it.
#[utoipa::path(
    operation_id = "export_jobs", tag = "jobs",
    request_body(content = ExportBody, example = json!({ "stack": "web-prod" })),
    responses((status = 200, body = ExportView)),
    security(("token" = ["jobs:read"])),
)]
#[post("/jobs/export")]
pub async fn export_jobs(
    state: web::Data<State>,
    auth: Authorized<JobsRead>,
    text: JsonText,
) -> ApiResult<HttpResponse> {
    let mut errors = FieldErrors::default();
    let body: ExportBody = text.read(&mut errors).await?;
    let checked = body.check(&mut errors);
    let (filter, page, filters) = errors.finish(checked)?;
    let list = {
        let mut conn = state.connections.for_list().await?;
        jobs::list(&mut conn, auth.workspace, &filter, page, state.clock.now()).await?
    };
    let ids: Vec<JobId> = list.data.iter().map(|job| job.id).collect();
    let mut export =
        Exported { is_whole: page.before.is_none() && list.next.is_none(), ..Exported::default() };
    // What a token may not read is not exported.
    if auth.caller.check_scope(Scope::NotificationsWrite).is_ok() {
        export.channels = Some(Channels::load(&state, auth.workspace).await?);
    }
    let last = export.add(&state, auth.workspace, &ids).await?;
    // The list may have more, or this page may have ended before its end.
    let next = match last {
        Some(last) => Some(last.uuid()),
        None => list.next,
    };
    export.view.next_cursor = next.map(|next| page::cursor(next, &filters));
    Ok(HttpResponse::Ok().json(export.view))
}

impl ExportBody {
    fn check(self, errors: &mut FieldErrors) -> Checked<(Filter, Page, String)> {
        let stack = self.stack.map(|stack| errors.take("/stack", key::stack(&stack))).transpose();
        let filters = format!("export\n{:?}\n{:?}", stack.as_ref().ok(), self.tag);
        let limit = errors.take("/limit", page::limit(self.limit.or(Some(page::MAX_LIMIT))));
        let before = self.cursor.map(|cursor| errors.take("/cursor", page::read_cursor(&cursor, &filters)));
        let before = before.transpose();
        let filter = Filter { stack: stack?, tag: self.tag, ..Filter::default() };
        Ok((filter, Page { limit: limit?, before: before? }, filters))
    }
}

#[derive(Default)]
struct Exported {
    view: ExportView,
    bytes: usize,
    /// Whether this page has all jobs.
    is_whole: bool,
    /// `None` if notification rules are not exported.
    channels: Option<Channels>,
}

impl Exported {
    /// Returns the last job that was added, if the page ends before the last of `ids`.
    async fn add(
        &mut self,
        state: &State,
        workspace: WorkspaceId,
        ids: &[JobId],
    ) -> ApiResult<Option<JobId>> {
        for batch in ids.chunks(READ_BATCH) {
            let mut found =
                jobs::find_all(&mut *state.conn().await?, workspace, (&[], batch), state.clock.now()).await?;
            found.sort_by_key(|job| std::cmp::Reverse(job.id));
            let taken = self.taken(state, workspace, &found).await?;
            let rules = match self.channels {
                Some(_) => rules::of_jobs(&mut *state.conn().await?, workspace, batch).await?,
                None => HashMap::new(),
            };
            for job in &found {
                self.add_job(job, &taken, rules.get(&job.id));
            }
            if self.bytes >= MAX_PAGE_BYTES && batch.last() != ids.last() {
                return Ok(batch.last().copied());
            }
        }
        Ok(None)
    }

    /// The keys that jobs of the workspace have, of those that would be suggested.
    async fn taken(
        &self,
        state: &State,
        workspace: WorkspaceId,
        found: &[Job],
    ) -> ApiResult<HashSet<String>> {
        let slugs: Vec<String> = found
            .iter()
            .filter(|job| job.definition.key.is_none())
            .map(|job| slug(&job.definition.name))
            .collect();
        let slugs: Vec<&str> = slugs.iter().map(String::as_str).collect();
        Ok(jobs::ids_by_key(&mut *state.conn().await?, workspace, &slugs).await?.into_keys().collect())
    }

    fn add_job(&mut self, job: &Job, taken: &HashSet<String>, rules: Option<&Vec<JobRule>>) {
        let reason = match (job.definition.schedule.kind(), job.state) {
            (Kind::OneTime, _) => Some("one_time"),
            (_, JobState::Completed) => Some("completed"),
            _ => None,
        };
        if let Some(reason) = reason {
            *self.view.left_out.entry(reason).or_default() += 1;
            return;
        }
        let key = job.definition.key.clone().unwrap_or_else(|| self.suggested_key(job, taken));
        let adopt = job.definition.key.is_none().then_some(job.id);
        let notify =
            rules.zip(self.channels.as_ref()).map(|(rules, channels)| channels.views(&of_job(rules)));
        if let Some(text) = without_defaults(&job.definition, &key, adopt, notify.as_ref()) {
            self.bytes += text.get().len();
            self.view.jobs.insert(key, text);
        }
    }

    /// Another page may suggest the same: only a page with all jobs has keys without a part of the id.
    fn suggested_key(&self, job: &Job, taken: &HashSet<String>) -> String {
        let slug = slug(&job.definition.name);
        if self.is_whole && !taken.contains(&slug) && !self.view.jobs.contains_key(&slug) {
            return slug;
        }
        let id = job.id.to_string();
        format!("{slug}-{}", &id[id.len().saturating_sub(ID_CHARS)..])
    }
}

/// A key made of a name: its letters and digits in lower case, joined by hyphens.
fn slug(name: &str) -> String {
    let mut slug = String::new();
    for char in name.to_lowercase().chars() {
        if char.is_ascii_alphanumeric() {
            slug.push(char);
        } else if !slug.is_empty() && !slug.ends_with('-') {
            slug.push('-');
        }
        if slug.len() >= MAX_SLUG_CHARS {
            break;
        }
    }
    let slug = slug.trim_end_matches('-');
    match key::key(slug) {
        Ok(key) => key,
        Err(_) => format!("{}-{slug}", JobId::PREFIX).trim_end_matches('-').to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_becomes_a_key() {
        for (name, expected) in [
            ("Nightly report", "nightly-report"),
            ("  Größe / 2 ", "gr-e-2"),
            ("報告", "job"),
            ("Export", "job-export"),
            ("job_1", "job-1"),
        ] {
            assert_eq!(slug(name), expected);
            assert!(key::key(expected).is_ok());
        }
        assert!(slug(&"a".repeat(200)).len() == MAX_SLUG_CHARS);
    }
}
