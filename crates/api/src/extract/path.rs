//! Ids in paths. What is no id is simply not there: it becomes one that nothing has, so that it takes the same way as one that never was.

use actix_web::{FromRequest, HttpRequest, dev::Payload, web};
use futures_util::future::{Ready, ready};
use std::str::FromStr;
use uuid::Uuid;

use crate::{problem::Problem, state::ApiResult};

pub struct PathId<T>(pub T);

impl<T: FromStr + From<Uuid>> FromRequest for PathId<T> {
    type Error = Problem;
    type Future = Ready<ApiResult<Self>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let text = web::Path::<String>::from_request(request, payload).into_inner();
        let id = text.ok().and_then(|text| text.parse().ok());
        ready(Ok(Self(id.unwrap_or_else(|| Uuid::nil().into()))))
    }
}
