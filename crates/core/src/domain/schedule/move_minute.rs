//! Cron expressions with one fixed minute, which can move within its hour.

use chrono::{DateTime, Utc};
use jiff::Timestamp;

use super::Cron;
use super::minutes::MinuteSpan;

impl Cron {
    /// The same expression at another minute. `None` unless its minute is written as one number, or by a macro.
    pub fn at_minute(&self, minute: u8) -> Option<Self> {
        let written = self.expression().trim();
        let five_fields = if written.starts_with('@') { self.pattern().ok()?.text.as_str() } else { written };
        let (before, rest) = five_fields.split_once([' ', '\t'])?;
        let is_fixed = !before.is_empty() && before.bytes().all(|byte| byte.is_ascii_digit());
        let moved = is_fixed.then(|| format!("{minute} {}", rest.trim_start()))?;
        Self::parse(&moved, self.timezone()).ok()
    }

    /// The minutes of `span` that lie in the same local hour as its minute `index`: their numbers on the clock.
    pub fn minutes_of_hour(&self, span: MinuteSpan, index: usize) -> Vec<u8> {
        let local = |index| {
            let at: DateTime<Utc> = span.start_of(index);
            Timestamp::from_second(at.timestamp()).ok().map(|at| self.zone().to_datetime(at))
        };
        let Some(hour) = local(index).map(|at| (at.date(), at.hour())) else { return Vec::new() };
        let all = (0..span.len()).filter_map(local);
        all.filter(|at| (at.date(), at.hour()) == hour).map(|at| at.minute().unsigned_abs()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::TimeDelta;

    #[test]
    fn only_one_fixed_minute_moves() {
        for (before, after) in [
            ("0 4 * * MON-FRI", Some("17 4 * * MON-FRI")),
            ("05\t4  * * *", Some("17 4  * * *")),
            (" 30 */2 1,15 * * ", Some("17 */2 1,15 * *")),
            ("@daily", Some("17 0 * * *")),
            ("@hourly", Some("17 * * * *")),
            ("0,30 4 * * *", None),
            ("*/59 4 * * *", None),
            ("0-0 4 * * *", None),
            ("* 4 * * *", None),
        ] {
            let moved = Cron::parse(before, "Europe/Berlin").unwrap().at_minute(17);
            assert_eq!(moved.as_ref().map(Cron::expression), after, "{before}");
            assert!(moved.is_none_or(|moved| moved.timezone() == "Europe/Berlin"));
        }
        assert_eq!(Cron::from_stored("@hourly", "Nowhere").at_minute(17), None);
    }

    #[test]
    fn the_hour_is_that_of_the_zone() {
        let from: DateTime<Utc> = "2026-01-01T10:50:00Z".parse().unwrap();
        let span = MinuteSpan::new(from, from + TimeDelta::minutes(20));
        let minutes = |zone, index| Cron::parse("0 4 * * *", zone).unwrap().minutes_of_hour(span, index);
        assert_eq!(minutes("UTC", 10), (0..10).collect::<Vec<u8>>());
        assert_eq!(minutes("UTC", 0), (50..60).collect::<Vec<u8>>());
        assert_eq!(minutes("Asia/Kolkata", 10), (20..40).collect::<Vec<u8>>());
    }
}
