//! The API: HTTP in, Postgres out. It never needs Redis.
//!
//! handler (parse, authorise) → `domain` (decide) → `store`. Whatever goes wrong leaves as one type, `problem::Problem`.

mod auth;
pub mod client;
pub mod doctor;
mod extract;
mod limits;
mod middleware;
pub mod openapi;
mod patience;
mod problem;
mod pulse;
mod quotas;
mod routes;
mod server;
mod settings;
pub mod smoke;
mod state;
mod time;

pub use limits::LimitSettings;
pub use middleware::cors::Origin;
pub use quotas::{Plan, PlanSettings};
pub use server::{ServeError, serve};
pub use settings::{DEFAULTS, EgressSettings, ServerSettings, Settings, SignUp};
