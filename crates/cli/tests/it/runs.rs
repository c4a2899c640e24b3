//! Runs: waiting, following, replaying.

use std::{
    io::{BufRead, BufReader},
    process::Stdio,
};

use crate::{
    system::{Workspace, text},
    target::Target,
};

#[test]
fn waiting_reports_how_the_run_ended() {
    let (workspace, target) = (Workspace::new(), Target::start());
    workspace.run(&format!("jobs create good --cron @daily --url {}/ok", target.url)).ok();
    workspace.run(&format!("jobs create bad --cron @daily --url {}/fail --attempts 1", target.url)).ok();
    let ended = workspace.run("jobs run good --wait").ends_with(0);
    assert!(ended.stdout.starts_with("exe_"), "{}", ended.stdout);
    ended.reports(&["first byte", "succeeded with 200"]);
    let ended = workspace.run("jobs run bad --wait").ends_with(10);
    ended.reports(&["failed with 500", "http_error"]);
    let id = ended.stdout.trim();
    workspace
        .run(&format!("executions get {id} --headers --body"))
        .ends_with(0)
        .prints(&["Attempt 1", "content-length"]);
    workspace.run(&format!("executions wait {id}")).ends_with(10);
    workspace.run(&format!("executions replay {id} --wait")).ends_with(10);
    assert_eq!(target.hits("/fail"), 2);
    assert_eq!(workspace.run("executions list --failed -o id --since 1h").ok().lines().count(), 2);
}

#[test]
fn a_run_that_does_not_end_in_time_goes_on() {
    let (workspace, target) = (Workspace::new(), Target::start());
    workspace.run(&format!("jobs create slow --cron @daily --url {}/hang", target.url)).ok();
    let ended = workspace.run("jobs run slow --wait --timeout 1s").ends_with(11);
    ended.reports(&["has not ended"]);
    target.release();
    workspace.run(&format!("executions wait {}", ended.stdout.trim())).ends_with(0);
}

#[test]
fn a_run_is_cancelled() {
    let (workspace, target) = (Workspace::new(), Target::start());
    workspace.run(&format!("jobs create slow --cron @daily --url {}/hang", target.url)).ok();
    let id = workspace.run("jobs run slow").ok();
    workspace.run(&format!("executions cancel {id}")).ok();
    workspace.run(&format!("executions wait {id}")).ends_with(10);
}

#[test]
fn failures_are_followed_as_they_end_and_replayed_together() {
    let (workspace, target) = (Workspace::new(), Target::start());
    workspace.run(&format!("jobs create good --cron @daily --url {}/ok", target.url)).ok();
    workspace.run(&format!("jobs create bad --cron @daily --url {}/fail --attempts 1", target.url)).ok();
    workspace.run("jobs run bad --wait").ends_with(10);
    let mut tail = workspace.run("executions tail --failed --since 1h -o ndjson").command;
    let mut tail = tail.stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(tail.stdout.take().unwrap()).lines().map(Result::unwrap);
    // The first failure shows that the stream is open.
    let mut ids = vec![text(&lines.next().unwrap(), "/id")];
    workspace.run("jobs run good --wait").ok();
    for _ in 0..2 {
        let id = workspace.run("jobs run bad").ok();
        let line = lines.next().unwrap();
        assert_eq!((text(&line, "/id"), text(&line, "/status")), (id.trim().to_owned(), "failed".to_owned()));
        ids.push(id);
    }
    let interrupted =
        std::process::Command::new("kill").args(["-INT", &tail.id().to_string()]).status().unwrap();
    assert!(interrupted.success() && tail.wait().unwrap().success());

    let hits = target.hits("/fail");
    workspace.run("executions replay --failed --since 1h --dry-run").ends_with(0).prints(&["matched: 3"]);
    workspace.run("executions replay --failed --since 1h").ends_with(1).reports(&["--yes"]);
    assert_eq!(target.hits("/fail"), hits);
    let replays = workspace.run("executions replay --failed --job bad --since 1h --yes").ends_with(0);
    replays.reports(&["3 replayed, 0 not"]);
    for id in replays.stdout.lines() {
        workspace.run(&format!("executions wait {id}")).ends_with(10);
    }
    assert_eq!((replays.stdout.lines().count(), target.hits("/fail")), (3, hits + 3));
    workspace.run("executions replay --failed").ends_with(1).reports(&["--since"]);
}
