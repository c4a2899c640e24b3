//! Conversions between columns and the domain: enumerations, schedules, headers.

use chrono::{DateTime, Utc};
use diesel::{QueryableByName, sql_types::Bool};
use std::{fmt::Display, str::FromStr, time::Duration};

use super::StoreError;
use crate::domain::{
    page::Searched,
    retry::RetryPolicy,
    schedule::{Cron, Schedule},
    statuses::Statuses,
};

/// A row of a search, with the columns `matches` and `is_last`.
// No field is called `row`: the derived code uses that name.
#[derive(QueryableByName)]
pub struct SearchedRow<T> {
    #[diesel(embed)]
    pub found: T,
    #[diesel(sql_type = Bool)]
    pub matches: bool,
    #[diesel(sql_type = Bool)]
    pub is_last: bool,
}

impl<T> From<SearchedRow<T>> for Searched<T> {
    fn from(SearchedRow { found, matches, is_last }: SearchedRow<T>) -> Self {
        Self { row: found, matches, is_last }
    }
}

/// Parses a stored enumeration value.
pub fn parse_enum<T: FromStr>(column: &str, text: &str) -> Result<T, StoreError>
where
    T::Err: Display,
{
    text.parse().map_err(|why| StoreError::unreadable(column, why))
}

/// Parses a stored list of them.
pub fn parse_enums<T: FromStr>(column: &str, texts: &[String]) -> Result<Vec<T>, StoreError>
where
    T::Err: Display,
{
    texts.iter().map(|text| parse_enum(column, text)).collect()
}

/// The columns of a schedule.
#[derive(Default)]
pub struct ScheduleColumns {
    pub every_seconds: Option<i32>,
    pub cron: Option<String>,
    pub timezone: Option<String>,
    pub run_at: Option<DateTime<Utc>>,
}

impl From<&Schedule> for ScheduleColumns {
    fn from(schedule: &Schedule) -> Self {
        match schedule {
            Schedule::Recurring { every_seconds } => {
                Self { every_seconds: i32::try_from(*every_seconds).ok(), ..Self::default() }
            }
            Schedule::Cron(cron) => Self {
                cron: Some(cron.expression().to_owned()),
                timezone: Some(cron.timezone().to_owned()),
                ..Self::default()
            },
            Schedule::Scheduled { run_at } => Self { run_at: Some(*run_at), ..Self::default() },
            Schedule::OneTime => Self::default(),
        }
    }
}

impl ScheduleColumns {
    /// The schedule. If no column is set, it is `one_time`.
    pub fn schedule(self) -> Result<Schedule, StoreError> {
        if let Some(every_seconds) = self.every_seconds {
            let every_seconds =
                u32::try_from(every_seconds).map_err(|why| StoreError::unreadable("every_seconds", why))?;
            return Ok(Schedule::Recurring { every_seconds });
        }
        if let Some(cron) = &self.cron {
            return Ok(Schedule::Cron(Cron::from_stored(cron, self.timezone.as_deref().unwrap_or("UTC"))));
        }
        Ok(self.run_at.map_or(Schedule::OneTime, |run_at| Schedule::Scheduled { run_at }))
    }
}

/// Pairs as a flat list: `[name, value, name, value]`.
pub fn flatten<'a>(pairs: impl Iterator<Item = (&'a str, &'a str)>) -> Vec<String> {
    pairs.flat_map(|(name, value)| [text(name), text(value)]).collect()
}

pub fn pairs(flat: Vec<String>) -> Vec<(String, String)> {
    let mut flat = flat.into_iter();
    std::iter::from_fn(|| Some((flat.next()?, flat.next()?))).collect()
}

/// A Postgres text cannot contain U+0000; it becomes U+FFFD.
pub fn text(text: &str) -> String {
    text.replace('\0', "\u{fffd}")
}

/// One line per header. A response can never make the statement fail: line breaks and NUL, which no header may contain, become spaces.
pub fn header_lines(headers: &[(String, String)]) -> String {
    let bytes = headers.iter().map(|(name, value)| name.len() + value.len() + ": \n".len()).sum();
    let mut lines = String::with_capacity(bytes);
    for (name, value) in headers {
        lines.push_str(name);
        lines.push_str(": ");
        if value.bytes().any(|byte| matches!(byte, b'\n' | b'\r' | b'\0')) {
            lines.push_str(&value.replace(['\n', '\r', '\0'], " "));
        } else {
            lines.push_str(value);
        }
        lines.push('\n');
    }
    lines
}

/// In `retry_on_statuses`, this stands for [`RetryPolicy::retry_unreadable`]. In both lists, 1 to 5 stand for 1xx to 5xx.
const UNREADABLE: i16 = 0;

pub fn statuses_to_i16s(statuses: &Statuses) -> Vec<i16> {
    statuses.to_numbers().into_iter().filter_map(|number| i16::try_from(number).ok()).collect()
}

pub fn statuses_from_i16s(numbers: &[i16]) -> Statuses {
    let numbers: Vec<u16> = numbers.iter().filter_map(|number| u16::try_from(*number).ok()).collect();
    Statuses::from_numbers(&numbers)
}

pub fn retried_to_i16s(policy: &RetryPolicy) -> Vec<i16> {
    let mut numbers = statuses_to_i16s(&policy.retry_on_statuses);
    numbers.extend(policy.retry_unreadable.then_some(UNREADABLE));
    numbers
}

pub fn retry_policy(max_attempts: i16, retried: &[i16]) -> RetryPolicy {
    let statuses: Vec<i16> = retried.iter().copied().filter(|number| *number != UNREADABLE).collect();
    RetryPolicy {
        max_attempts: max_attempts.unsigned_abs(),
        retry_on_statuses: statuses_from_i16s(&statuses),
        retry_unreadable: statuses.len() < retried.len(),
    }
}

pub fn micros(duration: Duration) -> i32 {
    i32::try_from(duration.as_micros()).unwrap_or(i32::MAX)
}

pub fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

pub fn duration(micros: i32) -> Duration {
    Duration::from_micros(u64::try_from(micros).unwrap_or(0))
}
