//! The versions of a job: who changed what, and when.

use actix_web::{HttpResponse, get, web};
use serde::Serialize;
use trigrun_core::{
    domain::page::List,
    store::{
        StoreError,
        jobs::{self, JobVersion},
    },
};
use utoipa::ToSchema;
use uuid::Uuid;

use super::{
    body::JobBody,
    difference::{FieldChangeView, differences},
};
use crate::{
    auth::{Authorized, JobsRead},
    extract::{path::PathJob, query::Paged},
    problem::Problem,
    result::ApiResult,
    routes::{audit::ActorView, list::ListView},
    sought,
    state::State,
    time::instant,
};

/// Versions of a page. Each is read with the body of its request, of up to 256 KiB, to compare them.
const MAX_VERSIONS: i64 = 32;

/// A version of a job, and what it changed.
#[derive(Serialize, ToSchema)]
#[schema(as = JobVersion)]
pub struct VersionView {
    version: i32,
    #[schema(format = DateTime)]
    created_at: String,
    by: ActorView,
    /// The fields in which it differs from the version before. Empty if TrigRun does not keep that version.
    changes: Vec<FieldChangeView>,
}

/// A version of a job, and the job as it was.
#[derive(Serialize, ToSchema)]
#[schema(as = JobVersionDetail)]
pub struct VersionDetailView {
    #[serde(flatten)]
    version: VersionView,
    /// The job as it was. Sent with PATCH or PUT, it restores the version. `key` and `stack` are those of now.
    job: DefinitionView,
}

/// What the owner of a job decides, with all defaults filled in.
#[derive(Serialize, ToSchema)]
#[schema(as = JobDefinition)]
pub struct DefinitionView {
    #[serde(flatten)]
    body: JobBody,
}

impl VersionView {
    fn new(version: &JobVersion, before: Option<&JobVersion>) -> Self {
        Self {
            version: version.version,
            created_at: instant(version.created_at),
            by: ActorView::from(&version.by),
            changes: before
                .filter(|before| before.version + 1 == version.version)
                .map_or_else(Vec::new, |before| differences(&before.definition, &version.definition)),
        }
    }
}

/// Lists the versions of a job, newest first, each with its author and the fields that it changed. A page has at most 32 versions.
#[utoipa::path(
    operation_id = "list_job_versions", tag = "jobs",
    params(("id" = String, Path), Paged),
    responses((status = 200, body = ListView<VersionView>)),
    security(("token" = ["jobs:read"])),
)]
#[get("/jobs/{id}/versions")]
pub async fn list_job_versions(
    state: web::Data<State>,
    auth: Authorized<JobsRead, Paged>,
    path: PathJob,
) -> ApiResult<HttpResponse> {
    let id = path.id(&state, auth.workspace).await?;
    let Paged { page, filters, .. } = auth.query;
    let limit = page.limit.min(MAX_VERSIONS);
    let newest = page.before.map_or(i32::MAX, |before| version_of(before) - 1);
    // One more, with which the last is compared.
    let mut conn = state.connections.for_list().await?;
    let versions = match jobs::versions(&mut conn, auth.workspace, id, newest.max(0), limit + 1).await {
        // After the first version there is none.
        Err(StoreError::NotFound) if newest < 1 => Vec::new(),
        versions => versions?,
    };
    let more = versions.len() as i64 > limit;
    let shown = versions.len().min(usize::try_from(limit).unwrap_or(0));
    let data: Vec<_> = (0..shown).map(|at| (&versions[at], versions.get(at + 1))).collect();
    let next = data.last().filter(|_| more).map(|(version, _)| cursor_id(version.version));
    let list = List { data, next };
    let view = ListView::new(
        list,
        &filters,
        |(version, _)| cursor_id(version.version),
        |(version, before)| VersionView::new(version, *before),
    );
    Ok(HttpResponse::Ok().json(view))
}

/// Returns a version of a job.
#[utoipa::path(
    operation_id = "get_job_version", tag = "jobs",
    params(("id" = String, Path), ("version" = i32, Path, minimum = 1)),
    responses((status = 200, body = VersionDetailView)),
    security(("token" = ["jobs:read"])),
)]
#[get("/jobs/{id}/versions/{version}")]
pub async fn get_job_version(
    state: web::Data<State>,
    auth: Authorized<JobsRead>,
    path: PathJob,
    parts: web::Path<(String, String)>,
) -> ApiResult<HttpResponse> {
    let id = path.id(&state, auth.workspace).await?;
    let (_, number) = parts.into_inner();
    sought::sought(format!("The job has no version {number}, or TrigRun does not keep it any more."));
    let number: i32 = number.parse().ok().filter(|number| *number > 0).ok_or_else(Problem::not_found)?;
    let versions = jobs::versions(&mut *state.conn().await?, auth.workspace, id, number, 2).await?;
    let version = versions.first().filter(|version| version.version == number);
    let version = version.ok_or_else(Problem::not_found)?;
    let body = JobBody::of(&version.definition, version.definition.state);
    let version = VersionView::new(version, versions.get(1));
    Ok(HttpResponse::Ok().json(VersionDetailView { version, job: DefinitionView { body } }))
}

/// Cursors are made of ids.
fn cursor_id(version: i32) -> Uuid {
    Uuid::from_u128(version.unsigned_abs().into())
}

fn version_of(cursor: Uuid) -> i32 {
    i32::try_from(cursor.as_u128()).unwrap_or(1)
}
