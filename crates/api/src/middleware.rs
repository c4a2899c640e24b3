//! What applies to every request, whatever its route.

pub mod context;
pub mod cors;
mod counted_body;
pub mod request_guard;
pub mod routing;
