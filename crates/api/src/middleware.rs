//! What happens to every request, whatever its route.

pub mod cors;
pub mod manners;
pub mod request_id;
pub mod shell;
