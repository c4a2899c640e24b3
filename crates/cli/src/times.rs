//! Instants and durations, read and written for people.

use jiff::{SignedDuration, Span, SpanRelativeTo, Timestamp, Unit, tz::TimeZone};

/// A duration such as `30s`, `15m`, `2h`, `90d` or `1h 30m`; a number alone is seconds.
pub fn seconds(text: &str) -> Result<u64, String> {
    let invalid = || format!("{text} is not a duration; write 30s, 15m, 2h or 90d");
    if let Ok(seconds) = text.parse() {
        return Ok(seconds);
    }
    let span: Span = text.parse().map_err(|_| invalid())?;
    let total = span.total((Unit::Second, SpanRelativeTo::days_are_24_hours())).map_err(|_| invalid())?;
    if !(0.0..=1e10).contains(&total) {
        return Err(invalid());
    }
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "within the range checked above"
    )]
    Ok(total.ceil() as u64)
}

/// Whole minutes, as schedules have them.
pub fn minutes(text: &str) -> Result<u64, String> {
    match seconds(text)? {
        seconds if text.parse::<u64>().is_err() && seconds > 0 && seconds % 60 == 0 => Ok(seconds / 60),
        _ => Err(format!("{text} is not a whole number of minutes; write 15m or 2h")),
    }
}

/// An instant, as RFC 3339 or as a duration before now.
#[derive(Clone, Debug)]
pub enum When {
    At(Timestamp),
    Before(u64),
}

impl When {
    pub fn parse(text: &str) -> Result<Self, String> {
        if let Ok(at) = text.parse() {
            return Ok(Self::At(at));
        }
        let invalid = |_| format!("{text} is neither a duration (24h) nor a time (2026-11-30T09:00:00Z)");
        seconds(text).map(Self::Before).map_err(invalid)
    }

    pub fn instant(&self, now: Timestamp) -> Timestamp {
        match self {
            Self::At(at) => *at,
            Self::Before(seconds) => before(now, *seconds),
        }
    }
}

/// The instant this many seconds earlier.
pub fn before(at: Timestamp, seconds: u64) -> Timestamp {
    at.checked_sub(SignedDuration::from_secs(i64::try_from(seconds).unwrap_or(i64::MAX)))
        .unwrap_or(Timestamp::MIN)
}

/// The instant this many seconds later.
pub fn after(at: Timestamp, seconds: u64) -> Timestamp {
    at.checked_add(SignedDuration::from_secs(i64::try_from(seconds).unwrap_or(i64::MAX)))
        .unwrap_or(Timestamp::MAX)
}

/// How a terminal shows instants.
#[derive(Clone)]
pub struct Clock {
    /// The time of the server.
    pub now: Timestamp,
    pub zone: TimeZone,
}

impl Clock {
    pub fn new(now: Timestamp, utc: bool) -> Self {
        Self { now, zone: if utc { TimeZone::UTC } else { TimeZone::system() } }
    }

    /// `14:15:00 CET, in 3 h`; with the date unless it is today.
    pub fn show(&self, at: Timestamp) -> String {
        let (local, today) = (at.to_zoned(self.zone.clone()), self.now.to_zoned(self.zone.clone()));
        let form = if local.date() == today.date() { "%H:%M:%S %Z" } else { "%Y-%m-%d %H:%M %Z" };
        format!("{}, {}", local.strftime(form), relative(at, self.now))
    }
}

/// `in 3 h`, or `5 min ago`.
fn relative(at: Timestamp, now: Timestamp) -> String {
    let seconds = at.duration_since(now).as_secs();
    let (amount, unit) = match seconds.unsigned_abs() {
        seconds @ 0..60 => (seconds, "s"),
        seconds @ 60..5400 => (seconds / 60, "min"),
        seconds @ 5400..172_800 => (seconds / 3600, "h"),
        seconds => (seconds / 86_400, "d"),
    };
    if seconds == 0 {
        // `Date` has whole seconds.
        return "now".to_owned();
    }
    if seconds > 0 { format!("in {amount} {unit}") } else { format!("{amount} {unit} ago") }
}

/// A duration in milliseconds as `12.3 ms`, `4.5 s` or `3 min`.
pub fn milliseconds(value: f64) -> String {
    match value {
        ..1000.0 => format!("{value:.1} ms"),
        ..120_000.0 => format!("{:.1} s", value / 1000.0),
        _ => format!("{:.0} min", value / 60_000.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read() {
        for (text, expected) in
            [("30s", 30), ("15m", 900), ("2h", 7200), ("90d", 7_776_000), ("1h 30m", 5400), ("45", 45)]
        {
            assert_eq!(seconds(text), Ok(expected), "{text}");
        }
        for text in ["", "x", "-3s", "1mo", "3 apples"] {
            assert!(seconds(text).is_err(), "{text}");
        }
        assert_eq!(minutes("2h"), Ok(120));
        for text in ["15", "90s", "0m"] {
            assert!(minutes(text).is_err(), "{text}");
        }
    }

    #[test]
    fn instants_are_shown_with_their_distance() {
        let now: Timestamp = "2026-11-30T12:00:00Z".parse().unwrap();
        let clock = Clock::new(now, true);
        for (at, expected) in [
            ("2026-11-30T12:00:05Z", "12:00:05 UTC, in 5 s"),
            ("2026-11-30T11:00:00Z", "11:00:00 UTC, 60 min ago"),
            ("2026-12-01T09:30:00Z", "2026-12-01 09:30 UTC, in 21 h"),
            ("2026-10-30T12:00:00Z", "2026-10-30 12:00 UTC, 31 d ago"),
        ] {
            assert_eq!(clock.show(at.parse().unwrap()), expected);
        }
    }
}
