//! Which fires there must be: arithmetic on what was wanted and when. It knows neither the planner nor a cron library, and no
//! more of cron than the run's users write: a minute field of `*` or `*/n`, in UTC.

use chrono::{DateTime, TimeDelta, Timelike, Utc};

use crate::record::Version;

/// A rule of recurrence.
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
    /// Not by the clock.
    Never,
}

/// A rule, and from when it was in force; the next one ends it.
#[derive(Clone, Debug)]
pub struct Intent {
    pub from: DateTime<Utc>,
    pub rule: Rule,
}

/// The fires of a job until `until`, in order.
pub fn fires(intents: &[Intent], until: DateTime<Utc>) -> Vec<DateTime<Utc>> {
    let ends = intents.iter().skip(1).map(|next| next.from).chain([until]);
    let fires =
        intents.iter().zip(ends).flat_map(|(intent, end)| of_rule(&intent.rule, intent.from, end.min(until)));
    fires.collect()
}

/// Those after `from`, up to and including `to`.
fn of_rule(rule: &Rule, from: DateTime<Utc>, to: DateTime<Utc>) -> Vec<DateTime<Utc>> {
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

/// What the versions of a job ask for.
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
    fn a_rule_is_in_force_until_the_next() {
        let begin = at("2026-01-01T00:00:00.250Z");
        let every = Rule::Every { anchor: begin, step: TimeDelta::seconds(2) };
        let intents = [
            Intent { from: begin, rule: every.clone() },
            Intent { from: begin + TimeDelta::seconds(5), rule: Rule::Never },
            Intent { from: begin + TimeDelta::seconds(9), rule: every },
        ];
        let seconds: Vec<i64> = fires(&intents, begin + TimeDelta::seconds(12))
            .iter()
            .map(|fire| (*fire - begin).num_seconds())
            .collect();
        assert_eq!(seconds, [2, 4, 10, 12]);
    }

    #[test]
    fn minutes_are_whole_and_strictly_after() {
        let from = at("2026-01-01T00:58:00Z");
        let until = at("2026-01-01T01:02:30Z");
        let count = |cron| of_rule(&minutes(cron), from, until);
        assert_eq!(count("* * * * *").len(), 4);
        assert_eq!(count("*/2 * * * *"), [at("2026-01-01T01:00:00Z"), at("2026-01-01T01:02:00Z")]);
    }

    #[test]
    fn one_instant_is_one_fire() {
        let instant = at("2026-01-01T00:00:10Z");
        let intent = |from| [Intent { from: at(from), rule: Rule::At(instant) }];
        let until = at("2026-01-01T01:00:00Z");
        assert_eq!(fires(&intent("2026-01-01T00:00:00Z"), until), [instant]);
        assert!(fires(&intent("2026-01-01T00:00:11Z"), until).is_empty());
    }
}
