//! Jobs that resume by themselves at the end of their pauses.

use chrono::{DateTime, TimeDelta, Utc};
use trigrun_core::{
    domain::{
        id::JobId,
        job::{
            Job, JobState,
            change::{self, JobChange},
            pause::PauseTerms,
        },
        ledger::{self, LedgerWindow},
        schedule::Schedule,
    },
    store::{
        StoreError, executions,
        jobs::{self, Origin},
    },
};
use trigrun_scheduler::{plan::plan, resume::resume};
use trigrun_testkit::jobs::{OPERATOR, definition, every_seconds};

use crate::bench::{Bench, URL};

impl Bench {
    async fn get(&self, job: JobId) -> Job {
        jobs::get(&mut *self.db.conn().await, self.workspace, job, self.db.now().await).await.unwrap()
    }

    async fn write(&self, job: JobId, change: &JobChange) -> Result<(), StoreError> {
        let origin = Origin { by: &OPERATOR, traceparent: None, depth: 2 };
        jobs::change(&mut *self.db.conn().await, self.workspace, job, change, origin).await.map(drop)
    }

    /// Pauses the job, and lets the pause have ended `ago`.
    async fn paused_until(&self, job: JobId, ago: TimeDelta) -> DateTime<Utc> {
        let until = self.db.now().await - ago;
        let terms = PauseTerms { note: Some("moving".into()), until: Some(until) };
        let stored = self.get(job).await;
        let change = change::pause(&stored, Some(terms), self.db.now().await).unwrap().unwrap();
        self.write(job, &change).await.unwrap();
        // The pause began before it ended.
        let earlier = format!(
            "update job_versions set created_at = created_at - interval '1 day' where job_id = '{id}';
             update jobs set created_at = created_at - interval '1 day' where id = '{id}';
             delete from runs where job_id = '{id}'",
            id = job.uuid()
        );
        self.db.execute(&earlier).await;
        until
    }
}

#[tokio::test]
async fn a_job_resumes_once_as_of_the_end_of_its_pause() {
    let bench = Bench::new().await;
    let job = bench.db.job(bench.workspace, &every_seconds(60, URL)).await;
    let until = bench.paused_until(job, TimeDelta::minutes(10)).await;
    let (one, other) = (bench.scheduler().await, bench.scheduler().await);
    let (first, second) = tokio::join!(resume(&one), resume(&other));
    first.unwrap();
    second.unwrap();
    let resumed = bench.get(job).await;
    assert_eq!((resumed.state, resumed.version, resumed.pause), (JobState::Active, 3, None));
    assert_eq!(bench.db.count("select count(*) from pauses").await, 0);
    let entries = "select action || ' ' || actor || ' ' || details::text from audit_entries where action like 'job.%' order by id";
    assert_eq!(
        bench.db.lines(entries).await.last().map(String::as_str),
        Some("job.resumed operator {version,3,by_itself,true}")
    );
    let depths = "select made_at_depth::text from job_versions order by version";
    assert_eq!(bench.db.lines(depths).await, ["0", "2", "2"], "as deep as the request that said so");

    // A scheduler that is late misses fires, as it would those of any job.
    plan(&one).await.unwrap();
    let now = bench.db.now().await;
    let window = LedgerWindow { from: until - TimeDelta::hours(1), to: now };
    let mut conn = bench.db.conn().await;
    let versions = jobs::history(&mut conn, bench.workspace, job).await.unwrap();
    let records = executions::fires(&mut conn, bench.workspace, job, window).await.unwrap();
    let report =
        ledger::balance(versions.since(window.from).unwrap(), resumed.created_at, &records, window, now)
            .unwrap();
    assert_eq!((report.mismatches, report.pending), (vec![], 0));
    assert!((9..=11).contains(&report.due), "those since the end of the pause: {}", report.due);
    resume(&one).await.unwrap();
    assert_eq!(bench.get(job).await.version, 3, "it is not resumed again");
}

#[tokio::test]
async fn what_a_client_does_before_the_end_of_a_pause_counts() {
    let bench = Bench::new().await;
    let scheduler = bench.scheduler().await;
    let job = bench.db.job(bench.workspace, &every_seconds(60, URL)).await;
    bench.paused_until(job, TimeDelta::seconds(-3600)).await;
    resume(&scheduler).await.unwrap();
    assert_eq!(bench.get(job).await.state, JobState::Paused, "it has not ended");
    // An edit keeps the pause, and a resume and another pause replace it.
    let stored = bench.get(job).await;
    let mut renamed = stored.definition.clone();
    renamed.name = "renamed".into();
    let renamed = change::redefine(&stored, renamed, false, bench.db.now().await).unwrap();
    bench.write(job, &renamed).await.unwrap();
    let stored = bench.get(job).await;
    assert!(stored.pause.as_ref().is_some_and(|pause| pause.terms.until.is_some()));
    let now = bench.db.now().await;
    let active = change::set_state(&stored, JobState::Active, now).unwrap().unwrap();
    bench.write(job, &active).await.unwrap();
    let again = change::set_state(&bench.get(job).await, JobState::Paused, now).unwrap().unwrap();
    bench.write(job, &again).await.unwrap();
    assert_eq!(bench.get(job).await.pause.map(|pause| pause.terms), Some(PauseTerms::default()));
    resume(&scheduler).await.unwrap();
    assert_eq!(bench.get(job).await.state, JobState::Paused);

    // Between reading and writing, another client was faster.
    bench.paused_until(job, TimeDelta::seconds(1)).await;
    let stale = change::resume_by_itself(&bench.get(job).await, bench.db.now().await).unwrap().unwrap();
    let longer = PauseTerms { note: None, until: None };
    let longer = change::pause(&bench.get(job).await, Some(longer), bench.db.now().await).unwrap().unwrap();
    bench.write(job, &longer).await.unwrap();
    assert!(bench.write(job, &stale).await.is_err_and(|error| error.is_conflict("version")));
}

#[tokio::test]
async fn a_job_whose_only_run_has_passed_stays_paused() {
    let bench = Bench::new().await;
    let at = bench.db.now().await + TimeDelta::hours(1);
    let passed = bench.db.job(bench.workspace, &definition(Schedule::Scheduled { run_at: at }, URL)).await;
    bench.paused_until(passed, TimeDelta::seconds(1)).await;
    let id = passed.uuid();
    bench
        .db
        .execute(&format!("update job_versions set run_at = now() - interval '1 hour' where job_id = '{id}'"))
        .await;
    let other = bench.db.job(bench.workspace, &every_seconds(60, URL)).await;
    bench.paused_until(other, TimeDelta::zero()).await;
    resume(&bench.scheduler().await).await.unwrap();
    let stays = bench.get(passed).await;
    assert_eq!((stays.state, stays.pause.unwrap().terms.until), (JobState::Paused, None));
    assert_eq!(bench.get(other).await.state, JobState::Active, "it delays no other");
}
