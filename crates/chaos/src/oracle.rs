//! Which fires there must be, by arithmetic on what was requested and when. It uses neither the planner nor a cron library, and
//! understands only the cron expressions that the clients write: a minute field of `*` or `*/n`, in UTC.

use chrono::{DateTime, TimeDelta, Timelike, Utc};

use crate::record::Version;

/// When a job fires.
#[derive(Clone, Debug, PartialEq)]
pub enum Rule {
    Every {
        anchor: DateTime<Utc>,
        step: TimeDelta,
    },
    Minutes {
        step: u32,
    },
    At(DateTime<Utc>),
    /// Not scheduled.
    Never,
}

/// A rule and the start of its validity, which ends with the next one.
#[derive(Clone, Debug)]
pub struct Intent {
    pub from: DateTime<Utc>,
    pub rule: Rule,
}

/// The fires of a job up to `until`, in ascending order.
pub fn fires(intents: &[Intent], until: DateTime<Utc>) -> Vec<DateTime<Utc>> {
    let ends = intents.iter().skip(1).map(|next| next.from).chain([until]);
    let fires = intents
        .iter()
        .zip(ends)
        .flat_map(|(intent, end)| fires_of(&intent.rule, intent.from, end.min(until)));
    fires.collect()
}

/// Fires after `from`, up to and including `to`.
fn fires_of(rule: &Rule, from: DateTime<Utc>, to: DateTime<Utc>) -> Vec<DateTime<Utc>> {
    match rule {
        Rule::Never => Vec::new(),
        Rule::At(at) => [*at].into_iter().filter(|at| *at > from && *at <= to).collect(),
        Rule::Every { anchor, step } => {
            let mut fire = *anchor + *step;
            let mut fires = Vec::new();
            while fire <= to {
                if fire > from {
                    fires.push(fire);
                }
                fire += *step;
            }
            fires
        }
        Rule::Minutes { step } => {
            let mut minute = from
                - TimeDelta::nanoseconds(
                    i64::from(from.second()) * 1_000_000_000 + i64::from(from.nanosecond()),
                );
            let mut fires = Vec::new();
            while minute <= to {
                if minute > from && minute.minute().is_multiple_of(*step) {
                    fires.push(minute);
                }
                minute += TimeDelta::minutes(1);
            }
            fires
        }
    }
}

/// What the versions of a job request.
pub fn intents(versions: &[Version]) -> Vec<Intent> {
    let Some(first) = versions.first() else { return Vec::new() };
    let rule = |version: &Version| {
        if !version.active {
            return Rule::Never;
        }
        match (version.every_seconds, version.cron.as_deref(), version.run_at) {
            (Some(seconds), ..) => {
                Rule::Every { anchor: first.created_at, step: TimeDelta::seconds(i64::from(seconds)) }
            }
            (_, Some(cron), _) => minutes(cron),
            (_, _, Some(at)) => Rule::At(at),
            _ => Rule::Never,
        }
    };
    versions.iter().map(|version| Intent { from: version.created_at, rule: rule(version) }).collect()
}

fn minutes(cron: &str) -> Rule {
    let minute = cron.strip_suffix(" * * * *").unwrap_or(cron);
    let step =
        if minute == "*" { Some(1) } else { minute.strip_prefix("*/").and_then(|step| step.parse().ok()) };
    step.map_or(Rule::Never, |step| Rule::Minutes { step })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    #[test]
    fn a_rule_is_valid_until_the_next() {
        let start = at("2026-01-01T00:00:00.250Z");
        let every = Rule::Every { anchor: start, step: TimeDelta::seconds(2) };
        let intents = [
            Intent { from: start, rule: every.clone() },
            Intent { from: start + TimeDelta::seconds(5), rule: Rule::Never },
            Intent { from: start + TimeDelta::seconds(9), rule: every },
        ];
        let seconds: Vec<i64> = fires(&intents, start + TimeDelta::seconds(12))
            .iter()
            .map(|fire| (*fire - start).num_seconds())
            .collect();
        assert_eq!(seconds, [2, 4, 10, 12]);
    }

    #[test]
    fn cron_fires_are_whole_minutes_after_the_start() {
        let from = at("2026-01-01T00:58:00Z");
        let until = at("2026-01-01T01:02:30Z");
        let count = |cron| fires_of(&minutes(cron), from, until);
        assert_eq!(count("* * * * *").len(), 4);
        assert_eq!(count("*/2 * * * *"), [at("2026-01-01T01:00:00Z"), at("2026-01-01T01:02:00Z")]);
    }

    #[test]
    fn an_instant_fires_once_and_not_in_the_past() {
        let instant = at("2026-01-01T00:00:10Z");
        let intent = |from| [Intent { from: at(from), rule: Rule::At(instant) }];
        let until = at("2026-01-01T01:00:00Z");
        assert_eq!(fires(&intent("2026-01-01T00:00:00Z"), until), [instant]);
        assert!(fires(&intent("2026-01-01T00:00:11Z"), until).is_empty());
    }
}
