use super::*;
use chrono::{DateTime, TimeDelta, Utc};
use uuid::Uuid;

fn at(text: &str) -> DateTime<Utc> {
    format!("2026-06-01T{text}:00Z").parse().unwrap()
}

fn window() -> MinuteSpan {
    MinuteSpan::new(at("04:00"), at("05:00"))
}

fn id(number: u128) -> JobId {
    JobId::from_uuid(Uuid::from_u128(number))
}

fn timer(number: u128, expression: &str) -> Timer {
    let schedule = StoredSchedule::Cron { expression: expression.into(), timezone: "UTC".into() };
    Timer {
        job: id(number),
        version: 3,
        next_run_at: at("04:00"),
        anchor: at("04:00"),
        schedule,
        host: "a".into(),
    }
}

#[test]
fn jobs_of_one_minute_are_spread_over_the_hour() {
    let timers: Vec<Timer> = (0..300).map(|number| timer(number, "0 4 * * *")).collect();
    let proposal = spread(&timers, None, window());
    assert_eq!((proposal.before.peak(), proposal.before.minutes[0]), (300, 300));
    assert!(proposal.after.peak() < 20, "{:?}", proposal.after);
    assert_eq!(proposal.after.minutes.iter().sum::<u32>(), 300, "no fire leaves the window");
    assert!(proposal.changes.len() > 280 && !proposal.has_more);
    assert!(proposal.kept.iter().all(|(_, reason)| *reason == KeptReason::AlreadySpread));
    assert_eq!(proposal, spread(&timers, None, window()), "the same question gets the same answer");
}

/// Applied, the proposal has the load that it promises, and there is nothing left to propose.
#[test]
fn a_proposal_that_was_applied_is_not_changed_again() {
    let timers: Vec<Timer> = (0..50).map(|number| timer(number, "0 4 * * *")).collect();
    let proposal = spread(&timers, None, window());
    let applied: Vec<Timer> = timers
        .iter()
        .map(|before| {
            let change = proposal.changes.iter().find(|change| change.job == before.job);
            Timer { job: before.job, ..timer(0, change.map_or("0 4 * * *", |change| &change.after)) }
        })
        .collect();
    let again = spread(&applied, None, window());
    assert_eq!((again.before, again.changes.len()), (proposal.after, 0));
}

#[test]
fn jobs_that_cannot_move_say_why() {
    let every = StoredSchedule::Every { seconds: 3600 };
    let timers = [
        timer(1, "0,30 4 * * *"),
        timer(2, "*/5 4 * * *"),
        timer(3, "0 9 * * *"),
        Timer { schedule: every, anchor: at("00:00"), ..timer(4, "") },
        Timer {
            schedule: StoredSchedule::Once { run_at: at("04:00") + TimeDelta::seconds(5) },
            ..timer(5, "")
        },
        timer(6, "0 4 * * *"),
    ];
    let chosen: Vec<JobId> = [1, 2, 3, 4, 5, 99].map(id).to_vec();
    let proposal = spread(&timers, Some(&chosen), window());
    assert_eq!(
        proposal.kept,
        [
            (id(1), KeptReason::SeveralMinutes),
            (id(2), KeptReason::SeveralMinutes),
            (id(3), KeptReason::NotInWindow),
            (id(4), KeptReason::NotCron),
            (id(5), KeptReason::NotCron),
            (id(99), KeptReason::NotActive),
        ]
    );
    assert!(proposal.changes.is_empty(), "job 6 was not chosen");
    assert_eq!(
        (proposal.before.minutes[0], proposal.before == proposal.after),
        (5, true),
        "it counts all the same"
    );
    let of_all = spread(&timers, None, window());
    assert!(of_all.kept.iter().all(|(job, _)| *job != id(3)), "of all jobs, others are not listed");
}

#[test]
fn a_proposal_has_a_limit() {
    let timers: Vec<Timer> = (0..1500).map(|number| timer(number, "0 4 * * *")).collect();
    let proposal = spread(&timers, None, window());
    assert!(proposal.has_more);
    assert_eq!(proposal.changes.len() + proposal.kept.len(), MAX_CHANGES);
    assert_eq!(proposal.after.minutes.iter().sum::<u32>(), 1500);
}

/// Of a window that crosses the hour, only its minutes in the hour of the fire.
#[test]
fn a_job_keeps_its_hour() {
    let window = MinuteSpan::new(at("03:50"), at("04:10"));
    let timers: Vec<Timer> = (0..100).map(|number| timer(number, "0 4 * * *")).collect();
    let proposal = spread(&timers, None, window);
    assert_eq!(proposal.after.minutes[..10], [0; 10]);
    assert_eq!(proposal.after.minutes.iter().sum::<u32>(), 100);
}
