//! Each verdict with its sentence; and that the explanations of all instants together are the ledger.

use proptest::prelude::*;

use super::*;
use crate::domain::{id::JobId, ledger::balance, schedule::Cron};

fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

fn cron(expression: &str, timezone: &str) -> Schedule {
    Schedule::Cron(Cron::parse(expression, timezone).unwrap())
}

fn version(number: i32, created_at: &str, state: JobState, schedule: Schedule) -> Version {
    Version { number, created_at: at(created_at), state, schedule }
}

fn record(scheduled_for: DateTime<Utc>, status: Status) -> Record {
    let execution = ExecutionId::of_fire(JobId::from_uuid(uuid::Uuid::from_u128(1)), scheduled_for);
    Record { execution, status, scheduled_for, skipped: None }
}

/// A job that reports at nine in Berlin; it was paused, resumed, and moved to ten.
fn versions() -> Vec<Version> {
    let nine = || cron("0 9 * * *", "Europe/Berlin");
    vec![
        version(1, "2026-03-02T12:00:00Z", JobState::Draft, nine()),
        version(2, "2026-03-04T12:00:00Z", JobState::Active, nine()),
        version(3, "2026-03-10T12:00:00Z", JobState::Paused, nine()),
        version(4, "2026-03-11T12:00:00Z", JobState::Paused, nine()),
        version(5, "2026-03-12T12:00:00Z", JobState::Active, nine()),
        version(6, "2026-03-20T12:00:00Z", JobState::Active, cron("0 10 * * *", "Europe/Berlin")),
    ]
}

fn explained(versions: &[Version], records: &[Record], instant: &str) -> Explanation {
    let history = History {
        created_at: versions[0].created_at,
        versions,
        records,
        blocking: None,
        kept_from: at("2026-03-03T00:00:00Z"),
        now: at("2026-03-25T09:00:30Z"),
    };
    explain(&history, at(instant)).unwrap()
}

#[track_caller]
fn check(instant: &str, verdict: Verdict, version: i32, field: Option<&str>, sentence: &str) {
    let records = [
        record(at("2026-03-06T08:00:00Z"), Status::Failed),
        Record {
            skipped: Some(("misfire".into(), at("2026-03-09T08:00:00Z"))),
            ..record(at("2026-03-07T08:00:00Z"), Status::Skipped)
        },
        Record {
            skipped: Some(("overlap".into(), at("2026-03-10T08:00:00Z"))),
            ..record(at("2026-03-10T08:00:00Z"), Status::Skipped)
        },
        record(at("2026-03-10T08:30:00Z"), Status::Succeeded),
    ];
    let found = explained(&versions(), &records, instant);
    assert_eq!((found.verdict, found.version, found.field), (verdict, version, field), "{found:?}");
    assert_eq!(found.sentence, sentence);
    let is_due = matches!(verdict, Verdict::Skipped | Verdict::Pending | Verdict::Gap)
        || (verdict == Verdict::Ran && !instant.contains("08:30"));
    assert_eq!(found.due, is_due, "{found:?}");
}

#[test]
fn what_happened_at_a_fire() {
    check("2026-03-06T08:00:00Z", Verdict::Ran, 2, None, "The job was due, and its execution failed.");
    let together = "TrigRun missed this fire by more than a minute, and the misfire policy of the job does not run it. \
                    Its record stands for all missed fires from 2026-03-07T08:00:00Z to 2026-03-09T08:00:00Z.";
    for instant in ["2026-03-07T08:00:00Z", "2026-03-08T08:00:00Z", "2026-03-09T08:00:00Z"] {
        check(instant, Verdict::Skipped, 2, None, together);
    }
    let overlap = "The job was at its concurrency limit, and its overlap policy is to skip the fire.";
    check("2026-03-10T08:00:00.000999Z", Verdict::Skipped, 2, None, overlap);
    let gap = "The job was due, and no execution is recorded. This must not happen: report it.";
    check("2026-03-13T08:00:00Z", Verdict::Gap, 5, None, gap);
    let late = "The job was due, and its execution is not recorded yet: this takes up to a minute.";
    check("2026-03-25T09:00:00Z", Verdict::Pending, 6, None, late);
    let future = "The job is due at this instant, which has not come yet.";
    check("2026-03-26T09:00:00Z", Verdict::Pending, 6, None, future);
    let extra =
        "No version of the job has a fire at this instant, but an execution is recorded, which succeeded.";
    check("2026-03-10T08:30:00Z", Verdict::Ran, 2, None, extra);
}

#[test]
fn why_there_was_no_fire() {
    let created = "The job did not exist yet. It was created at 2026-03-02T12:00:00Z.";
    check("2026-03-02T08:00:00Z", Verdict::BeforeCreated, 1, None, created);
    let kept = "Executions that were due before 2026-03-03T00:00:00Z are no longer kept.";
    check("2026-03-02T13:00:00Z", Verdict::NotKept, 1, None, kept);
    let draft = "The job was a draft: version 1 of 2026-03-02T12:00:00Z made it so. Otherwise it would have been due.";
    check("2026-03-04T08:00:00Z", Verdict::Draft, 1, None, draft);
    let paused =
        "The job was paused: version 3 of 2026-03-10T12:00:00Z made it so. Otherwise it would have been due.";
    check("2026-03-12T08:00:00Z", Verdict::Paused, 3, Some("/state"), paused);
    let no_fire = "The schedule of version 2, at 09:00, Europe/Berlin time, has no fire at this instant.";
    check("2026-03-06T08:00:01Z", Verdict::NotDue, 2, None, no_fire);
    let too = "The schedule of version 4, at 09:00, Europe/Berlin time, has no fire at this instant. The job was paused, too.";
    check("2026-03-12T08:00:01Z", Verdict::NotDue, 4, None, too);
}

#[test]
fn the_version_and_the_field_that_changed_are_named() {
    let before = "The schedule of version 6, at 10:00, Europe/Berlin time, has no fire at this instant. \
                  Version 5 had one, until version 6 changed /schedule/cron at 2026-03-20T12:00:00Z.";
    check("2026-03-21T08:00:00Z", Verdict::NotDue, 6, Some("/schedule/cron"), before);
    let after = "The schedule of version 5, at 09:00, Europe/Berlin time, has no fire at this instant. \
                 Version 6 has one, but it changed /schedule/cron only at 2026-03-20T12:00:00Z.";
    check("2026-03-14T09:00:00Z", Verdict::NotDue, 6, Some("/schedule/cron"), after);
}

#[test]
fn a_change_within_a_second_of_the_fire() {
    let mut versions = versions();
    versions[5].created_at = at("2026-03-20T08:00:00.700Z");
    let found = explained(&versions, &[], "2026-03-20T08:00:00Z");
    let sentence = "Version 6 changed /schedule/cron at 2026-03-20T08:00:00.700Z, within a second of this fire, which was not recorded.";
    assert_eq!((found.verdict, found.due, found.version), (Verdict::NotDue, false, 6));
    assert_eq!(found.sentence, sentence);
    let recorded = [record(at("2026-03-20T08:00:00Z"), Status::Running)];
    let found = explained(&versions, &recorded, "2026-03-20T08:00:00Z");
    assert_eq!((found.verdict, found.due), (Verdict::Ran, true));
    assert_eq!(found.sentence, "The job was due, and its execution is running.");
    assert_eq!(found.execution, Some(recorded[0].execution));
}

#[test]
fn the_execution_that_held_the_slot_is_named() {
    let versions = versions();
    let skipped = Record {
        skipped: Some(("overlap".into(), at("2026-03-10T08:00:00Z"))),
        ..record(at("2026-03-10T08:00:00Z"), Status::Skipped)
    };
    let blocking = record(at("2026-03-09T08:00:00Z"), Status::Running).execution;
    let (created_at, now) = (versions[0].created_at, at("2026-03-25T00:00:00Z"));
    let kept_from = created_at;
    let history = History {
        created_at,
        versions: &versions,
        records: &[skipped],
        blocking: Some(blocking),
        kept_from,
        now,
    };
    let found = explain(&history, at("2026-03-10T08:00:00Z")).unwrap();
    assert_eq!(found.blocking, Some(blocking));
    assert!(found.sentence.ends_with(&format!(" The execution {blocking} was running.")));
}

#[test]
fn the_fires_around_an_instant() {
    let around = |instant: &str| {
        let found = explained(&versions(), &[], instant);
        (found.earlier.map(shown), found.later.map(shown))
    };
    let fires = |earlier: &str, later: &str| (Some(earlier.to_owned()), Some(later.to_owned()));
    assert_eq!(around("2026-03-01T00:00:00Z"), (None, Some("2026-03-05T08:00:00Z".to_owned())));
    assert_eq!(around("2026-03-06T08:00:00Z"), fires("2026-03-05T08:00:00Z", "2026-03-07T08:00:00Z"));
    // Across the pause, and across the change to another hour.
    assert_eq!(around("2026-03-11T00:00:00Z"), fires("2026-03-10T08:00:00Z", "2026-03-13T08:00:00Z"));
    assert_eq!(around("2026-03-20T12:00:00Z"), fires("2026-03-20T08:00:00Z", "2026-03-21T09:00:00Z"));
    let once = Schedule::Scheduled { run_at: at("2026-03-05T00:00:00Z") };
    let once = [version(1, "2026-03-04T00:00:00Z", JobState::Active, once)];
    let found = explained(&once, &[], "2026-03-06T00:00:00Z");
    assert_eq!((found.earlier, found.later), (Some(at("2026-03-05T00:00:00Z")), None));
}

#[test]
fn a_clock_change_has_a_note() {
    let versions =
        [version(1, "2026-03-01T00:00:00Z", JobState::Active, cron("30 2 * * *", "Europe/Berlin"))];
    let note = "02:30 does not exist on 2026-03-29 in Europe/Berlin; it runs at 03:00 instead.";
    // The instants that tools make of 02:30, and the fire.
    for instant in ["2026-03-29T00:30:00Z", "2026-03-29T01:30:00Z", "2026-03-29T01:00:00Z"] {
        assert_eq!(explained(&versions, &[], instant).note.as_deref(), Some(note), "{instant}");
    }
    for instant in ["2026-03-28T01:30:00Z", "2026-03-29T12:00:00Z"] {
        assert_eq!(explained(&versions, &[], instant).note, None, "{instant}");
    }
}

#[test]
fn a_job_without_a_schedule() {
    let versions = [version(1, "2026-03-04T00:00:00Z", JobState::Active, Schedule::OneTime)];
    let found = explained(&versions, &[], "2026-03-04T00:00:00Z");
    assert_eq!(found.sentence, "The job has no schedule: it runs once, as soon as it is active.");
}

#[test]
fn fields_that_decide_fires() {
    let one = version(1, "2026-03-04T00:00:00Z", JobState::Active, cron("0 9 * * *", "Europe/Berlin"));
    let with = |schedule| Version { schedule, ..one.clone() };
    assert_eq!(changed(&one, &one), None);
    assert_eq!(changed(&one, &Version { state: JobState::Paused, ..one.clone() }), Some("/state"));
    assert_eq!(changed(&one, &with(cron("0 9 * * *", "UTC"))), Some("/schedule/timezone"));
    assert_eq!(changed(&one, &with(Schedule::OneTime)), Some("/kind"));
    let (every, other) =
        (Schedule::Recurring { every_seconds: 60 }, Schedule::Recurring { every_seconds: 120 });
    assert_eq!(changed(&with(every), &with(other)), Some("/schedule/every_n_minutes"));
    let once = |text| Schedule::Scheduled { run_at: at(text) };
    let (once, other) = (once("2026-03-04T00:00:00Z"), once("2026-03-05T00:00:00Z"));
    assert_eq!(changed(&with(once), &with(other)), Some("/schedule/run_at"));
}

/// March 2026, in which the clocks of New York and Berlin go forward.
const MONTH_MINUTES: i64 = 31 * 24 * 60;

fn minute(number: i64) -> DateTime<Utc> {
    at("2026-03-01T00:00:00Z") + TimeDelta::minutes(number)
}

fn schedules() -> impl Strategy<Value = Schedule> {
    prop_oneof![
        Just(cron("30 2 * * *", "Europe/Berlin")),
        Just(cron("*/20 * * * *", "America/New_York")),
        Just(cron("0,30 1-3 * * *", "America/New_York")),
        Just(Schedule::Recurring { every_seconds: 3600 }),
        Just(Schedule::Recurring { every_seconds: 420 }),
        (0..MONTH_MINUTES).prop_map(|number| Schedule::Scheduled { run_at: minute(number) }),
        Just(Schedule::OneTime),
    ]
}

/// Versions at seconds of the month, some of them at a minute exactly. Fires are at whole minutes.
fn histories() -> impl Strategy<Value = Vec<Version>> {
    let state =
        prop_oneof![3 => Just(JobState::Active), 1 => Just(JobState::Paused), 1 => Just(JobState::Draft)];
    let second = prop_oneof![2 => 0..60i64, 1 => Just(0)];
    let change = (0..MONTH_MINUTES, second, state, schedules());
    prop::collection::vec(change, 1..8).prop_map(|mut changes| {
        changes.sort_by_key(|(number, second, ..)| (*number, *second));
        // Recurring schedules count from the creation.
        changes[0].1 = 0;
        let versions =
            changes.into_iter().zip(1..).map(|((number_of_minute, second, state, schedule), number)| {
                Version {
                    number,
                    created_at: minute(number_of_minute) + TimeDelta::seconds(second),
                    state,
                    schedule,
                }
            });
        versions.collect()
    })
}

/// What becomes of each fire: most are executed, some are skipped alone or with those that follow, some are lost.
fn records(fires: &[Fire], fates: &[u8], extra: &[i64], versions: &[Version]) -> Vec<Record> {
    let mut records = Vec::new();
    let mut index = 0;
    while let Some(fire) = fires.get(index) {
        let fate = fates[index % fates.len()];
        index += 1;
        match fate {
            0..=5 => records.push(record(fire.at, Status::Succeeded)),
            6 => {
                let skipped = Some(("overlap".into(), fire.at));
                records.push(Record { skipped, ..record(fire.at, Status::Skipped) });
            }
            7 => {
                let last = fires.get(index + 2).map_or(fire.at, |last| last.at);
                index += usize::from(last > fire.at) * 3;
                let skipped = Some(("misfire".into(), last));
                records.push(Record { skipped, ..record(fire.at, Status::Skipped) });
            }
            _ => {}
        }
    }
    let is_free = |instant: DateTime<Utc>| {
        fires.iter().all(|fire| fire.at != instant)
            && versions.iter().all(|version| (version.created_at - instant).abs() > TimeDelta::seconds(1))
    };
    let extra = extra.iter().map(|number| minute(*number)).filter(|instant| is_free(*instant));
    records.extend(extra.map(|instant| record(instant, Status::Succeeded)));
    records.sort_by_key(|record| record.scheduled_for);
    records.dedup_by_key(|record| record.scheduled_for);
    records
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 6, ..ProptestConfig::default() })]

    /// Every minute of a month is explained; the explanations add up to the ledger of the month.
    #[test]
    fn the_explanations_of_a_month_are_its_ledger(
        versions in histories(),
        fates in prop::collection::vec(0u8..9, 1..30),
        extra in prop::collection::vec(0..MONTH_MINUTES, 0..5),
        now in (MONTH_MINUTES / 2)..(MONTH_MINUTES + 10),
    ) {
        let (window, now) = (LedgerWindow { from: minute(0), to: minute(MONTH_MINUTES) }, minute(now));
        let anchor = versions[0].created_at;
        let fires = due(&versions, anchor, LedgerWindow { to: window.to.min(now), ..window }).unwrap();
        let records = records(&fires, &fates, &extra, &versions);
        let ledger = balance(&versions, anchor, &records, window, now).unwrap();
        let (mut executed, mut skipped, mut pending, mut gaps, mut duplicates) = (0, 0, 0, 0, 0);
        for at in (0..MONTH_MINUTES).map(minute).take_while(|at| *at < now) {
            // As `executions::fires` finds them.
            let here: Vec<Record> = records
                .iter()
                .filter(|record| record.scheduled_for == at
                    || (record.scheduled_for < at && record.skipped.as_ref().is_some_and(|(_, last)| *last >= at)))
                .cloned()
                .collect();
            let history = History { created_at: anchor, versions: &versions, records: &here, blocking: None, kept_from: minute(0), now };
            let instant = Instant { history: &history, at, anchor };
            let fire = due(&versions, anchor, LedgerWindow { from: at, to: at + PRECISION }).unwrap().into_iter().next();
            match (instant.find(fire.as_ref()).unwrap().verdict, fire.is_some()) {
                (Verdict::Ran, true) => executed += 1,
                (Verdict::Ran, false) => duplicates += 1,
                (Verdict::Skipped, true) => skipped += 1,
                (Verdict::Pending, true) => pending += 1,
                (Verdict::Gap, true) => gaps += 1,
                (Verdict::NotDue, true) => prop_assert!(fire.unwrap().at_edge, "{at}"),
                (Verdict::Paused | Verdict::Draft | Verdict::NotDue | Verdict::BeforeCreated, false) => {}
                (verdict, is_fire) => prop_assert!(false, "{at}: {verdict:?}, {is_fire}"),
            }
        }
        let of_ledger =
            (ledger.executed, ledger.skipped.values().sum::<usize>(), ledger.pending, ledger.gaps(), ledger.duplicates());
        prop_assert_eq!((executed, skipped, pending, gaps, duplicates), of_ledger);
    }
}
