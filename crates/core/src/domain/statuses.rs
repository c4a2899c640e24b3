//! Lists of HTTP statuses: which count as a success, and which are retried.

use std::str::FromStr;

use super::invalid::Invalid;

/// From 100 to 599.
const MAX_STATUSES: usize = 500;

/// One status, or a range of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StatusItem<N = u16> {
    Status(N),
    /// Its first digit: 5 is `5xx`, the statuses from 500 to 599.
    Range(u8),
}

impl StatusItem {
    /// The first and the last status.
    pub fn bounds(self) -> (u16, u16) {
        match self {
            Self::Status(status) => (status, status),
            Self::Range(digit) => (u16::from(digit) * 100, u16::from(digit) * 100 + 99),
        }
    }
}

impl FromStr for StatusItem {
    type Err = Invalid;

    /// Reads `503` or `5xx`.
    fn from_str(text: &str) -> Result<Self, Invalid> {
        let range = text.strip_suffix("xx").or_else(|| text.strip_suffix("XX"));
        let item = match range {
            Some(digit) => digit.parse().map(Self::Range),
            None => text.parse().map(Self::Status),
        };
        let known = item.ok().filter(|item| (100..=599).contains(&item.bounds().0));
        known.ok_or_else(|| {
            Invalid::new("status_invalid", "must be an HTTP status from 100 to 599, or a range such as 5xx")
        })
    }
}

/// Statuses and ranges, each once, in the given order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Statuses(Vec<StatusItem>);

impl Statuses {
    pub fn check(wanted: Vec<StatusItem<i64>>) -> Result<Self, Invalid> {
        if wanted.len() > MAX_STATUSES {
            return Err(Invalid::new("too_many", format!("must name at most {MAX_STATUSES} statuses")));
        }
        let mut list = Vec::with_capacity(wanted.len());
        for item in wanted {
            let item = match item {
                StatusItem::Range(digit) => StatusItem::Range(digit),
                StatusItem::Status(status) => StatusItem::Status(known(status)?),
            };
            if !list.contains(&item) {
                list.push(item);
            }
        }
        Ok(Self(list))
    }

    pub fn contains(&self, status: u16) -> bool {
        self.0.iter().any(|item| match item {
            StatusItem::Status(listed) => *listed == status,
            StatusItem::Range(digit) => u16::from(*digit) == status / 100,
        })
    }

    pub fn iter(&self) -> impl Iterator<Item = StatusItem> {
        self.0.iter().copied()
    }

    /// As numbers: a range is its first digit.
    pub fn to_numbers(&self) -> Vec<u16> {
        let number = |item: &StatusItem| match item {
            StatusItem::Status(status) => *status,
            StatusItem::Range(digit) => u16::from(*digit),
        };
        self.0.iter().map(number).collect()
    }

    pub fn from_numbers(numbers: &[u16]) -> Self {
        let item = |number: &u16| match u8::try_from(*number) {
            Ok(digit @ 1..=9) => StatusItem::Range(digit),
            _ => StatusItem::Status(*number),
        };
        Self(numbers.iter().map(item).collect())
    }
}

impl<const N: usize> From<[u16; N]> for Statuses {
    fn from(statuses: [u16; N]) -> Self {
        Self(statuses.into_iter().map(StatusItem::Status).collect())
    }
}

fn known(status: i64) -> Result<u16, Invalid> {
    u16::try_from(status).ok().filter(|status| (100..=599).contains(status)).ok_or_else(|| {
        let invalid =
            Invalid::new("out_of_range", format!("must have statuses from 100 to 599, not {status}"));
        match status {
            1..=5 => invalid.hint(format!("For {status}00 to {status}99 write \"{status}xx\".")),
            _ => invalid,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use StatusItem::{Range, Status};

    #[test]
    fn a_range_contains_a_hundred_statuses() {
        let list = Statuses::check(vec![Status(204), Range(5), Status(204), Range(5)]).unwrap();
        assert_eq!(list.iter().collect::<Vec<_>>(), [Status(204), Range(5)], "each once");
        let contained: Vec<u16> = (0..=999).filter(|status| list.contains(*status)).collect();
        assert_eq!(contained, [204].into_iter().chain(500..=599).collect::<Vec<u16>>());
    }

    #[test]
    fn statuses_that_do_not_exist() {
        for status in [99, 600, -1, 65_736] {
            assert_eq!(Statuses::check(vec![Status(status)]).unwrap_err().code, "out_of_range");
        }
        let hint = Statuses::check(vec![Status(5)]).unwrap_err().hint;
        assert_eq!(hint.as_deref(), Some("For 500 to 599 write \"5xx\"."));
        assert_eq!(Statuses::check(vec![Status(200); 501]).unwrap_err().code, "too_many");
    }

    #[test]
    fn one_status_or_range_as_text() {
        for (text, bounds) in
            [("503", (503, 503)), ("5xx", (500, 599)), ("1XX", (100, 199)), ("599", (599, 599))]
        {
            assert_eq!(text.parse::<StatusItem>().unwrap().bounds(), bounds, "{text}");
        }
        for text in ["", "xx", "5", "0xx", "6xx", "99", "600", "5x", "-5xx", "255xx", "65736", "5xx,4xx"] {
            assert_eq!(text.parse::<StatusItem>().unwrap_err().code, "status_invalid", "{text}");
        }
    }

    #[test]
    fn numbers_are_read_back() {
        let list = Statuses::check(vec![Range(2), Status(404), Range(5), Status(100)]).unwrap();
        assert_eq!(list.to_numbers(), [2, 404, 5, 100]);
        assert_eq!(Statuses::from_numbers(&list.to_numbers()), list);
    }
}
