//! The response of every list.

use serde::Serialize;
use std::io;
use trigrun_core::domain::page::{self, List};
use utoipa::ToSchema;
use uuid::Uuid;

/// The data of a page ends before it would be larger than this, but never before the first item.
const MAX_PAGE_BYTES: usize = 1024 * 1024;

/// A page of a list, in the order of its operation. It has at most `limit` items and 1 MiB of data, and may have fewer, or none, although there are more.
#[derive(Serialize, ToSchema)]
pub struct ListView<T> {
    pub data: Vec<T>,
    /// Send it as `cursor`, with the same filters, to get the next page. Null on the last page.
    pub next_cursor: Option<String>,
    pub has_more: bool,
}

impl<T: Serialize> ListView<T> {
    /// Of a list whose order is that of its ids.
    pub fn new<U>(list: List<U>, filters: &str, id: impl Fn(&U) -> Uuid, view: impl Fn(&U) -> T) -> Self {
        Self::with_cursors(list, id, |id| page::cursor(*id, filters), view)
    }

    /// `position` is where an item is in the order of the list, and `cursor` the text of a position.
    pub fn with_cursors<U, P>(
        list: List<U, P>,
        position: impl Fn(&U) -> P,
        cursor: impl Fn(&P) -> String,
        view: impl Fn(&U) -> T,
    ) -> Self {
        let mut page = Self { data: Vec::with_capacity(list.data.len()), next_cursor: None, has_more: false };
        let (mut bytes, mut last, mut next) = (0, None, list.next);
        for item in &list.data {
            let viewed = view(item);
            bytes += json_bytes(&viewed);
            if bytes > MAX_PAGE_BYTES && last.is_some() {
                next = last;
                break;
            }
            last = Some(position(item));
            page.data.push(viewed);
        }
        page.next_cursor = next.as_ref().map(cursor);
        page.has_more = next.is_some();
        page
    }
}

fn json_bytes(value: &impl Serialize) -> usize {
    struct Count(usize);

    impl io::Write for Count {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0 += bytes.len();
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    let mut count = Count(0);
    // Counting does not fail; what cannot be serialised fails in the response.
    let _ignored = serde_json::to_writer(&mut count, value);
    count.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(sizes: &[usize], next: Option<u128>) -> ListView<String> {
        let data = sizes.iter().enumerate().map(|(n, size)| (n as u128, "a".repeat(*size))).collect();
        let list = List { data, next: next.map(Uuid::from_u128) };
        ListView::new(list, "", |(id, _)| Uuid::from_u128(*id), |(_, text)| text.clone())
    }

    #[test]
    fn a_page_ends_at_its_limit_in_bytes() {
        let half = MAX_PAGE_BYTES / 2;
        let cut = page(&[half, half - 10, 100], None);
        assert_eq!((cut.data.len(), cut.has_more), (2, true));
        assert_eq!(cut.next_cursor, Some(page::cursor(Uuid::from_u128(1), "")));
        let whole = page(&[half, 100, 100], Some(2));
        assert_eq!((whole.data.len(), whole.next_cursor), (3, Some(page::cursor(Uuid::from_u128(2), ""))));
        let large = page(&[2 * MAX_PAGE_BYTES, 1], None);
        assert_eq!((large.data.len(), large.has_more), (1, true), "there is always progress");
        assert_eq!((page(&[], None).data.len(), page(&[], None).has_more), (0, false));
    }
}
