//! Chains of runs: a job whose target is TrigRun's own API, and so makes other runs due, or itself again.
//!
//! Every request of a run, and every notification of one, carries its depth plus one in the header [`DEPTH_HEADER`]. What a request with that
//! header makes due has the depth that it names. A client that forges the header only gets less.

/// How far a run is from what people, schedules and other systems ask for, which is 0.
pub type Depth = i16;

pub const DEPTH_HEADER: &str = "TrigRun-Depth";

/// A request with a greater depth makes nothing due.
pub const MAX_DEPTH: Depth = 3;

/// The depth that the requests of a run with this depth carry.
pub fn next(depth: Depth) -> Depth {
    depth.saturating_add(1)
}

/// The depth that the values of the header name: the greatest, and too great if one is unreadable. Without a header, 0.
pub fn read<'a>(values: impl IntoIterator<Item = Option<&'a str>>) -> Depth {
    let depth = |value: Option<&str>| {
        value.and_then(|text| text.trim().parse().ok()).filter(|depth| *depth >= 0).unwrap_or(Depth::MAX)
    };
    values.into_iter().map(depth).max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_can_only_make_a_request_deeper() {
        assert_eq!(read([]), 0);
        assert_eq!(read([Some("2")]), 2);
        assert_eq!(read([Some("1"), Some(" 3 "), Some("0")]), 3);
        for unreadable in [Some("-1"), Some(""), Some("one"), Some("99999"), Some("1, 2"), None] {
            assert!(read([Some("0"), unreadable]) > MAX_DEPTH, "{unreadable:?}");
        }
        assert_eq!((next(0), next(MAX_DEPTH)), (1, MAX_DEPTH + 1));
        assert_eq!(next(Depth::MAX), Depth::MAX);
    }
}
