//! Ids in paths. Text that is not an id becomes the nil id, which no row has, so that it takes the same path through the code as an id that
//! does not exist.

use actix_web::{FromRequest, HttpRequest, dev::Payload, web};
use futures_util::future::{Ready, ready};
use trigrun_core::domain::id::{TypedId, noun};
use uuid::Uuid;

use crate::{problem::Problem, result::ApiResult, sought};

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
