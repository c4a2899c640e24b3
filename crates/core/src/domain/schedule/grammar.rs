//! The grammar of a cron expression: what is accepted, and one error message for each violation.
//!
//! croner accepts more than the documented grammar (`1,,2`, `*/61`, `1JAN`, `+MON`, three to seven fields), so
//! every expression is checked here first and passed to croner as plain numbers. The base is crontab(5) of Vixie
//! cron; `L`, `W`, `#` and `?` are as in croner.

use crate::domain::{invalid::Invalid, wording::did_you_mean};

/// The longest expression that is accepted.
pub(super) const MAX_EXPRESSION_BYTES: usize = 256;

pub(super) const FIELDS: &str = "The fields are: minute hour day-of-month month day-of-week.";

pub(super) const NICKNAMES: [(&str, &str); 7] = [
    ("@hourly", "0 * * * *"),
    ("@daily", "0 0 * * *"),
    ("@midnight", "0 0 * * *"),
    ("@weekly", "0 0 * * 0"),
    ("@monthly", "0 0 1 * *"),
    ("@yearly", "0 0 1 1 *"),
    ("@annually", "0 0 1 1 *"),
];

/// An expression that follows the grammar.
#[derive(Debug)]
pub(super) struct Pattern {
    /// Five fields in upper case, without names, for croner.
    pub(super) text: String,
    /// The minute or the hour field starts with `*`: the pattern is a cadence, not a set of local times.
    pub(super) is_cadence: bool,
    /// A day field starts with `*`, so both day fields must match (crontab(5), BUGS).
    pub(super) both_days: bool,
}

/// Parses an expression.
pub(super) fn read(expression: &str) -> Result<Pattern, Invalid> {
    if expression.len() > MAX_EXPRESSION_BYTES {
        return Err(Invalid::new(
            "cron_too_long",
            format!("A cron expression has at most {MAX_EXPRESSION_BYTES} bytes."),
        ));
    }
    if !expression.bytes().all(|byte| byte == b'\t' || (b' '..=b'~').contains(&byte)) {
        let message = "A cron expression is one line of plain ASCII characters.";
        return Err(Invalid::new("cron_syntax", message));
    }
    let written = expression.trim_matches([' ', '\t']);
    let expanded = if written.starts_with('@') { nickname(written)? } else { written };
    let fields: Vec<&str> = expanded.split([' ', '\t']).filter(|field| !field.is_empty()).collect();
    let &[minute, hour, day, month, weekday] = fields.as_slice() else {
        return Err(field_count(fields.len()));
    };

    let normal = [
        MINUTE.normalise(minute)?,
        HOUR.normalise(hour)?,
        DAY.normalise(day)?,
        MONTH.normalise(month)?,
        WEEKDAY.normalise(weekday)?,
    ];
    let [minute, hour, day, _, weekday] = &normal;
    Ok(Pattern {
        is_cadence: minute.starts_with('*') || hour.starts_with('*'),
        both_days: day.starts_with('*') || weekday.starts_with('*'),
        text: normal.join(" "),
    })
}

fn nickname(written: &str) -> Result<&'static str, Invalid> {
    if let Some((_, pattern)) = NICKNAMES.iter().find(|(name, _)| name.eq_ignore_ascii_case(written)) {
        return Ok(pattern);
    }
    if written.eq_ignore_ascii_case("@reboot") {
        let message = "@reboot is not a schedule, because it gives no time.";
        return Err(Invalid::new("cron_reboot", message)
            .hint("Call the URL from the system that starts, or give the job a time."));
    }
    let known = NICKNAMES.map(|(name, _)| name).join(" ");
    Err(Invalid::new("cron_nickname", format!("{written:?} is not a known shorthand."))
        .hint(format!("Known shorthands: {known}.")))
}

fn field_count(count: usize) -> Invalid {
    if count == 0 {
        return Invalid::new("cron_empty", "The cron expression is empty.");
    }
    let hint = match count {
        6 | 7 => "Seconds and years are not supported: minute hour day-of-month month day-of-week.",
        _ => FIELDS,
    };
    let fields = if count == 1 { "field" } else { "fields" };
    Invalid::new(
        "cron_field_count",
        format!("A cron expression has exactly 5 fields; this one has {count} {fields}."),
    )
    .hint(hint)
}

/// The values that one of the five fields accepts.
struct Field {
    name: &'static str,
    min: u8,
    max: u8,
    /// Names of values, of which the first three letters are written, and the value of the first name.
    names: (&'static [&'static str], u8),
    extras: Extras,
}

/// The extensions of the two day fields.
#[derive(PartialEq)]
enum Extras {
    None,
    /// `?`, `L`, `LW`, `15W`
    Day,
    /// `?`, `5L`, `5#2`
    Weekday,
}

const MONTHS: &[&str] = &[
    "JANUARY",
    "FEBRUARY",
    "MARCH",
    "APRIL",
    "MAY",
    "JUNE",
    "JULY",
    "AUGUST",
    "SEPTEMBER",
    "OCTOBER",
    "NOVEMBER",
    "DECEMBER",
];
const WEEKDAYS: &[&str] = &["SUNDAY", "MONDAY", "TUESDAY", "WEDNESDAY", "THURSDAY", "FRIDAY", "SATURDAY"];

const MINUTE: Field = Field { name: "minute", min: 0, max: 59, names: (&[], 0), extras: Extras::None };
const HOUR: Field = Field { name: "hour", min: 0, max: 23, names: (&[], 0), extras: Extras::None };
const DAY: Field = Field { name: "day-of-month", min: 1, max: 31, names: (&[], 0), extras: Extras::Day };
const MONTH: Field = Field { name: "month", min: 1, max: 12, names: (MONTHS, 1), extras: Extras::None };
const WEEKDAY: Field =
    Field { name: "day-of-week", min: 0, max: 7, names: (WEEKDAYS, 0), extras: Extras::Weekday };

impl Field {
    /// The field in the form that croner parses, or its error.
    fn normalise(&self, field: &str) -> Result<String, Invalid> {
        let field = field.to_ascii_uppercase();
        if field == "*" || (field == "?" && self.extras != Extras::None) {
            return Ok("*".to_owned());
        }
        let items: Vec<String> = field.split(',').map(|item| self.item(item)).collect::<Result<_, _>>()?;
        // croner has one flag for both, so the two together would mean LW only.
        if ["L", "LW"].iter().all(|both| items.iter().any(|item| item == both)) {
            return Err(self.syntax("L and LW cannot be combined in one field"));
        }
        Ok(items.join(","))
    }

    fn item(&self, item: &str) -> Result<String, Invalid> {
        if item.is_empty() {
            return Err(self.syntax("a list has an empty item"));
        }
        if item == "*" {
            return Err(self.syntax("* cannot be in a list: it already means every value"));
        }
        if let Some((range, step)) = item.split_once('/') {
            return self.stepped(range, step);
        }
        match self.extras {
            Extras::Day if item == "L" || item == "LW" => return Ok(item.to_owned()),
            Extras::Day if item.ends_with('W') => {
                return Ok(format!("{}W", self.value(&item[..item.len() - 1])?));
            }
            Extras::Weekday if item == "L" => {
                return Err(self
                    .syntax("L needs a weekday before it")
                    .hint("5L is the last Friday of the month."));
            }
            Extras::Weekday if item.contains('#') => return self.nth(item),
            Extras::Weekday if item.ends_with('L') => {
                return Ok(format!("{}#L", self.value(&item[..item.len() - 1])?));
            }
            _ => {}
        }
        self.range_or_value(item)
    }

    /// `*/5`, `10-40/5`
    fn stepped(&self, range: &str, step: &str) -> Result<String, Invalid> {
        let step = number(step).ok_or_else(|| self.syntax(&format!("{step:?} is not a step")))?;
        if !(1..=u16::from(self.max)).contains(&step) {
            let message =
                format!("In the {} field, a step is between 1 and {}, not {step}.", self.name, self.max);
            let invalid = Invalid::new("cron_step", message);
            return Err(match self.interval(range, step) {
                Some(minutes) => invalid.hint(format!(
                    "For every {minutes} minutes use kind recurring with every_n_minutes: {minutes}."
                )),
                None => invalid,
            });
        }
        if range == "*" {
            return Ok(format!("*/{step}"));
        }
        if !range.contains('-') {
            let message = "a step must follow * or a range";
            let invalid = self.syntax(message);
            return Err(match number(range) {
                // Only a range from the first value is the same as *.
                Some(start) if start == u16::from(self.min) => {
                    invalid.hint(format!("Write {start}-{}/{step}, or */{step}.", self.max))
                }
                Some(start) => invalid.hint(format!("Write {start}-{}/{step}.", self.max)),
                None => invalid,
            });
        }
        let stepped = self.range_or_value(range).map_err(|invalid| Invalid {
            // Two ranges with this step would be another list of values.
            hint: invalid.hint.filter(|_| invalid.code != "cron_reversed_range"),
            ..invalid
        });
        Ok(format!("{}/{step}", stepped?))
    }

    /// The interval that was meant by a step that is too long for the field.
    fn interval(&self, range: &str, step: u16) -> Option<u16> {
        let minutes = match self.name {
            "minute" => step,
            "hour" => step.checked_mul(60)?,
            _ => return None,
        };
        (range == "*" && (1..=1440).contains(&minutes)).then_some(minutes)
    }

    /// `5#2`, `MON-FRI#1`, `5#L`
    fn nth(&self, item: &str) -> Result<String, Invalid> {
        let (days, nth) = item.split_once('#').unwrap_or((item, ""));
        if !matches!(nth, "1" | "2" | "3" | "4" | "5" | "L") {
            return Err(self.syntax("# must be followed by 1 to 5, or L for the last"));
        }
        let days = self.range_or_value(days).map_err(|invalid| Invalid {
            hint: invalid.hint.filter(|_| invalid.code != "cron_reversed_range"),
            ..invalid
        });
        Ok(format!("{}#{nth}", days?))
    }

    fn range_or_value(&self, item: &str) -> Result<String, Invalid> {
        let Some((first, last)) = item.split_once('-') else { return Ok(self.value(item)?.to_string()) };
        let (start, mut end) = (self.value(first)?, self.value(last)?);
        if self.extras == Extras::Weekday && last == "SUN" && start > 0 {
            end = 7;
        }
        if start > end {
            let message = format!("In the {} field, the range {item} runs backwards.", self.name);
            let hint = format!("Write it as two: {start}-{},{}-{end}.", self.max, self.min);
            return Err(Invalid::new("cron_reversed_range", message).hint(hint));
        }
        Ok(format!("{start}-{end}"))
    }

    fn value(&self, text: &str) -> Result<u8, Invalid> {
        let (names, first) = self.names;
        if let Some(index) = names.iter().position(|name| &name[..3] == text) {
            return Ok(first + index as u8);
        }
        let value = number(text).ok_or_else(|| {
            let invalid = self.syntax(&format!("{text:?} is not a value"));
            match names.iter().find(|name| text.len() > 3 && name.starts_with(text)) {
                Some(name) => invalid.hint(did_you_mean(&name[..3])),
                None => invalid,
            }
        })?;
        u8::try_from(value).ok().filter(|value| (self.min..=self.max).contains(value)).ok_or_else(|| {
            let message = format!("The {} field takes {} to {}, not {value}.", self.name, self.min, self.max);
            Invalid::new("cron_out_of_range", message)
        })
    }

    fn syntax(&self, what: &str) -> Invalid {
        Invalid::new("cron_syntax", format!("The {} field cannot be read: {what}.", self.name))
    }
}

/// One to four digits only (`u16::from_str` would accept `+5`).
fn number(text: &str) -> Option<u16> {
    let is_number = (1..=4).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests;
