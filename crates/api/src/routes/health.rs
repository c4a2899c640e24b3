//! Is it alive, is it ready, what is it.

use actix_web::{
    HttpResponse, get,
    http::{StatusCode, header},
    web,
};
use serde::Serialize;
use trigrun_core::{domain::schedule::zone_database, runtime::probes};
use utoipa::ToSchema;

use crate::{
    openapi,
    problem::{Problem, ProblemBody},
    state::{ApiResult, State},
};

#[derive(Serialize, ToSchema)]
pub struct Health {
    #[schema(example = "ok")]
    status: &'static str,
}

/// The process runs.
#[utoipa::path(operation_id = "livez", tag = "health", responses((status = 200, body = Health)))]
#[get("/livez")]
pub async fn livez() -> HttpResponse {
    HttpResponse::Ok().json(Health { status: "ok" })
}

/// For those who ask without wanting to read.
pub async fn livez_head() -> HttpResponse {
    HttpResponse::Ok().finish()
}

/// Requests can be served: Postgres answers, and has the schema that this version needs.
#[utoipa::path(operation_id = "readyz", tag = "health", responses(
    (status = 200, body = Health),
    (status = 503, description = "Says which part is down.", body = ProblemBody, content_type = "application/problem+json"),
))]
#[get("/readyz")]
pub async fn readyz(state: web::Data<State>) -> ApiResult<HttpResponse> {
    match probes::ready(&state.db).await {
        Ok(()) => Ok(HttpResponse::Ok().json(Health { status: "ok" })),
        Err(probes::NotReady { part, why }) => {
            tracing::warn!(part, why, "not ready");
            let problem =
                Problem::new(StatusCode::SERVICE_UNAVAILABLE, "not_ready", format!("{part} is not ready."));
            Err(problem.with_header(header::RETRY_AFTER, "2"))
        }
    }
}

pub async fn readyz_head(state: web::Data<State>) -> ApiResult<HttpResponse> {
    probes::ready(&state.db).await.map_err(|_| Problem::unavailable())?;
    Ok(HttpResponse::Ok().finish())
}

#[derive(Serialize, ToSchema)]
pub struct Version {
    #[schema(example = "0.1.0")]
    version: &'static str,
    time_zones: TimeZones,
}

/// The time zone database that schedules are computed with.
#[derive(Serialize, ToSchema)]
pub struct TimeZones {
    #[schema(example = "bundled")]
    source: &'static str,
    #[schema(example = "2026f")]
    version: String,
}

/// What runs here.
#[utoipa::path(operation_id = "version", tag = "health", responses((status = 200, body = Version)))]
#[get("/version")]
pub async fn version() -> HttpResponse {
    let zones = zone_database();
    let time_zones = TimeZones { source: zones.source, version: zones.version.clone() };
    HttpResponse::Ok().json(Version { version: env!("CARGO_PKG_VERSION"), time_zones })
}

/// This document.
#[utoipa::path(operation_id = "openapi", tag = "health", responses((status = 200, body = Object)))]
#[get("/openapi.json")]
pub async fn openapi_json() -> HttpResponse {
    HttpResponse::Ok().content_type("application/json").body(openapi::json())
}
