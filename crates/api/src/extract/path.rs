//! Ids in paths, and keys of jobs. Text that is not an id becomes the nil id, which no row has, so that it takes the same path through the code as an id that
//! does not exist.

use actix_web::{FromRequest, HttpRequest, dev::Payload, web};
use futures_util::future::{Ready, ready};
use trigrun_core::domain::{
    id::{JobId, TypedId, WorkspaceId, noun},
    job::key::JobRef,
};
use uuid::Uuid;

use crate::{job_refs::resolve_one, problem::Problem, result::ApiResult, sought, state::State};

pub struct PathId<T>(pub T);

impl<T: TypedId> FromRequest for PathId<T> {
    type Error = Problem;
    type Future = Ready<ApiResult<Self>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let text = web::Path::<String>::from_request(request, payload).into_inner();
        let text = text.map(web::Path::into_inner).unwrap_or_default();
        sought::by_id(noun(T::PREFIX), &text);
        let id = text.parse().ok();
        ready(Ok(Self(id.unwrap_or_else(|| Uuid::nil().into()))))
    }
}

/// The job that a path names, by its id or its key.
pub struct PathJob(Option<JobRef>);

impl PathJob {
    pub fn read(text: &str) -> Self {
        sought::by_id(noun(JobId::PREFIX), text);
        Self(JobRef::read(text))
    }

    /// Its id: that of no job, if the workspace has none with this key.
    pub async fn id(&self, state: &State, workspace: WorkspaceId) -> ApiResult<JobId> {
        let id = resolve_one(state, workspace, self.0.as_ref()).await?;
        Ok(id.unwrap_or(JobId::from_uuid(Uuid::nil())))
    }
}

impl FromRequest for PathJob {
    type Error = Problem;
    type Future = Ready<ApiResult<Self>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Ok(Self::read(request.match_info().get("id").unwrap_or_default())))
    }
}
