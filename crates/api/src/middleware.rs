//! What applies to every request, whatever its route.

pub mod context;
pub mod cors;
pub mod request_guard;
