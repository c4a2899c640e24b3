use chrono::TimeDelta;
use uuid::Uuid;

use super::*;

fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + TimeDelta::seconds(seconds)
}

fn recorded(status: Status, seconds: i64) -> Recorded {
    Recorded {
        execution: ExecutionId::at(at(seconds)),
        workspace: WorkspaceId::from_uuid(Uuid::nil()),
        job: JobId::from_uuid(Uuid::nil()),
        status,
        scheduled_for: at(seconds),
        finished_at: at(seconds + 1),
        attempts: 2,
        lateness_us: Some(100),
        duration_us: Some(1_000_000),
        error_class: (status == Status::Failed).then(|| "http_status".to_owned()),
        status_code: Some(503),
        skip_count: None,
    }
}

#[test]
fn sums_count_missed_fires_one_by_one() {
    let mut sums = Sums::default();
    sums.add(&recorded(Status::Succeeded, 0));
    sums.add(&recorded(Status::Failed, 60));
    sums.add(&Recorded {
        attempts: 0,
        skip_count: Some(7),
        lateness_us: None,
        duration_us: None,
        ..recorded(Status::Skipped, 120)
    });
    sums.add(&recorded(Status::Running, 180));
    assert_eq!((sums.due(), sums.succeeded, sums.failed, sums.skipped), (9, 1, 1, 7));
    assert_eq!((sums.retried, sums.attempts, sums.duration.count()), (2, 4, 2));
    let mut twice = sums.clone();
    twice.merge(&sums);
    assert_eq!((twice.due(), twice.attempts, twice.lateness.count()), (18, 8, 4));
}

#[test]
fn buckets_begin_at_multiples_of_their_length() {
    assert_eq!(bucket(at(86_399), 86_400), at(0));
    assert_eq!(bucket(at(3600), 3600), at(3600));
    assert_eq!(bucket(at(-1), 60), at(-60));
}

#[test]
fn a_job_fails_until_an_execution_succeeds() {
    let end = |status, seconds| recorded(status, seconds);
    let well = Health::after(None, &end(Status::Succeeded, 0));
    assert_eq!(well, None, "a job that never failed has no health");
    let failing = Health::after(well, &end(Status::Failed, 10)).unwrap();
    assert_eq!((failing.failures_in_a_row, failing.since), (1, at(11)));
    let failing = Health::after(Some(failing), &end(Status::Skipped, 20));
    let failing = Health::after(failing, &end(Status::Cancelled, 25));
    let failing = Health::after(failing, &end(Status::Failed, 30)).unwrap();
    assert_eq!(
        (failing.failures_in_a_row, failing.since, failing.state()),
        (2, at(11), HealthState::Failing)
    );
    assert_eq!((failing.last_failure.at, failing.last_failure.status_code), (at(31), Some(503)));
    let well = Health::after(Some(failing), &end(Status::Succeeded, 40)).unwrap();
    assert_eq!((well.failures_in_a_row, well.since, well.state()), (0, at(41), HealthState::Well));
    assert_eq!(Health::after(Some(well.clone()), &end(Status::Succeeded, 50)), Some(well.clone()));
    let again = Health::after(Some(well), &end(Status::Failed, 60)).unwrap();
    assert_eq!((again.failures_in_a_row, again.since), (1, at(61)));
}

#[test]
fn groups_with_most_failures_come_first() {
    let mut groups = Groups::new(3600);
    let sums = |succeeded, failed| Sums { succeeded, failed, ..Sums::default() };
    groups.add("busy", at(0), &sums(100, 0));
    groups.add("failing", at(60), &sums(1, 2));
    groups.add("failing", at(3700), &sums(0, 1));
    groups.add("quiet", at(0), &sums(1, 0));
    let (groups, all) = groups.most_failed(2);
    let keys: Vec<&str> = groups.iter().map(|(key, _)| key.as_str()).collect();
    assert_eq!((keys, all), (vec!["failing", "busy"], 3));
    let counts = |succeeded, failed| Counts { succeeded, failed, skipped: 0, retried: 0 };
    let buckets: Vec<_> = groups[0].1.buckets.iter().collect();
    assert_eq!(buckets, [(&at(0), &counts(1, 2)), (&at(3600), &counts(0, 1))]);
}

#[test]
fn a_cause_is_a_host_with_a_reason() {
    let failed = |host: &str, class: &str, code, job: u128, failures| FailedJob {
        host: host.to_owned(),
        error_class: class.to_owned(),
        status_code: code,
        first_at: at(10),
        last_at: at(20 + failures),
        executions: failures,
        execution: ExecutionId::at(at(failures)),
        job: CauseJob {
            id: JobId::from_uuid(Uuid::from_u128(job)),
            name: job.to_string(),
            failures_in_a_row: failures,
            failing_since: Some(at(10)),
        },
    };
    let causes = causes(vec![
        failed("a.example", "http_status", Some(503), 1, 3),
        failed("a.example", "http_status", Some(503), 2, 5),
        failed("a.example", "http_status", Some(503), 1, 3),
        failed("a.example", "timeout", None, 3, 1),
        failed("b.example", "timeout", None, 4, 2),
    ]);
    assert_eq!(causes.len(), 3);
    let first = &causes[0];
    assert_eq!((first.jobs_count, first.executions, first.last_at), (2, 11, at(25)));
    assert_eq!(first.jobs[0].name, "2", "most failures in a row first");
    assert_eq!(first.sentence(), "a.example responds with 503: 11 executions of 2 jobs.");
    assert_eq!(causes[1].sentence(), "Requests to b.example fail with timeout: 2 executions of 1 job.");
    assert_ne!(causes[0].id, causes[1].id);
}
