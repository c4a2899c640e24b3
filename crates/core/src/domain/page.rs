//! Pagination of lists: limits and cursors.
//!
//! A cursor is opaque to clients and bound to the filters of its list, so that it cannot be used with other filters by mistake.

use uuid::Uuid;

use super::invalid::Invalid;

pub const DEFAULT_LIMIT: i64 = 50;
pub const MAX_LIMIT: i64 = 250;

/// [`MAX_ROWS_SEARCHED`], for the text of statements.
macro_rules! max_rows_searched {
    () => {
        2000
    };
}
pub(crate) use max_rows_searched;

/// How many rows of an index a page reads at most. If the filters have not filled the page by then, the page is short, or even empty, and
/// the next one continues after the last row read: a list does a bounded amount of work, whatever its filters.
pub const MAX_ROWS_SEARCHED: i64 = max_rows_searched!();

/// The requested part of a list: what comes strictly after a position in its order. Most lists are newest first, and the position is the id of
/// a row: what is older comes after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Page<P = Uuid> {
    pub limit: i64,
    pub before: Option<P>,
}

/// A row that a search has read.
#[derive(Clone, Debug)]
pub struct Searched<T> {
    pub row: T,
    /// Does it match the filters?
    pub matches: bool,
    /// The search stopped here, after [`MAX_ROWS_SEARCHED`] rows; there may be more.
    pub is_last: bool,
}

/// One page of a list, and the cursor of the next if there is one.
#[derive(Clone, Debug)]
pub struct List<T, P = Uuid> {
    pub data: Vec<T>,
    pub next: Option<P>,
}

impl<T, P> List<T, P> {
    /// Takes up to one row more than the limit; the extra row only shows that there is a next page.
    pub fn from_rows(mut rows: Vec<T>, page: Page, position: impl Fn(&T) -> P) -> Self {
        let more = rows.len() as i64 > page.limit;
        rows.truncate(usize::try_from(page.limit).unwrap_or(0));
        Self { next: more.then(|| rows.last().map(position)).flatten(), data: rows }
    }

    /// Takes the rows of a search, in the order of the list: those that match, up to one more than the limit, and the row at which the search
    /// stopped.
    pub fn from_search(rows: Vec<Searched<T>>, limit: i64, position: impl Fn(&T) -> P) -> Self {
        let limit = usize::try_from(limit).unwrap_or(0);
        let mut data = Vec::new();
        for Searched { row, matches, is_last } in rows {
            if data.len() == limit {
                return Self { next: data.last().map(position), data };
            }
            let stopped_at = is_last.then(|| position(&row));
            if matches {
                data.push(row);
            }
            if stopped_at.is_some() {
                return Self { data, next: stopped_at };
            }
        }
        Self { data, next: None }
    }

    pub fn try_map<U, E>(self, convert: impl FnMut(T) -> Result<U, E>) -> Result<List<U, P>, E> {
        Ok(List { data: self.data.into_iter().map(convert).collect::<Result<_, _>>()?, next: self.next })
    }
}

pub fn limit(wanted: Option<i64>) -> Result<i64, Invalid> {
    match wanted.unwrap_or(DEFAULT_LIMIT) {
        limit @ 1..=MAX_LIMIT => Ok(limit),
        _ => Err(Invalid::new("out_of_range", format!("must be from 1 to {MAX_LIMIT}"))),
    }
}

/// The cursor after row `id` of a list. `filters` is any text that names all filters of the list.
pub fn cursor(id: Uuid, filters: &str) -> String {
    format!("{:032x}{:08x}", id.as_u128(), crc32fast::hash(filters.as_bytes()))
}

pub fn cursor_invalid() -> Invalid {
    Invalid::new("cursor_invalid", "is not a cursor of this list with these filters")
        .hint("Send next_cursor of the previous page, with the same filters.")
}

pub fn read_cursor(cursor: &str, filters: &str) -> Result<Uuid, Invalid> {
    let invalid = cursor_invalid;
    if !cursor.is_ascii()
        || cursor.len() != 40
        || cursor.bytes().any(|byte| byte.is_ascii_uppercase() || byte == b'+')
    {
        return Err(invalid());
    }
    let id = u128::from_str_radix(&cursor[..32], 16).map_err(|_| invalid())?;
    let bound = u32::from_str_radix(&cursor[32..], 16).map_err(|_| invalid())?;
    if bound != crc32fast::hash(filters.as_bytes()) {
        return Err(invalid());
    }
    Ok(Uuid::from_u128(id))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_belongs_to_its_filters() {
        let id = Uuid::from_u128(7 << 90);
        let text = cursor(id, "state=active");
        assert_eq!(read_cursor(&text, "state=active"), Ok(id));
        for (text, filters) in
            [(text.as_str(), "state=paused"), (&text[1..], "state=active"), ("", ""), (&"é".repeat(20), "")]
        {
            assert_eq!(read_cursor(text, filters).unwrap_err().code, "cursor_invalid");
        }
    }

    #[test]
    fn the_extra_row_only_shows_that_there_is_a_next_page() {
        let page = Page { limit: 2, before: None };
        let ids = |count: u128| (0..count).map(Uuid::from_u128).collect::<Vec<_>>();
        let list = List::from_rows(ids(3), page, |id| *id);
        assert_eq!((list.data.len(), list.next), (2, Some(Uuid::from_u128(1))));
        assert_eq!(List::from_rows(ids(2), page, |id| *id).next, None);
    }

    #[test]
    fn a_search_continues_after_the_last_row_that_it_has_read() {
        let list = |rows: &[(u128, bool, bool)]| {
            let searched = |&(id, matches, is_last)| Searched { row: Uuid::from_u128(id), matches, is_last };
            let list = List::from_search(rows.iter().map(searched).collect(), 2, |id| *id);
            let data: Vec<u128> = list.data.iter().map(Uuid::as_u128).collect();
            (data, list.next.map(|id| id.as_u128()))
        };
        assert_eq!(list(&[]), (vec![], None));
        assert_eq!(list(&[(9, true, false), (8, true, false)]), (vec![9, 8], None));
        assert_eq!(list(&[(9, true, false), (8, true, false), (7, true, false)]), (vec![9, 8], Some(8)));
        assert_eq!(list(&[(9, true, false), (5, false, true)]), (vec![9], Some(5)));
        assert_eq!(list(&[(5, false, true)]), (vec![], Some(5)));
        assert_eq!(list(&[(9, true, false), (5, true, true), (4, true, false)]), (vec![9, 5], Some(5)));
        assert_eq!(list(&[(9, true, false), (8, true, false), (5, false, true)]), (vec![9, 8], Some(8)));
        // Of several searches, one after the other would leave a gap: what lies below the first end is not known.
        assert_eq!(list(&[(9, true, false), (8, false, true), (7, true, false)]), (vec![9], Some(8)));
    }
}
