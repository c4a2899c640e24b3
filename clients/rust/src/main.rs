//! The scenario of README.md with a client of progenitor, from the document in OpenAPI 3.0.

use std::{
    collections::BTreeSet,
    env,
    num::NonZeroU64,
    process,
    time::{Duration, Instant},
};

use types::{Execution, Job, JobInput, JobKind, JobPatch, Problem, RequestInput, ScheduleInput};

progenitor::generate_api!(spec = "openapi-3.0.json", interface = Builder);

type Failure = Box<dyn std::error::Error>;

fn request() -> types::builder::RequestInput {
    RequestInput::builder().url(format!("{}/livez", env::var("TRIGRUN_URL").unwrap()))
}

fn tags(names: &[&str]) -> Vec<types::JobInputTagsItem> {
    names.iter().map(|name| name.parse().unwrap()).collect()
}

fn schedule(json: serde_json::Value) -> Option<ScheduleInput> {
    (!json.is_null()).then(|| serde_json::from_value(json).unwrap())
}

async fn create(client: &Client, tag: &str, kind: JobKind, json: serde_json::Value) -> Result<Job, Failure> {
    let body =
        JobInput::builder().name(kind.to_string()).kind(kind).schedule(schedule(json)).request(request());
    let job = client.create_job().body(body.tags(tags(&[tag]))).send().await?.into_inner();
    assert_eq!(job.kind, kind.to_string());
    Ok(job)
}

/// Everything that a change of the name keeps.
fn rest(job: &Job) -> serde_json::Value {
    let mut rest = serde_json::to_value(job).unwrap();
    for changed in ["name", "version", "updated_at"] {
        rest.as_object_mut().unwrap().remove(changed);
    }
    rest
}

async fn rename(client: &Client, tag: &str) -> Result<(), Failure> {
    let request = request()
        .method(types::Method::Post)
        .timeout_seconds(NonZeroU64::new(9))
        .body(serde_json::json!({ "a": 1 }));
    let statuses: Vec<types::RetryPolicyInputRetryOnStatusesItem> =
        serde_json::from_value(serde_json::json!([503, "5xx"]))?;
    let retries =
        types::RetryPolicyInput::builder().max_attempts(NonZeroU64::new(5)).retry_on_statuses(statuses);
    let retries: types::RetryPolicyInput = retries.try_into()?;
    let job = JobInput::builder()
        .name("before")
        .kind(JobKind::Recurring)
        .schedule(schedule(serde_json::json!({ "every_n_minutes": 5 })))
        .state(types::WantedState::Paused)
        .delivery(types::Delivery::AtMostOnce)
        .overlap_policy(types::OverlapPolicy::Skip)
        .misfire_policy(types::MisfirePolicy::CatchUp)
        .catch_up_limit(NonZeroU64::new(7))
        .concurrency_limit(NonZeroU64::new(2))
        .retry_policy(retries)
        .request(request)
        .tags(tags(&[tag, "kept"]));
    let before = client.create_job().body(job).send().await?.into_inner();
    let patch = client.patch_job().id(&before.id).if_match(format!("\"{}\"", before.version));
    let after = patch
        .body(JobPatch::builder().name("after".parse::<types::JobPatchName>()?))
        .send()
        .await?
        .into_inner();
    assert_eq!(after.name, "after");
    assert_eq!(rest(&after), rest(&before));
    Ok(())
}

async fn page(client: &Client, tag: &str) -> Result<(), Failure> {
    let (mut found, mut cursor) = (Vec::new(), None::<String>);
    loop {
        let mut list = client.list_jobs().tag(tag).limit(NonZeroU64::new(2).unwrap());
        if let Some(cursor) = cursor {
            list = list.cursor(cursor);
        }
        let page = list.send().await?.into_inner();
        assert!(page.data.len() <= 2);
        found.extend(page.data.into_iter().map(|job| job.id));
        cursor = page.next_cursor;
        if cursor.is_none() {
            break;
        }
    }
    assert_eq!((found.len(), found.iter().collect::<BTreeSet<_>>().len()), (5, 5));
    Ok(())
}

async fn run(client: &Client, tag: &str, job: &Job) -> Result<(), Failure> {
    let run = || client.run_job_now().id(&job.id).idempotency_key(tag).send();
    let (first, second) = (run().await?, run().await?);
    assert_eq!((first.status().as_u16(), second.status().as_u16()), (202, 200));
    assert_eq!(second.headers()["Idempotent-Replayed"], "true");
    let mut execution: Execution = first.into_inner();
    assert_eq!(second.id, execution.id);
    let started = Instant::now();
    while execution.finished_at.is_none() {
        assert!(started.elapsed() < Duration::from_secs(300), "the execution does not end");
        tokio::time::sleep(Duration::from_millis(100)).await;
        execution = client.get_execution().id(&execution.id).send().await?.into_inner();
    }
    assert_eq!((execution.status.as_str(), execution.attempts[0].status_code), ("succeeded", Some(200)));
    Ok(())
}

async fn errors(client: &Client) -> Result<(), Failure> {
    let cron = schedule(serde_json::json!({ "cron": "61 * * * *" }));
    let wrong = JobInput::builder().name("x").kind(JobKind::Cron).schedule(cron).request(request());
    let invalid = problem(client.create_job().body(wrong).send().await);
    assert_eq!(invalid.code, "validation_failed");
    assert_eq!(invalid.errors[0].pointer, "/schedule/cron");
    assert_eq!(problem(client.get_job().id("job_none").send().await).code, "not_found");
    Ok(())
}

fn problem<T: std::fmt::Debug>(result: Result<T, Error<Problem>>) -> Problem {
    match result {
        Err(Error::ErrorResponse(problem)) => problem.into_inner(),
        other => panic!("{other:?}"),
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Failure> {
    let mut headers = reqwest::header::HeaderMap::new();
    let token = format!("Bearer {}", env::var("TRIGRUN_TOKEN")?);
    headers.insert(reqwest::header::AUTHORIZATION, token.parse()?);
    let http = reqwest::Client::builder().default_headers(headers).build()?;
    let client = Client::new_with_client(&env::var("TRIGRUN_URL")?, http);
    let tag = &format!("rust-{}", process::id());

    create(&client, tag, JobKind::Recurring, serde_json::json!({ "every_n_minutes": 60 })).await?;
    let zone = serde_json::json!({ "cron": "30 4 * * MON-FRI", "timezone": "Europe/Berlin" });
    let cron = create(&client, tag, JobKind::Cron, zone).await?;
    create(&client, tag, JobKind::Scheduled, serde_json::json!({ "run_at": "2999-01-01T00:00:00Z" })).await?;
    let once = create(&client, tag, JobKind::OneTime, serde_json::Value::Null).await?;
    assert!(once.execution_id.is_some());

    // A change of the name changes nothing else.
    rename(&client, tag).await?;
    page(&client, tag).await?;
    run(&client, tag, &cron).await?;
    // Errors have a type, too.
    errors(&client).await
}
