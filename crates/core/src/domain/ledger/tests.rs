//! Windows that balance, and windows that do not.

use super::*;
use crate::domain::id::JobId;

fn instant(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_800_000_000 + seconds, 0).unwrap()
}

fn version(seconds: i64, state: JobState, every_seconds: u32) -> Version {
    Version {
        number: 1,
        created_at: instant(seconds),
        state,
        schedule: Schedule::Recurring { every_seconds },
    }
}

fn record(seconds: i64) -> Record {
    let scheduled_for = instant(seconds);
    let execution = ExecutionId::of_fire(JobId::from_uuid(uuid::Uuid::from_u128(1)), scheduled_for);
    Record { execution, status: Status::Succeeded, scheduled_for, skipped: None }
}

fn skipped(seconds: i64, until: i64, why: &str) -> Record {
    Record { status: Status::Skipped, skipped: Some((why.to_owned(), instant(until))), ..record(seconds) }
}

/// The report for the first hour, made an hour later.
fn of(versions: &[Version], records: &[Record]) -> Ledger {
    let window = LedgerWindow { from: instant(0), to: instant(3600) };
    balance(versions, instant(0), records, window, instant(7200)).unwrap()
}

fn every(step: usize, seconds: std::ops::Range<i64>) -> Vec<Record> {
    seconds.step_by(step).map(record).collect()
}

#[test]
fn a_complete_hour_balances() {
    let ledger = of(&[version(0, JobState::Active, 60)], &every(60, 60..3600));
    assert_eq!(ledger, Ledger { due: 59, executed: 59, ..Ledger::default() });
}

#[test]
fn gaps_and_duplicates_are_reported() {
    let mut records = every(60, 60..3600);
    let lost = records.remove(10).scheduled_for;
    records.push(record(90));
    records.push(record(60));
    let ledger = of(&[version(0, JobState::Active, 60)], &records);
    assert_eq!((ledger.due, ledger.executed, ledger.gaps(), ledger.duplicates()), (59, 58, 1, 2));
    assert!(ledger.mismatches.contains(&Mismatch::Gap(lost)));
    assert!(ledger.mismatches.contains(&Mismatch::Duplicate(record(90).execution, instant(90))));
}

#[test]
fn skipped_fires_are_counted_by_reason_even_if_one_record_covers_many() {
    let mut records = vec![skipped(60, 600, "misfire"), skipped(660, 660, "overlap")];
    records.extend(every(60, 720..3600));
    let ledger = of(&[version(0, JobState::Active, 60)], &records);
    assert_eq!(ledger.skipped, BTreeMap::from([("misfire".to_owned(), 10), ("overlap".to_owned(), 1)]));
    assert_eq!((ledger.due, ledger.executed, ledger.mismatches.len()), (59, 48, 0));
}

#[test]
fn a_pause_and_a_new_schedule_change_what_is_due() {
    let versions = [
        version(0, JobState::Active, 60),
        version(630, JobState::Paused, 60),
        version(1230, JobState::Active, 60),
        // Only the name changes.
        version(1500, JobState::Active, 60),
        version(1830, JobState::Active, 600),
    ];
    let mut records = every(60, 60..630);
    records.extend(every(60, 1260..1830));
    records.extend(every(600, 2400..3600));
    let ledger = of(&versions, &records);
    assert_eq!((ledger.due, ledger.executed, ledger.mismatches.len()), (10 + 10 + 2, 22, 0), "{ledger:?}");
    records.push(record(900));
    assert_eq!(of(&versions, &records).duplicates(), 1, "a run during the pause");
}

#[test]
fn a_fire_at_the_moment_of_a_change_is_optional() {
    let versions = [version(0, JobState::Active, 60), version(120, JobState::Paused, 60)];
    for records in [vec![record(60)], vec![record(60), record(120)]] {
        assert_eq!(of(&versions, &records).mismatches, []);
    }
}

#[test]
fn late_fires_are_pending_and_future_fires_are_not_due() {
    let window = LedgerWindow { from: instant(0), to: instant(3600) };
    let versions = [version(0, JobState::Active, 60)];
    let ledger = balance(&versions, instant(0), &every(60, 60..600), window, instant(650)).unwrap();
    assert_eq!((ledger.due, ledger.executed, ledger.pending, ledger.gaps()), (10, 9, 1, 0));
    let later = balance(&versions, instant(0), &every(60, 60..600), window, instant(661)).unwrap();
    assert_eq!((later.due, later.pending, later.gaps()), (11, 1, 1));
}

#[test]
fn single_runs() {
    let once = |state| Version {
        state,
        schedule: Schedule::Scheduled { run_at: instant(100) },
        ..version(0, state, 1)
    };
    assert_eq!(of(&[once(JobState::Active)], &[record(100)]).executed, 1);
    assert_eq!(of(&[once(JobState::Active)], &[]).gaps(), 1);
    assert_eq!(of(&[once(JobState::Paused)], &[]).due, 0);
    let at_once = Version { schedule: Schedule::OneTime, ..once(JobState::Active) };
    assert_eq!(of(&[at_once], &[]), Ledger::default());
}

#[test]
fn too_many_fires_are_refused() {
    let window = LedgerWindow { from: instant(0), to: instant(1_000_000) };
    let balanced = balance(&[version(0, JobState::Active, 1)], instant(0), &[], window, instant(2_000_000));
    assert!(matches!(balanced, Err(LedgerError::TooMany)));
}

#[test]
fn what_is_not_read_is_not_computed() {
    let newest = vec![version(100, JobState::Active, 60), version(200, JobState::Active, 120)];
    let versions = |has_older| Versions { created_at: instant(0), newest: newest.clone(), has_older };
    assert_eq!(versions(false).since(instant(0)).unwrap().len(), 2);
    assert_eq!(versions(true).since(instant(102)).unwrap().len(), 2);
    // The version before may have been in effect within the tolerance.
    for from in [0, 100, 101] {
        assert!(matches!(versions(true).since(instant(from)), Err(LedgerError::TooManyVersions)), "{from}");
    }
    let records = vec![record(60); MAX_FIRES + 1];
    let window = LedgerWindow { from: instant(0), to: instant(3600) };
    let report = balance(&newest, instant(0), &records, window, instant(7200));
    assert!(matches!(report, Err(LedgerError::TooMany)));
}
