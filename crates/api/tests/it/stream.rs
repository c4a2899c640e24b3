//! `GET /v1/stream`: executions as they end.

use http_body_util::{BodyExt, Empty};
use hyper::{
    Request, Response as HyperResponse,
    body::{Bytes, Incoming},
    client::conn::http1,
    header::{AUTHORIZATION, HOST},
};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use std::{
    collections::{HashMap, HashSet},
    time::Duration,
};
use tokio::{net::TcpStream, time::timeout};
use trigrun_core::{
    domain::{
        access::Scope,
        attempt::{AttemptStatus, Disposition, Outcome},
    },
    runtime::tasks,
};

use crate::{
    app::App,
    executions::{attempt, failed},
};

/// Only ends a test that hangs.
const DEADLINE: Duration = Duration::from_secs(60);

struct Follower {
    body: Incoming,
    text: String,
    /// The last id that was read.
    id: Option<String>,
}

#[derive(Debug)]
struct Event {
    kind: String,
    data: Value,
}

/// The head of the response; its body is still to be read.
pub async fn open(app: &App, query: &str, token: &str, last_id: Option<&str>) -> HyperResponse<Incoming> {
    let socket = TcpStream::connect(app.api.address()).await.unwrap();
    let (mut sender, connection) = http1::handshake(TokioIo::new(socket)).await.unwrap();
    tasks::spawn("client", connection);
    let mut request = Request::get(format!("/v1/stream{query}"))
        .header(HOST, app.api.address().to_string())
        .header(AUTHORIZATION, format!("Bearer {token}"));
    if let Some(id) = last_id {
        request = request.header("Last-Event-ID", id);
    }
    sender.send_request(request.body(Empty::<Bytes>::new()).unwrap()).await.unwrap()
}

impl Follower {
    /// Connects, and waits until the stream has begun.
    async fn new(app: &App, query: &str, token: &str, last_id: Option<&str>) -> Self {
        let response = open(app, query, token, last_id).await;
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        Self { body: response.into_body(), text: String::new(), id: None }
    }

    /// The next block, without its blank line; `None` at the end.
    async fn block(&mut self) -> Option<String> {
        loop {
            if let Some((block, rest)) = self.text.split_once("\n\n") {
                let (block, rest) = (block.to_owned(), rest.to_owned());
                self.text = rest;
                return Some(block);
            }
            let frame = timeout(DEADLINE, self.body.frame()).await.expect("an event in time")?;
            self.text += std::str::from_utf8(&frame.unwrap().into_data().unwrap()).unwrap();
        }
    }

    /// Until the first id: what is recorded from then on comes.
    async fn begin(&mut self) {
        while self.id.is_none() {
            self.next_of_block().await.expect("it goes on");
        }
    }

    async fn next_of_block(&mut self) -> Option<Option<Event>> {
        let block = self.block().await?;
        let fields: HashMap<&str, &str> = block.lines().filter_map(|line| line.split_once(": ")).collect();
        if let Some(id) = fields.get("id") {
            self.id = Some((*id).to_owned());
        }
        let event = fields.get("event").map(|kind| Event {
            kind: (*kind).to_owned(),
            data: serde_json::from_str(fields["data"]).unwrap(),
        });
        Some(event)
    }

    /// The next event; `None` at the end.
    async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some(event) = self.next_of_block().await? {
                return Some(event);
            }
        }
    }

    /// The next event, and the id after it.
    async fn execution(&mut self) -> Value {
        let event = self.next().await.unwrap();
        assert_eq!(event.kind, "execution", "{event:?}");
        event.data
    }
}

async fn follow(app: &App, query: &str) -> Follower {
    let mut follower = Follower::new(app, query, &app.token, None).await;
    follower.begin().await;
    follower
}

async fn run(app: &App, job: &str) -> String {
    let run = app.send(hyper::Method::POST, &format!("/v1/jobs/{job}/run-now"), &[], "").await.expect(202);
    run["id"].as_str().unwrap().to_owned()
}

async fn succeed(app: &App, execution: &str) {
    attempt(app, execution, Outcome::of(AttemptStatus::Success), Disposition::Succeeded).await;
}

#[tokio::test]
async fn an_execution_comes_as_in_lists_when_it_has_ended() {
    let app = App::new().await;
    let job = app.job(&json!({})).await;
    let (first, second) = (run(&app, &job).await, run(&app, &job).await);
    let mut follower = follow(&app, "").await;
    let (outcome, disposition) = failed();
    attempt(&app, &first, outcome, disposition).await;
    succeed(&app, &second).await;
    let listed = app.get("/v1/executions").await.expect(200)["data"].clone();
    assert_eq!(follower.execution().await, listed[1]);
    assert_eq!(follower.execution().await, listed[0]);
}

#[tokio::test]
async fn filters_leave_the_rest_out() {
    let app = App::new().await;
    let (job, other) =
        (app.job(&json!({ "key": "followed" })).await, app.job(&json!({ "name": "other" })).await);
    let runs = [run(&app, &job).await, run(&app, &other).await, run(&app, &job).await];
    let mut of_job = follow(&app, "?job_id=followed").await;
    let mut of_failed = follow(&app, "?status=failed,cancelled").await;
    let (outcome, disposition) = failed();
    succeed(&app, &runs[1]).await;
    succeed(&app, &runs[0]).await;
    attempt(&app, &runs[2], outcome, disposition).await;
    assert_eq!(of_failed.execution().await["id"], runs[2]);
    assert_eq!(
        [of_job.execution().await["id"].clone(), of_job.execution().await["id"].clone()],
        [runs[0].as_str(), runs[2].as_str()]
    );
}

#[tokio::test]
async fn another_workspace_sees_nothing() {
    let app = App::new().await;
    let job = app.job(&json!({})).await;
    let run = run(&app, &job).await;
    let of_others = app.token_of(app.db.workspace("theirs").await, Scope::ALL).await;
    let mut theirs = Follower::new(&app, &format!("?seconds=3&job_id={job}"), &of_others, None).await;
    let mut all_of_theirs = Follower::new(&app, "?seconds=3", &of_others, None).await;
    theirs.begin().await;
    all_of_theirs.begin().await;
    let mut own = follow(&app, "").await;
    succeed(&app, &run).await;
    assert_eq!(own.execution().await["id"], run);
    assert!(theirs.next().await.is_none() && all_of_theirs.next().await.is_none());
}

#[tokio::test]
async fn who_connects_again_loses_nothing() {
    let app = App::new().await;
    let job = app.job(&json!({})).await;
    let mut runs = Vec::new();
    for _ in 0..4 {
        runs.push(run(&app, &job).await);
    }
    let mut follower = follow(&app, "").await;
    succeed(&app, &runs[0]).await;
    assert_eq!(follower.execution().await["id"], runs[0]);
    follower.id = None;
    follower.begin().await;
    let id = follower.id.clone().unwrap();
    drop(follower);
    succeed(&app, &runs[1]).await;
    succeed(&app, &runs[2]).await;
    let mut again = Follower::new(&app, "", &app.token, Some(&id)).await;
    assert_eq!(again.execution().await["id"], runs[1]);
    assert_eq!(again.execution().await["id"], runs[2]);
    succeed(&app, &runs[3]).await;
    assert_eq!(again.execution().await["id"], runs[3]);
}

/// A transaction that began earlier and commits later does not hide what it recorded.
#[tokio::test]
async fn what_is_committed_late_comes_in_its_order() {
    let app = App::new().await;
    let job = app.job(&json!({})).await;
    let (first, second) = (run(&app, &job).await, run(&app, &job).await);
    let mut follower = follow(&app, "").await;
    let late = app.db.session().await;
    late.batch_execute("begin; select pg_current_xact_id()").await.unwrap();
    succeed(&app, &second).await;
    let cancel = format!(
        "with r as (delete from runs where id = '{}' returning *)
         insert into executions (id, workspace_id, job_id, version, status, source, scheduled_for, finished_at, attempt_count, error_class)
         select id, workspace_id, job_id, version, 'cancelled', source, scheduled_for, clock_timestamp(), 0, 'cancelled' from r; commit",
        first.parse::<trigrun_core::domain::id::ExecutionId>().unwrap().uuid()
    );
    late.batch_execute(&cancel).await.unwrap();
    assert_eq!(follower.execution().await["id"], first);
    assert_eq!(follower.execution().await["id"], second);
}

#[tokio::test]
async fn a_position_of_another_database_is_told_and_what_is_none_refused() {
    let app = App::new().await;
    let mut follower = Follower::new(&app, "", &app.token, Some("9000000000000000000")).await;
    let event = follower.next().await.unwrap();
    assert_eq!((event.kind.as_str(), &event.data), ("lost", &json!({ "count": null })));
    let open = app.get("/v1/stream?status=failed,running").await;
    assert_eq!(open.errors(), [("?status".to_owned(), "parameter_invalid".to_owned())]);
    for id in ["", "-1", "x", "1.5"] {
        let response = app.send(hyper::Method::GET, "/v1/stream", &[("last-event-id", id)], "").await;
        assert_eq!(response.errors(), [("Last-Event-ID".to_owned(), "header_invalid".to_owned())], "{id}");
    }
}

/// Each of the clients gets every execution, or learns how many it lost, whatever another one does not read.
#[tokio::test]
async fn nothing_is_lost_without_being_told() {
    const BATCHES: usize = 8;
    const BATCH: usize = 500;
    let app = App::new().await;
    let job = app.job(&json!({})).await;
    let job = job.parse::<trigrun_core::domain::id::JobId>().unwrap().uuid();
    let mut followers = [follow(&app, "").await, follow(&app, "").await, follow(&app, "").await];
    let _not_read = follow(&app, "").await;
    for _ in 0..BATCHES {
        let insert = format!(
            "insert into executions (id, workspace_id, job_id, version, status, source, scheduled_for, finished_at, attempt_count)
             select (lpad(to_hex((extract(epoch from now()) * 1000)::bigint), 12, '0') || right(replace(gen_random_uuid()::text, '-', ''), 20))::uuid,
                    workspace_id, id, version, 'succeeded', 'schedule', now(), now(), 1
             from jobs, generate_series(1, {BATCH}) where id = '{job}'"
        );
        app.db.execute(&insert).await;
    }
    for follower in &mut followers {
        let (mut ids, mut lost) = (HashSet::new(), 0);
        while ids.len() + lost < BATCHES * BATCH {
            let event = follower.next().await.unwrap();
            match event.kind.as_str() {
                "execution" => assert!(ids.insert(event.data["id"].as_str().unwrap().to_owned())),
                _ => lost += usize::try_from(event.data["count"].as_u64().unwrap()).unwrap(),
            }
        }
        assert_eq!(ids.len() + lost, BATCHES * BATCH);
        assert!(ids.len() >= BATCH / 2, "most of a batch fits");
    }
}

#[tokio::test]
async fn an_account_has_so_many_streams_and_gets_them_back() {
    let app = App::new().await;
    let mut followers = Vec::new();
    for _ in 0..16 {
        followers.push(Follower::new(&app, "?seconds=5", &app.token, None).await);
    }
    let refused = app.get("/v1/stream").await;
    assert_eq!(refused.problem(429), "too_many_streams");
    let of_others = app.token_of(app.db.workspace("theirs").await, Scope::ALL).await;
    Follower::new(&app, "", &of_others, None).await.begin().await;
    for mut follower in followers {
        assert!(follower.next().await.is_none(), "it ends after its time");
    }
    follow(&app, "").await;
}

#[tokio::test]
async fn shutdown_ends_every_stream() {
    let app = App::new().await;
    let mut follower = follow(&app, "").await;
    let (ended, ()) = tokio::join!(follower.next(), app.api.stop());
    assert!(ended.is_none());
}
