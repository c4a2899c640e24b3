//! Counts the bytes of large responses until the client has read them.

use actix_web::{
    ResponseError,
    body::{BodySize, BoxBody, MessageBody},
    dev::ServiceResponse,
    web::{self, Bytes},
};
use std::{
    pin::Pin,
    task::{Context, Poll},
};

use crate::{
    capacity::{CallerShare, SMALL_BODY_BYTES},
    state::State,
};

/// The body of every response.
pub struct CountedBody {
    body: BoxBody,
    /// Until the body is sent or given up.
    _share: Option<CallerShare>,
}

/// Replaces a large response by a 503 when the caller lets too many wait already. Files of the documentation are not counted: all responses
/// share their bytes.
pub fn counted(response: ServiceResponse<impl MessageBody + 'static>) -> ServiceResponse<CountedBody> {
    let bytes = match response.response().body().size() {
        BodySize::Sized(bytes) => usize::try_from(bytes).unwrap_or(usize::MAX),
        BodySize::None | BodySize::Stream => 0,
    };
    let is_counted = bytes > SMALL_BODY_BYTES && response.request().path().starts_with("/v1/");
    let state = response.request().app_data::<web::Data<State>>().filter(|_| is_counted);
    let share = state.map(|state| state.capacity.bytes(response.request().headers(), bytes)).transpose();
    match share {
        Ok(share) => response.map_body(|_, body| CountedBody { body: body.boxed(), _share: share }),
        Err(busy) => {
            let request = response.into_parts().0;
            let refused = busy.error_response().map_body(|_, body| CountedBody { body, _share: None });
            ServiceResponse::new(request, refused)
        }
    }
}

impl MessageBody for CountedBody {
    type Error = <BoxBody as MessageBody>::Error;

    fn size(&self) -> BodySize {
        self.body.size()
    }

    fn poll_next(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Self::Error>>> {
        Pin::new(&mut self.body).poll_next(context)
    }
}
