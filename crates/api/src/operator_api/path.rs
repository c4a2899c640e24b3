//! Ids in paths. Text that is not an id becomes the nil id, which no row has.

use actix_web::{FromRequest, HttpRequest, dev::Payload};
use std::future::{Ready, ready};
use trigrun_core::domain::id::TypedId;
use uuid::Uuid;

use crate::{problem::Problem, result::ApiResult, sought};

pub struct PathId<T>(pub T);

impl<T: TypedId> FromRequest for PathId<T> {
    type Error = Problem;
    type Future = Ready<ApiResult<Self>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let text = request.match_info().get("id").unwrap_or_default();
        sought::by_id_anywhere::<T>(text);
        let id = text.parse().ok();
        ready(Ok(Self(id.unwrap_or_else(|| Uuid::nil().into()))))
    }
}
