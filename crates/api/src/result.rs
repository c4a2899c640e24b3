//! The result of handlers, extractors and the rules between them.

use crate::problem::Problem;

pub type ApiResult<T> = Result<T, Problem>;
