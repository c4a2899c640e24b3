//! What a client must know of this server before a user has logged in.

use actix_web::{HttpResponse, get, web};
use serde::Serialize;
use std::sync::atomic::Ordering;
use trigrun_core::{
    domain::page::{DEFAULT_LIMIT, MAX_LIMIT},
    store::users,
};
use utoipa::ToSchema;

use super::{health::TimeZones, jobs::batch::MAX_ITEMS};
use crate::{enums, extract::body::MAX_BODY_BYTES, result::ApiResult, state::State, time::instant};

/// This server, without anything that is not for everyone.
#[derive(Serialize, ToSchema)]
#[schema(as = Instance)]
pub struct InstanceView {
    #[schema(example = "0.1.0")]
    version: &'static str,
    #[schema(value_type = enums::SignUpMode)]
    sign_up: &'static str,
    /// Whether this server sends e-mail about accounts. If so, a new user without an invitation verifies the address first, and a forgotten
    /// password can be replaced.
    mail: bool,
    /// Since when an operator holds this installation, so that no request and no notification is sent; null if it is not held.
    #[schema(format = DateTime)]
    held_since: Option<String>,
    /// Whether there is or was a user. Otherwise the operator must create the first one.
    has_users: bool,
    time_zones: TimeZones,
    limits: InstanceLimitsView,
}

/// Limits of requests that a form or a list has to keep.
#[derive(Serialize, ToSchema)]
#[schema(as = InstanceLimits)]
pub struct InstanceLimitsView {
    /// The greatest `limit` of a list.
    #[schema(example = 250)]
    page: i64,
    /// The `limit` of a list that names none.
    #[schema(example = 50)]
    default_page: i64,
    /// The largest body of most operations, in bytes.
    #[schema(example = 1_048_576)]
    body_bytes: usize,
    /// How many jobs one request can create.
    #[schema(example = 1000)]
    batch_jobs: usize,
}

/// Describes this server: its version, who can sign up, and its limits. Needs no token.
#[utoipa::path(operation_id = "get_instance", tag = "health", responses((status = 200, body = InstanceView)))]
#[get("/instance")]
pub async fn get_instance(state: web::Data<State>) -> ApiResult<HttpResponse> {
    if !state.has_users.load(Ordering::Relaxed) {
        let has_users = users::exist(&mut *state.conn().await?).await?;
        state.has_users.store(has_users, Ordering::Relaxed);
    }
    Ok(HttpResponse::Ok().json(InstanceView {
        version: env!("CARGO_PKG_VERSION"),
        sign_up: state.sign_up.as_str(),
        mail: state.mail.is_configured(),
        held_since: state.hold.get().map(|hold| instant(hold.since)),
        has_users: state.has_users.load(Ordering::Relaxed),
        time_zones: TimeZones::current(),
        limits: InstanceLimitsView {
            page: MAX_LIMIT,
            default_page: DEFAULT_LIMIT,
            body_bytes: MAX_BODY_BYTES,
            batch_jobs: MAX_ITEMS,
        },
    }))
}
