use super::*;
use crate::domain::timer::StoredSchedule;
use proptest::prelude::*;

fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

fn timer(number: u128, schedule: StoredSchedule, now: DateTime<Utc>) -> Option<Timer> {
    let (job, anchor) = (JobId::from_uuid(Uuid::from_u128(number)), now - TimeDelta::minutes(7));
    let next_run_at = schedule.read().next_after(anchor, now).unwrap()?;
    Some(Timer { job, version: 1, next_run_at, anchor, schedule, host: "a".into() })
}

fn cron(expression: &str) -> StoredSchedule {
    StoredSchedule::Cron { expression: expression.into(), timezone: "Europe/Berlin".into() }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    /// The pages, one after the other, are all the fires of all the jobs in order.
    #[test]
    fn pages_are_one_list(
        jobs in prop::collection::vec((0usize..4, 1u32..90), 1..12),
        limit in 1usize..9,
    ) {
        let (now, until) = (at("2026-03-28T22:00:13Z"), at("2026-03-29T05:00:00Z"));
        let timers: Vec<Timer> = jobs.iter().zip(1..).filter_map(|((kind, minutes), number)| {
            let schedule = match kind {
                0 => cron("*/20 * * * *"),
                1 => cron("30 2 * * *"),
                2 => StoredSchedule::Once { run_at: now + TimeDelta::minutes(i64::from(*minutes)) },
                _ => StoredSchedule::Every { seconds: minutes * 60 },
            };
            timer(number, schedule, now)
        }).collect();
        let mut expected = Vec::new();
        for timer in &timers {
            let schedule = timer.schedule.read();
            let mut since = now;
            while let Some(fire) = schedule.next_after(timer.anchor, since).unwrap().filter(|at| *at < until) {
                expected.push((fire, timer.job));
                since = fire;
            }
        }
        expected.sort();
        let mut listed = Vec::new();
        let mut after = Position::before(now);
        loop {
            let page = merge(&timers, after, Some(until), limit);
            listed.extend(page.iter().map(|next| (next.fire.at, timers[next.timer].job)));
            let Some(last) = page.last() else { break };
            after = Position { at: last.fire.at, job: timers[last.timer].job };
            // A cursor keeps the place.
            prop_assert_eq!(Position::read(&after.cursor("x"), "x"), Ok(after));
        }
        prop_assert_eq!(listed, expected);
    }
}

#[test]
fn a_fire_has_its_local_time_and_its_note() {
    let now = at("2026-03-28T22:00:00Z");
    let timers: Vec<Timer> = [cron("30 2 * * *"), cron("*/30 * * * *")]
        .into_iter()
        .zip(1..)
        .filter_map(|(s, n)| timer(n, s, now))
        .collect();
    let fires = merge(&timers, Position::before(at("2026-03-29T01:00:00Z")), None, 3);
    let shown: Vec<(usize, &str, bool)> =
        fires.iter().map(|next| (next.timer, next.fire.local.as_str(), next.fire.note.is_some())).collect();
    assert_eq!(
        shown,
        [
            (0, "2026-03-29T03:00:00+02:00", true),
            (1, "2026-03-29T03:00:00+02:00", true),
            (1, "2026-03-29T03:30:00+02:00", false),
        ]
    );
}

/// The scheduler fires a timer when it says so.
#[test]
fn a_timer_that_was_set_back_fires_when_it_says() {
    let now = at("2026-06-01T00:00:00Z");
    let moved =
        Timer { next_run_at: at("2026-06-01T00:00:20Z"), ..timer(1, cron("0 4 * * *"), now).unwrap() };
    let fires = merge(&[moved], Position::before(now), None, 2);
    let shown: Vec<&str> = fires.iter().map(|next| next.fire.local.as_str()).collect();
    assert_eq!(shown, ["2026-06-01T00:00:20+00:00", "2026-06-01T04:00:00+02:00"]);
}

#[test]
fn other_texts_are_no_cursor() {
    let cursor = Position::before(at("2026-06-01T00:00:00Z")).cursor("tag=a");
    assert!(Position::read(&cursor, "tag=a").is_ok());
    let (upper, cut) = (cursor.to_uppercase(), &cursor[1..]);
    for (text, filters) in
        [(cursor.as_str(), "tag=b"), (&upper, "tag=a"), (cut, "tag=a"), ("", ""), (&"é".repeat(28), "")]
    {
        assert_eq!(Position::read(text, filters).unwrap_err().code, "cursor_invalid", "{text}");
    }
}
