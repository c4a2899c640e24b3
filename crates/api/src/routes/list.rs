//! The shape of every list.

use serde::Serialize;
use trigrun_core::domain::page::{self, List};
use utoipa::ToSchema;

/// One page of a list, newest first.
#[derive(Serialize, ToSchema)]
pub struct ListView<T> {
    pub data: Vec<T>,
    /// Give it as `cursor` to get the next page, with the same filters.
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
