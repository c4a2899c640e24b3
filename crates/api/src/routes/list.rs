//! The response of every list.

use serde::Serialize;
use trigrun_core::domain::page::{self, List};
use utoipa::ToSchema;

/// A page of a list, newest first. It may have fewer items than `limit`, or none, although there are more: see `has_more`.
#[derive(Serialize, ToSchema)]
pub struct ListView<T> {
    pub data: Vec<T>,
    /// Send it as `cursor`, with the same filters, to get the next page. Null on the last page.
    pub next_cursor: Option<String>,
    pub has_more: bool,
}

impl<T> ListView<T> {
    pub fn new<U>(list: List<U>, filters: &str, view: impl Fn(&U) -> T) -> Self {
        Self {
            data: list.data.iter().map(view).collect(),
            next_cursor: list.next.map(|id| page::cursor(id, filters)),
            has_more: list.next.is_some(),
        }
    }
}
