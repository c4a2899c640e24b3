//! The API: HTTP in, Postgres out. It never needs Redis.
//!
//! handler (parse, authorise) → `domain` (decide) → `store`. Every error response is one type, `problem::Problem`.

mod account_mail;
mod auth;
mod capacity;
mod connections;
mod db_watchdog;
mod enums;
mod extract;
mod failed_log_ins;
mod job_refs;
mod job_writer;
mod middleware;
pub mod openapi;
pub mod operator;
mod operator_api;
mod origin;
mod passwords;
mod problem;
mod quotas;
mod rate_limits;
pub mod release;
mod request_id;
mod result;
mod routes;
mod server;
mod session_cookie;
mod settings;
mod slow_client;
mod sought;
mod state;
mod streams;
mod time;
mod time_limit;
mod waiting;

pub use account_mail::MailSettings;
pub use origin::Origin;
pub use problem::code::{Explanation, ProblemCode};
pub use quotas::{Plan, PlanSettings};
pub use rate_limits::LimitSettings;
pub use server::{Bound, ServeError, serve};
pub use settings::{DEFAULTS, EgressSettings, OperatorSettings, ServerSettings, Settings, SignUp};
