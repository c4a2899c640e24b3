//! A client of TrigRun's public API: calls, pages, problems, retries and the stream of executions.
//!
//! It knows the API by its document only, never the server's code. Responses stay JSON: a caller reads the fields that it needs.

mod client;
mod connect;
mod problem;
mod retry;
mod stream;

pub use client::{Answer, Call, Client, Event, Observer, Settings, new_key};
pub use http::Method;
pub use problem::{Error, FieldProblem, Problem};
pub use serde_json::value::RawValue;
pub use stream::{Events, StreamEvent};
pub use url::{Host, Url};
