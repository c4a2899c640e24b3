//! The forecast is the sum of the previews of all jobs.

use super::*;
use crate::domain::{id::JobId, schedule::Schedule};
use proptest::prelude::*;
use uuid::Uuid;

fn at(minute: i64) -> DateTime<Utc> {
    DateTime::from_timestamp((29_333_333 + minute) * 60, 0).unwrap()
}

fn timer(number: u128, schedule: StoredSchedule, host: &str) -> Timer {
    let (job, host) = (JobId::from_uuid(Uuid::from_u128(number)), host.to_owned());
    Timer { job, version: 1, next_run_at: at(0), anchor: at(0), schedule, host }
}

fn cron(expression: &str, timezone: &str) -> StoredSchedule {
    StoredSchedule::Cron { expression: expression.into(), timezone: timezone.into() }
}

/// Every fire of the preview of a job that lies in the span.
fn previewed(schedule: &Schedule, anchor: DateTime<Utc>, span: MinuteSpan) -> Vec<DateTime<Utc>> {
    let mut fires = Vec::new();
    let mut from = span.start_of(0) - TimeDelta::microseconds(1);
    loop {
        let page = schedule.preview(anchor, from, 100).unwrap();
        let Some(last) = page.last() else { return fires };
        from = last.at;
        let before = fires.len();
        fires.extend(page.iter().map(|fire| fire.at).filter(|at| *at < span.start_of(span.len())));
        if fires.len() - before < page.len() {
            return fires;
        }
    }
}

fn stored() -> impl Strategy<Value = StoredSchedule> {
    let zones = prop::sample::select(vec!["UTC", "Europe/Berlin", "Asia/Kolkata", "Africa/Casablanca"]);
    let expressions = prop::sample::select(vec![
        "0 * * * *",
        "*/15 * * * *",
        "30 2 * * *",
        "5,35 8-18 * * MON-FRI",
        "0 0 1 * *",
        "0 4 * * SUN",
        "*/30 2 * * *",
    ]);
    prop_oneof![
        (expressions, zones).prop_map(|(expression, zone)| cron(expression, zone)),
        (1u32..1500).prop_map(|minutes| StoredSchedule::Every { seconds: minutes * 60 }),
        (0i64..20_000).prop_map(|minute| StoredSchedule::Once { run_at: at(minute) + TimeDelta::seconds(7) }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn it_is_the_sum_of_all_previews(
        jobs in prop::collection::vec((stored(), 0i64..3_000_000, 0usize..3), 0..30),
        from in 0i64..11_520, len in 1i64..3000, step in prop::sample::select(vec![15usize, 60, 180, 1440]),
    ) {
        let from = at(from) + TimeDelta::seconds(11);
        let span = MinuteSpan::new(from, from + TimeDelta::minutes(len));
        let hosts = ["a.example", "b.example", "c.example"];
        let timers: Vec<Timer> = jobs.iter().zip(1..).map(|((schedule, anchor, host), number)| {
            // Before, in and after the span.
            let anchor = from + TimeDelta::seconds(*anchor - 2_950_000);
            Timer { anchor, ..timer(number, schedule.clone(), hosts[*host]) }
        }).collect();
        let starts = span.buckets(step, "Europe/Berlin").unwrap();
        let buckets = forecast(timers.clone(), span, &starts);
        let fires: Vec<Vec<DateTime<Utc>>> = timers.iter().map(|timer| previewed(&timer.schedule.read(), timer.anchor, span)).collect();
        prop_assert_eq!(buckets.len(), starts.len());
        for (number, bucket) in buckets.iter().enumerate() {
            let end = buckets.get(number + 1).map_or(span.start_of(span.len()), |next| next.at);
            let (mut by_host, mut by_minute) = (BTreeMap::new(), BTreeMap::new());
            for (timer, fires) in timers.iter().zip(&fires) {
                for at in fires {
                    if *at >= bucket.at && *at < end {
                        *by_host.entry(timer.host.clone()).or_insert(0u64) += 1;
                        *by_minute.entry(at.timestamp() / 60).or_insert(0u32) += 1;
                    }
                }
            }
            prop_assert_eq!(bucket.fires, by_host.values().sum::<u64>());
            prop_assert_eq!(bucket.hosts.iter().cloned().collect::<BTreeMap<_, _>>(), by_host);
            prop_assert_eq!(bucket.peak.map(|(_, fires)| fires), by_minute.values().max().copied());
            if let Some((at, fires)) = bucket.peak {
                let first = by_minute.iter().find(|(_, others)| **others == fires);
                prop_assert_eq!(first.map(|(minute, _)| minute * 60), Some(at.timestamp()));
            }
        }
    }
}

#[test]
fn the_busiest_hosts_are_listed() {
    let span = MinuteSpan::new(at(0), at(60));
    let mut timers = Vec::new();
    for (jobs, host) in [(2, "b"), (7, "g"), (2, "a"), (3, "c"), (1, "z"), (2, "d"), (9, "h")] {
        let of_host = (0..jobs).map(|_| timer(timers.len() as u128, cron("0 * * * *", "UTC"), host));
        timers.extend(of_host.collect::<Vec<_>>());
    }
    let buckets = forecast(timers, span, &[0]);
    let hosts: Vec<(&str, u64)> =
        buckets[0].hosts.iter().map(|(host, fires)| (host.as_str(), *fires)).collect();
    assert_eq!(hosts, [("h", 9), ("g", 7), ("c", 3), ("a", 2), ("b", 2)]);
    assert_eq!((buckets[0].fires, buckets[0].peak.unwrap().1), (26, 26));
}

#[test]
fn a_schedule_that_cannot_be_read_does_not_count() {
    let span = MinuteSpan::new(at(0), at(60));
    let timers = vec![timer(1, cron("0 * * * *", "Nowhere"), "a"), timer(2, cron("0 * * * *", "UTC"), "a")];
    assert_eq!(forecast(timers, span, &[0])[0].fires, 1);
    assert_eq!(forecast(Vec::new(), MinuteSpan::new(at(5), at(5)), &[]), []);
}
