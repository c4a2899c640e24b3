//! Files of jobs: apply, diff and export.

use serde_json::json;

use crate::system::Workspace;

const JOBS: &str = "\
stack: web
defaults:
  tags: [web]
  request: {timeout_seconds: 10}
jobs:
  report:
    name: Nightly report
    schedule: {cron: \"30 4 * * MON-FRI\", timezone: Europe/Berlin}
    request: {url: \"https://${APP_HOST:-app.example.com}/report\", method: POST, body_file: report.json}
  sync:
    schedule: {every_n_minutes: 15}
    request: {url: https://app.example.com/sync}
  once:
    schedule: {run_at: \"2099-01-01T00:00:00.123456789Z\"}
    request: {url: HTTPS://EXAMPLE.com, headers: {}, success_statuses: [200, 201, 202, 204]}
    tags: [a, a]
    retry_policy: {max_attempts: 3}
    concurrency_limit: null
    overlap_policy: queue
";

fn with_jobs() -> Workspace {
    let workspace = Workspace::new();
    workspace.write("jobs.yaml", JOBS);
    workspace.write("report.json", "{\"z\": 1.10,\n \"a\": [1e3]}");
    workspace
}

fn applied() -> Workspace {
    let workspace = with_jobs();
    workspace.run("apply -f jobs.yaml --yes").ok();
    workspace
}

#[test]
fn what_is_applied_is_unchanged_afterwards() {
    let workspace = with_jobs();
    let ended = workspace.run("diff -f jobs.yaml").ends_with(2);
    ended.prints(&["+ report", "POST https://app.example.com/report", "3 to create"]);
    assert_eq!(workspace.job_count(), 0);
    workspace.run("apply -f jobs.yaml").ends_with(1).reports(&["--yes"]);
    workspace.run("apply -f jobs.yaml --yes").ends_with(0).prints(&["3 created"]);
    workspace.run("diff -f jobs.yaml").ends_with(0).prints(&["3 unchanged"]);
    workspace.run("apply -f jobs.yaml --yes").ends_with(0).prints(&["3 unchanged"]);
    assert_eq!(workspace.job("once", "/version"), json!(1));
    assert_eq!(
        (workspace.job("report", "/request/body"), workspace.job("report", "/tags")),
        (json!({"z": 1.10, "a": [1e3]}), json!(["web"]))
    );
    let ended = workspace.run("diff -f jobs.yaml").env("APP_HOST", "other.example.com").ends_with(2);
    ended.prints(&["request.url  \"https://app.example.com/report\" → \"https://other.example.com/report\""]);
    let plan = workspace.run("diff -f jobs.yaml -o json").ok();
    assert_eq!(serde_json::from_str::<serde_json::Value>(&plan).unwrap()["summary"]["unchanged"], json!(3));
}

#[test]
fn a_job_that_was_paused_stays_paused() {
    let workspace = applied();
    workspace.run("jobs pause sync").ok();
    workspace.run("apply -f jobs.yaml --yes").ends_with(0).prints(&["sync stays paused"]);
    assert_eq!(workspace.job("sync", "/state"), json!("paused"));
}

#[test]
fn a_change_outside_of_the_files_is_told() {
    let workspace = applied();
    workspace.run("api PATCH /v1/jobs/sync -f schedule.every_n_minutes=20").ok();
    workspace
        .run("diff -f jobs.yaml")
        .ends_with(2)
        .prints(&["changed outside of apply", "schedule.every_n_minutes  20 → 15"]);
}

#[test]
fn a_mistake_is_told_with_its_place_and_nothing_is_written() {
    let workspace = with_jobs();
    workspace.write(
        "jobs.yaml",
        &JOBS.replace("every_n_minutes: 15", "every_n_minutes: 0").replace("method", "methd"),
    );
    let ended = workspace.run("apply -f jobs.yaml --yes").ends_with(1);
    ended.reports(&[
        "jobs.yaml:9:74  report/request/methd",
        "Did you mean method?",
        "jobs.yaml:11:33  sync/schedule/every_n_minutes",
    ]);
    assert_eq!(workspace.job_count(), 0);
    workspace.write("jobs.yaml", "stack: web\njobs:\n  a: {}\n  b: {}\n  a: {}\n");
    workspace.run("diff").ends_with(1).reports(&["there is no trigrun.yaml"]);
    workspace
        .run("diff -f jobs.yaml")
        .ends_with(1)
        .reports(&["jobs.yaml:5:3  a is already there, at jobs.yaml:3:3."]);
}

#[test]
fn only_jobs_of_the_stack_are_pruned() {
    let workspace = applied();
    workspace.run("jobs create single --cron @daily --url https://example.com/").ok();
    workspace.write(
        "other.yaml",
        "stack: other\njobs:\n  other: {schedule: {cron: '@daily'}, request: {url: https://example.com/}}\n",
    );
    workspace.run("apply -f other.yaml --yes").ok();
    workspace.write("less.yaml", JOBS.split("  sync:").next().unwrap());
    workspace.run("apply -f less.yaml --yes").ends_with(0).prints(&["? sync", "2 no longer in the files"]);
    assert_eq!(workspace.job_count(), 5);
    workspace.run("apply -f less.yaml --prune=pause --yes").ok();
    assert_eq!(workspace.job("sync", "/state"), json!("paused"));
    workspace.run("apply -f less.yaml --prune --yes").ends_with(0).prints(&["- sync", "2 deleted"]);
    let mut left: Vec<String> = workspace.run("jobs list -o id").ok().lines().map(str::to_owned).collect();
    left.sort();
    assert_eq!(left, ["other", "report", "single"]);
    let log = workspace.run("api GET /v1/audit-log --paginate").ok();
    assert!(log.contains("stack.applied") && log.contains("job.deleted"), "{log}");
}

#[test]
fn many_deletions_and_empty_files_need_to_be_asked_for() {
    let workspace = Workspace::new();
    let job = |n: u32| {
        format!("  j{n}: {{schedule: {{cron: '@daily'}}, request: {{url: https://example.com/}}}}\n")
    };
    let file = |count| format!("stack: s\njobs:\n{}", (0..count).map(job).collect::<String>());
    workspace.write("jobs.yaml", &file(12));
    workspace.run("apply -f jobs.yaml --yes").ok();
    workspace.write("jobs.yaml", &file(1));
    workspace
        .run("apply -f jobs.yaml --prune --yes")
        .ends_with(5)
        .reports(&["409 too_many_deletes", "--max-deletes"]);
    assert_eq!(workspace.job_count(), 12);
    workspace.run("apply -f jobs.yaml --prune --max-deletes 11 --yes").ok();
    assert_eq!(workspace.job_count(), 1);
    workspace.write("jobs.yaml", "");
    workspace.run("apply -f jobs.yaml --prune --yes --stack s").ends_with(1).reports(&["--allow-empty"]);
    workspace.run("apply -f jobs.yaml --prune --yes").ends_with(1).reports(&["--stack"]);
    workspace.run("apply -f jobs.yaml --prune --yes --stack s --allow-empty").ok();
    assert_eq!(workspace.job_count(), 0);
}

#[test]
fn an_export_applied_makes_no_second_job() {
    let workspace = applied();
    workspace.run("jobs create keyed --cron @daily --url 'https://example.com/${X}$$' -d 'a\nb'").ok();
    workspace.run("jobs create --name 'Without key' --cron @daily --url https://example.com/").ok();
    workspace.run("jobs create --name now --now --url https://example.com/").ok();
    let ended = workspace.run("export").ends_with(0);
    ended.reports(&["left out: 1 one-time job"]).prints(&["adopt: job_", "stack: web", "stack: exported"]);
    workspace.write("a.yaml", &ended.stdout);
    let plan = workspace.run("diff -f a.yaml").ends_with(2);
    plan.prints(&["2 to update, 3 unchanged"]);
    assert!(!plan.stdout.contains("request"), "{}", plan.stdout);
    workspace.run("apply -f a.yaml --yes").ok();
    workspace.run("diff -f a.yaml").ends_with(0).prints(&["5 unchanged"]);
    assert_eq!(workspace.job_count(), 6);
    assert_eq!(
        workspace.run("export --stack web -o json").ok(),
        workspace.run("export --stack web -o json").ok()
    );
}

#[test]
fn undefined_variables_and_credentials_are_told_at_once() {
    let workspace = Workspace::new();
    let job = "  a: {schedule: {cron: '@daily'}, request: {url: 'https://${NOPE}/${NOPE}', headers: {Authorization: abc}}}\n";
    workspace.write("jobs.yaml", &format!("stack: s\njobs:\n{job}"));
    let ended = workspace.run("apply -f jobs.yaml --strict").ends_with(1);
    assert_eq!(
        ended.stderr.matches("jobs.yaml:3:50  The variable NOPE is not set.").count(),
        2,
        "{}",
        ended.stderr
    );
    ended
        .reports(&["jobs.yaml:3:102  a has the credential Authorization written out", "trigrun secrets set"]);
    let ended = workspace.run("diff -f jobs.yaml").env("NOPE", "example.com").ends_with(2);
    ended.reports(&["warning", "a has the credential Authorization"]);
    workspace.write("jobs.yaml", "stack: s\nstac: x\njobs:\n  a: {schedule: {cron: '@daily'}, request: {url: https://e.com, headers: {A: secret://none}}}\n");
    workspace.run("diff -f jobs.yaml").ends_with(1).reports(&["jobs.yaml:2:1", "Did you mean stack?"]);
    workspace.write("jobs.yaml", &workspace.read("jobs.yaml").replace("stac: x\n", ""));
    workspace
        .run("diff -f jobs.yaml")
        .ends_with(2)
        .prints(&["secret://none, which does not exist yet: trigrun secrets set none"]);
}

#[test]
fn several_files_documents_and_directories_are_one_application() {
    let workspace = Workspace::new();
    let job = |key: &str| {
        format!("  {key}: {{schedule: {{cron: '@daily'}}, request: {{url: https://example.com/}}}}\n")
    };
    std::fs::create_dir_all(workspace.directory.join("d/deep")).unwrap();
    workspace.write("d/a.yaml", &format!("stack: s\njobs:\n{}---\nstack: t\njobs:\n{}", job("a"), job("b")));
    workspace.write("d/.hidden.yaml", "not: read");
    workspace.write("d/deep/c.json", r#"{"stack": "s", "jobs": {"c": {"schedule": {"cron": "@daily"}, "request": {"url": "https://example.com/"}}}}"#);
    workspace.run("diff -f d").ends_with(2).prints(&["2 to create"]);
    workspace.run("apply -R -f d --yes").ends_with(0).prints(&["s in ", "t in ", "3 created"]);
    assert_eq!((workspace.job("c", "/stack"), workspace.job("b", "/stack")), (json!("s"), json!("t")));
    workspace.write("e.yaml", &format!("stack: s\njobs:\n{}", job("a")));
    workspace
        .run("diff -R -f d -f e.yaml")
        .ends_with(1)
        .reports(&["e.yaml:3:3  The job a is already there, at d/a.yaml:3:3."]);
}
