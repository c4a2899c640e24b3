//! Creating, changing and finding jobs.

use serde_json::json;

use crate::{system::Workspace, target::Target};

#[test]
fn all_fields_that_are_wrong_are_told_at_once() {
    let workspace = Workspace::new();
    let ended = workspace.run("jobs create hello --cron '61 * * * *' --url x").ends_with(1);
    ended.reports(&[
        "2 fields are wrong (422 validation_failed)",
        "/schedule/cron",
        "/request/url",
        "request req_",
    ]);
    let ended = workspace.run("jobs create hello --cron '61 * * * *' --url x -o json").ends_with(1);
    assert_eq!(crate::system::text(&ended.stdout, "/code"), "validation_failed");
}

#[test]
fn a_key_exists_once() {
    let workspace = Workspace::new();
    let create = "jobs create hello --cron '0 9 * * MON' --tz Europe/Berlin --url https://example.com/ok";
    let ended = workspace.run(create).ends_with(0);
    assert_eq!(ended.stdout, "hello\n");
    ended.reports(&["at 09:00 on Monday, Europe/Berlin time", "next run"]);
    workspace.run(create).ends_with(5).reports(&["409 key_taken"]);
}

#[test]
fn an_update_changes_what_was_named() {
    let workspace = Workspace::new();
    workspace.run("jobs create hello --cron '0 9 * * MON' --url https://example.com/ok --tag a -H 'X-A: 1' -d '{\"a\": 1.10}'").ok();
    let before: serde_json::Value = workspace.job("hello", "");
    workspace.run("jobs update hello --timeout 5s").ok();
    let mut after = workspace.job("hello", "");
    assert_eq!((&after["version"], &after["request"]["timeout_seconds"]), (&json!(2), &json!(5)));
    for field in ["/version", "/request/timeout_seconds", "/updated_at"] {
        *after.pointer_mut(field).unwrap() = before.pointer(field).unwrap().clone();
    }
    assert_eq!(before, after);
    workspace.run("jobs update hello --unset timeout,request.headers.X-A").ok();
    assert_eq!(
        (workspace.job("hello", "/request/timeout_seconds"), workspace.job("hello", "/request/headers")),
        (json!(30), json!({}))
    );
    workspace.run("jobs update hello --every 15m").ok();
    assert_eq!(workspace.job("hello", "/schedule"), json!({"every_n_minutes": 15}));
    workspace
        .run("jobs update hello --name x --if-version 1")
        .ends_with(5)
        .reports(&["412 version_mismatch"]);
    workspace.run("jobs update hello").ends_with(1).reports(&["nothing to change"]);
}

#[test]
fn an_unknown_job_is_not_found_and_near_keys_are_suggested() {
    let workspace = Workspace::new();
    workspace.run("jobs create nightly-report --cron @daily --url https://example.com/").ok();
    workspace
        .run("jobs get nightly-reprot")
        .ends_with(4)
        .reports(&["no job nightly-reprot", "Did you mean nightly-report?"]);
    workspace.run("jobs get zzz").ends_with(4);
}

#[test]
fn jobs_are_paused_resumed_and_deleted_one_by_one_or_by_a_tag() {
    let workspace = Workspace::new();
    for key in ["a", "b", "c"] {
        workspace.run(&format!("jobs create {key} --cron @daily --url https://example.com/ --tag t")).ok();
    }
    workspace.run("jobs create other --cron @daily --url https://example.com/").ok();
    assert_eq!(workspace.run("jobs pause a b").ok(), "a\nb\n");
    workspace.run("jobs pause c --note 'target moves'").ok();
    assert_eq!(workspace.job("c", "/paused/note"), json!("target moves"));
    workspace.run("jobs resume --tag t --yes").ends_with(0).reports(&["3 jobs match"]);
    assert_eq!(workspace.job("a", "/state"), json!("active"));
    workspace.run("jobs delete --tag t").ends_with(1).reports(&["--yes"]);
    assert_eq!(workspace.job_count(), 4);
    workspace.run("jobs delete --tag t --yes").ok();
    assert_eq!(workspace.run("jobs list -o id").ok(), "other\n");
    workspace.run("jobs delete other missing --yes").ends_with(4).reports(&["no job missing"]);
    assert_eq!(workspace.job_count(), 0);
}

#[test]
fn a_job_comes_from_a_curl_command_or_a_file() {
    let workspace = Workspace::new();
    workspace.write("curl.txt", "curl -X PUT https://example.com/x -H 'X-A: 1' --json '{\"a\": 1}' -m 20");
    workspace.run("jobs create a --curl curl.txt --every 2h").ok();
    let request = workspace.job("a", "/request");
    assert_eq!(
        (&request["method"], &request["timeout_seconds"], &request["headers"]["X-A"]),
        (&json!("PUT"), &json!(20), &json!("1"))
    );
    workspace
        .write("job.yaml", "schedule: {cron: '@daily'}\nrequest: {url: https://example.com/}\ntags: [x]\n");
    workspace.run("jobs create b -f job.yaml --timeout 7s").ok();
    assert_eq!(
        (workspace.job("b", "/tags"), workspace.job("b", "/request/timeout_seconds")),
        (json!(["x"]), json!(7))
    );
    workspace
        .run("jobs create c --url https://example.com/")
        .ends_with(1)
        .reports(&["--cron, --every, --at and --now"]);
}

#[test]
fn the_request_of_a_job_is_tested_without_a_trace() {
    let (workspace, target) = (Workspace::new(), Target::start());
    workspace.run(&format!("jobs create a --cron @daily -X POST --url {}/ok -d hi", target.url)).ok();
    workspace.run("jobs test a").ends_with(0).prints(&["success 200", "POST hi", "first byte"]);
    workspace.run(&format!("jobs update a --url {}/fail", target.url)).ok();
    workspace.run("jobs test a").ends_with(10).prints(&["http_error 500"]);
    assert_eq!((target.hits("/ok"), target.hits("/fail"), workspace.job_count()), (1, 1, 1));
}

#[test]
fn schedules_are_explained_by_the_server() {
    let workspace = Workspace::new();
    let ended = workspace
        .run("schedule explain '30 2 * * *' --tz Europe/Berlin --from 2026-03-28T12:00:00Z -n 1")
        .ends_with(0);
    ended.prints(&[
        "at 02:30, Europe/Berlin time",
        "2026-03-29T03:00:00+02:00\t2026-03-29T01:00:00Z\t02:30 does not exist",
    ]);
    workspace.run("schedule explain 15m -n 1").ends_with(0).prints(&["every 15 minutes"]);
    workspace.run("jobs create a --cron '0 9 * * *' --url https://example.com/").ok();
    assert_eq!(workspace.run("jobs next a -n 3").ok().lines().count(), 3);
    workspace.run("jobs ledger a").ends_with(0).prints(&["gaps\t0", "duplicates\t0"]);
}
