//! Probes, version, and the OpenAPI document.

use actix_web::{HttpResponse, get, http::header, web};
use serde::Serialize;
use trigrun_core::{domain::schedule::zone_database, runtime::probes};
use utoipa::ToSchema;

use crate::{
    problem::{Problem, ProblemBody, ProblemCode},
    result::ApiResult,
    state::State,
};

#[derive(Serialize, ToSchema)]
pub struct Health {
    #[schema(example = "ok")]
    status: &'static str,
}

/// Reports that the process is alive.
#[utoipa::path(operation_id = "livez", tag = "health", responses((status = 200, body = Health)))]
#[get("/livez")]
pub async fn livez() -> HttpResponse {
    HttpResponse::Ok().json(Health { status: "ok" })
}

/// Reports whether the process can serve requests: Postgres responds and has the schema of this version.
#[utoipa::path(operation_id = "readyz", tag = "health", responses(
    (status = 200, body = Health),
    (status = 503, description = "The detail names the part that is not ready.", body = ProblemBody, content_type = "application/problem+json"),
))]
#[get("/readyz")]
pub async fn readyz(state: web::Data<State>) -> ApiResult<HttpResponse> {
    match probes::ready(state.connections.unshared()).await {
        Ok(()) => Ok(HttpResponse::Ok().json(Health { status: "ok" })),
        Err(probes::NotReady { part, why }) => {
            tracing::warn!(part, why, "not ready");
            let problem = Problem::new(ProblemCode::NotReady, format!("{part} is not ready."));
            Err(problem.with_header(header::RETRY_AFTER, "2"))
        }
    }
}

#[derive(Serialize, ToSchema)]
pub struct Version {
    #[schema(example = "0.1.0")]
    version: &'static str,
    time_zones: TimeZones,
}

/// The time zone database with which schedules are computed.
#[derive(Serialize, ToSchema)]
pub struct TimeZones {
    #[schema(example = "bundled")]
    source: &'static str,
    #[schema(example = "2026f")]
    version: String,
}

impl TimeZones {
    pub fn current() -> Self {
        let zones = zone_database();
        Self { source: zones.source, version: zones.version.clone() }
    }
}

/// Returns the version of this server.
#[utoipa::path(operation_id = "version", tag = "health", responses((status = 200, body = Version)))]
#[get("/version")]
pub async fn version() -> HttpResponse {
    HttpResponse::Ok().json(Version { version: env!("CARGO_PKG_VERSION"), time_zones: TimeZones::current() })
}

/// The OpenAPI document. The server supplies it: it is derived from the routes, of which this module is a part.
pub struct OpenApiText {
    pub version_3_1: &'static str,
    pub version_3_0: &'static str,
}

/// Returns this document.
#[utoipa::path(operation_id = "openapi", tag = "health", responses((status = 200, body = Object)))]
#[get("/openapi.json")]
pub async fn openapi_json(document: web::Data<OpenApiText>) -> HttpResponse {
    HttpResponse::Ok().content_type("application/json").body(document.version_3_1)
}

/// Returns this document as OpenAPI 3.0, for tools that do not read 3.1. It has no webhooks.
#[utoipa::path(operation_id = "openapi_3_0", tag = "health", responses((status = 200, body = Object)))]
#[get("/openapi-3.0.json")]
pub async fn openapi_3_0_json(document: web::Data<OpenApiText>) -> HttpResponse {
    HttpResponse::Ok().content_type("application/json").body(document.version_3_0)
}
