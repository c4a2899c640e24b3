//! Hints about expressions in the language of other schedulers: what they mean, written as crontab(5) or as another kind.
//!
//! A hint must not lead to another meaning: what has no equal here gets no example.

use super::{grammar, zone};
use crate::domain::invalid::Invalid;

const ONE_INSTANT: &str = "For one instant use kind scheduled, with `schedule.run_at`.";
const ZONE: &str =
    "Write the time zone into `schedule.timezone`, and the expression alone into `schedule.cron`.";
const MAX_INTERVAL_MINUTES: u64 = 1440;

/// The error of an expression, with what to write instead if its meaning is known.
pub(super) fn explain(expression: &str, invalid: Invalid) -> Invalid {
    if expression.len() > grammar::MAX_EXPRESSION_BYTES {
        return invalid;
    }
    match hint(expression) {
        Some(hint) => invalid.hint(hint),
        None => invalid,
    }
}

fn hint(expression: &str) -> Option<String> {
    let written = expression.trim();
    let lower = written.to_ascii_lowercase();
    let quotes = ['"', '\'', '`', '\u{201c}', '\u{201d}', '\u{2018}', '\u{2019}', '\u{201e}'];
    if written.starts_with(quotes) || written.ends_with(quotes) {
        return Some("Leave out the quotes.".to_owned());
    }
    if lower.starts_with("cron_tz=") || lower.starts_with("tz=") {
        return Some(ZONE.to_owned());
    }
    if let Some(inside) = inside(&lower, "cron") {
        return Some(amazon(inside));
    }
    if lower.starts_with("at(") || is_date(&lower) {
        return Some(ONE_INSTANT.to_owned());
    }
    if lower.contains("*-*-*") {
        return Some(format!("This is an expression of systemd. {}", grammar::FIELDS));
    }
    interval(&lower).or_else(|| shorthand(&lower)).or_else(|| time(&lower)).or_else(|| fields(written))
}

/// `cron(0 12 * * ? *)`: `name(…)` has what is inside.
fn inside<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    text.strip_prefix(name)?.trim_start().strip_prefix('(')?.strip_suffix(')').map(str::trim)
}

/// Six fields of EventBridge: the last is a year, and weekdays are counted from 1 for Sunday.
fn amazon(inside: &str) -> String {
    let fields: Vec<&str> = inside.split_ascii_whitespace().collect();
    match fields.as_slice() {
        [.., year] if fields.len() == 6 && !matches!(*year, "*" | "?") => {
            format!("Leave out `cron( )`. Years are not supported. {ONE_INSTANT}")
        }
        [_, _, _, _, weekday, ..] if weekday.bytes().any(|byte| byte.is_ascii_digit()) => {
            "Leave out `cron( )` and the year, and write weekdays as names, such as MON: numbers mean other days."
                .to_owned()
        }
        [five @ .., _] if fields.len() == 6 && grammar::read(&five.join(" ")).is_ok() => {
            format!("Leave out `cron( )` and the year: `{}`.", five.join(" ").to_ascii_uppercase())
        }
        five if grammar::read(&five.join(" ")).is_ok() => {
            format!("Leave out `cron( )`: `{}`.", five.join(" ").to_ascii_uppercase())
        }
        _ => format!("Leave out `cron( )` and the year. {}", grammar::FIELDS),
    }
}

/// `2030-01-01…`
fn is_date(text: &str) -> bool {
    let shape = |byte: u8| if byte.is_ascii_digit() { b'0' } else { byte };
    text.len() >= 10 && text.bytes().take(10).map(shape).eq("0000-00-00".bytes())
}

/// `every 5 minutes`, `rate(5 minutes)`, `@every 1h30m`, `PT5M`
fn interval(text: &str) -> Option<String> {
    let text = inside(text, "rate").unwrap_or(text).trim_start_matches('@').replace('_', " ");
    let text = text.strip_prefix("every").unwrap_or(&text).trim();
    let text = text.strip_prefix("r/").unwrap_or(text);
    let iso = text.strip_prefix('p').map(|iso| iso.replacen('t', "", 1));
    let seconds = duration(iso.as_deref().unwrap_or(text))?;
    let minutes = seconds / 60;
    if seconds < 60 {
        return Some("The shortest interval is 1 minute.".to_owned());
    }
    if seconds % 60 > 0 {
        return Some("An interval has whole minutes.".to_owned());
    }
    let every = if minutes == 1 { "every minute".to_owned() } else { format!("every {minutes} minutes") };
    let recurring = format!("use kind recurring with every_n_minutes: {minutes}");
    match (equal_steps(minutes), minutes <= MAX_INTERVAL_MINUTES) {
        (Some(cron), _) => Some(format!("For {every} write `{cron}`, or {recurring}.")),
        (None, true) => Some(format!("For {every} {recurring}.")),
        (None, false) => Some(format!(
            "The longest interval is {MAX_INTERVAL_MINUTES} minutes, which is a day. For longer ones write an \
             expression, such as `0 0 * * SUN` for every week."
        )),
    }
}

/// The expression that fires at these equal distances, if one does.
fn equal_steps(minutes: u64) -> Option<String> {
    match (minutes, minutes / 60) {
        (1, _) => Some("* * * * *".to_owned()),
        (2..60, _) if 60 % minutes == 0 => Some(format!("*/{minutes} * * * *")),
        (60, _) => Some("0 * * * *".to_owned()),
        (1440, _) => Some("0 0 * * *".to_owned()),
        (_, hours @ 2..24) if minutes.is_multiple_of(60) && 24 % hours == 0 => {
            Some(format!("0 */{hours} * * *"))
        }
        _ => None,
    }
}

/// The seconds of `5 minutes`, `1h30m` or `hour`.
fn duration(text: &str) -> Option<u64> {
    let (mut seconds, mut rest) = (0u64, text.trim());
    let counts_once = !rest.starts_with(|char: char| char.is_ascii_digit());
    while !rest.is_empty() {
        let digits = rest.find(|char: char| !char.is_ascii_digit()).unwrap_or(rest.len());
        let number: u64 = if counts_once && digits == 0 { 1 } else { rest[..digits].parse().ok()? };
        rest = rest[digits..].trim_start();
        let letters = rest.find(|char: char| !char.is_ascii_alphabetic()).unwrap_or(rest.len());
        let unit = match &rest[..letters] {
            "s" | "sec" | "secs" | "second" | "seconds" => 1,
            "m" | "min" | "mins" | "minute" | "minutes" => 60,
            "h" | "hr" | "hrs" | "hour" | "hours" => 3600,
            "d" | "day" | "days" => 86_400,
            "w" | "week" | "weeks" => 604_800,
            _ => return None,
        };
        seconds = seconds.checked_add(number.checked_mul(unit)?)?;
        rest = rest[letters..].trim_start();
        if counts_once && !rest.is_empty() {
            return None;
        }
    }
    (seconds > 0).then_some(seconds)
}

/// `daily`, `@minutely`
fn shorthand(text: &str) -> Option<String> {
    let word = text.trim_start_matches('@');
    let known = grammar::NICKNAMES.iter().find(|(name, _)| &name[1..] == word);
    match known {
        Some((name, _)) => Some(format!("Write {name}.")),
        None => (word == "minutely").then(|| "For every minute write `* * * * *`.".to_owned()),
    }
}

/// `9:30`
fn time(text: &str) -> Option<String> {
    let (hour, minute) = text.split_once(':')?;
    let (hour, minute): (u8, u8) = (hour.parse().ok()?, minute.parse().ok()?);
    let is_time = hour < 24 && minute < 60;
    is_time.then(|| format!("For every day at {hour:02}:{minute:02} write `{minute} {hour} * * *`."))
}

/// Five fields with something after them, or with a letter that other schedulers know.
fn fields(written: &str) -> Option<String> {
    let fields: Vec<&str> = written.split_ascii_whitespace().collect();
    if let [_, _, _, _, _, after, ..] = fields.as_slice()
        && grammar::read(&fields[..5].join(" ")).is_ok()
    {
        if fields.len() == 6 && zone::find(after).is_ok() {
            return Some(ZONE.to_owned());
        }
        if after.contains("://") {
            return Some("A URL follows the expression: write it into `request.url`.".to_owned());
        }
        if after.starts_with(['/', '.']) || after.bytes().filter(u8::is_ascii_lowercase).count() > 1 {
            return Some(
                "A command follows the expression. TrigRun runs no commands: it calls `request.url`."
                    .to_owned(),
            );
        }
    }
    let is_hash =
        |field: &&str| matches!(*field, "H" | "h") || field.starts_with("H(") || field.starts_with("H/");
    if fields.iter().any(is_hash) {
        return Some("H belongs to Jenkins: choose a value yourself, such as 17 for the minute.".to_owned());
    }
    fields
        .iter()
        .any(|field| field.contains('~'))
        .then(|| "Random times are not supported: choose one, such as 17 for the minute.".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn hinted(expression: &str) -> String {
        let invalid = grammar::read(expression).map(drop).expect_err(expression);
        let invalid = explain(expression, invalid);
        invalid.hint.unwrap_or_default()
    }

    #[test]
    fn intervals() {
        let both = |cron: &str, minutes: u64| {
            format!(
                "For every {minutes} minutes write `{cron}`, or use kind recurring with every_n_minutes: {minutes}."
            )
        };
        for (written, expected) in [
            ("every 5 minutes", both("*/5 * * * *", 5)),
            ("rate(5 minutes)", both("*/5 * * * *", 5)),
            ("@every 5m", both("*/5 * * * *", 5)),
            ("PT5M", both("*/5 * * * *", 5)),
            ("every 2 hours", both("0 */2 * * *", 120)),
            ("every hour", both("0 * * * *", 60)),
            ("@every 1d", both("0 0 * * *", 1440)),
            ("every 7 minutes", "For every 7 minutes use kind recurring with every_n_minutes: 7.".to_owned()),
            ("1h30m", "For every 90 minutes use kind recurring with every_n_minutes: 90.".to_owned()),
            ("every 30 seconds", "The shortest interval is 1 minute.".to_owned()),
            ("@every 90s", "An interval has whole minutes.".to_owned()),
        ] {
            assert_eq!(hinted(written), expected, "{written}");
        }
        assert!(hinted("every 2 weeks").starts_with("The longest interval is 1440 minutes"));
        assert!(hinted("every minute").starts_with("For every minute write `* * * * *`"));
        for other in ["every monday", "every 5 parsecs", "every 1.5 hours", "every", "p"] {
            assert!(!hinted(other).starts_with("For "), "{other}");
        }
    }

    /// The expression of a hint fires at exactly that distance.
    #[test]
    fn steps_are_equal() {
        for minutes in 1..=MAX_INTERVAL_MINUTES {
            let Some(expression) = equal_steps(minutes) else { continue };
            let cron = super::super::Cron::parse(&expression, "UTC").unwrap();
            let mut at = chrono::DateTime::from_timestamp(1_800_000_000, 0).unwrap();
            at = cron.next_after(at).unwrap().unwrap();
            for _ in 0..200 {
                let next = cron.next_after(at).unwrap().unwrap();
                assert_eq!((next - at).num_minutes(), i64::try_from(minutes).unwrap(), "{expression}");
                at = next;
            }
        }
    }

    #[test]
    fn other_schedulers() {
        for (written, expected) in [
            ("cron(0 12 * * ? *)", "Leave out `cron( )` and the year: `0 12 * * ?`."),
            ("cron(15 10 ? * MON-FRI *)", "Leave out `cron( )` and the year: `15 10 ? * MON-FRI`."),
            ("cron(0 12 * * ?)", "Leave out `cron( )`: `0 12 * * ?`."),
            ("CRON_TZ=America/New_York 0 4 * * *", ZONE),
            ("0 4 * * * America/New_York", ZONE),
            ("'0 2 * * *'", "Leave out the quotes."),
            ("\u{201c}0 2 * * *\u{201d}", "Leave out the quotes."),
            (
                "0 2 * * * curl https://a.example",
                "A command follows the expression. TrigRun runs no commands: it calls `request.url`.",
            ),
            ("0 2 * * * https://a.example", "A URL follows the expression: write it into `request.url`."),
            ("H 2 * * *", "H belongs to Jenkins: choose a value yourself, such as 17 for the minute."),
            ("H/15 * * * *", "H belongs to Jenkins: choose a value yourself, such as 17 for the minute."),
            ("0~59 * * * *", "Random times are not supported: choose one, such as 17 for the minute."),
            ("daily", "Write @daily."),
            ("9:30", "For every day at 09:30 write `30 9 * * *`."),
            ("2030-01-01T09:00:00Z", ONE_INSTANT),
            ("at(2030-01-01T09:00:00)", ONE_INSTANT),
            ("0 0 * * MONDAY", "Did you mean MON?"),
            ("0 0 1 Sept *", "Did you mean SEP?"),
            ("*/90 * * * *", "For every 90 minutes use kind recurring with every_n_minutes: 90."),
        ] {
            assert_eq!(hinted(written), expected, "{written}");
        }
        // There, 2 is Monday; here, it is Tuesday.
        let numbered = hinted("cron(0 12 ? * 2 *)");
        assert!(numbered.contains("as names") && !numbered.contains("`0 12"), "{numbered}");
        assert!(hinted("cron(0 12 * * ? 2030)").contains("Years are not supported"));
        assert!(hinted("*-*-* 02:00:00").starts_with("This is an expression of systemd."));
        assert!(hinted("0 0 12 * * ?").contains("Seconds"), "six fields");
    }
}
