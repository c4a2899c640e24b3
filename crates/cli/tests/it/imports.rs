//! Jobs from other schedulers.

use crate::system::Workspace;

#[test]
fn a_crontab_becomes_jobs_and_everything_else_a_finding() {
    let workspace = Workspace::new();
    workspace.write(
        "crontab.txt",
        "MAILTO=ops@example.com
CRON_TZ=Europe/Berlin
# nightly report
0 3 * * 1-5 curl -fsS -m 60 -H 'Authorization: Bearer s3cr3t-t0ken' https://example.com/report >/dev/null
*/15 * * * * root wget -qO- https://example.com/sync
0 4 * * * /usr/local/bin/backup.sh
@reboot curl https://example.com/up
0 5 * * * curl https://example.com/a | grep ok
0 6 * * * flock -n /tmp/l curl https://example.com/b
",
    );
    let ended = workspace.run("import crontab.txt --prefix cron.").ends_with(1);
    ended.reports(&[
        "crontab, 3 jobs",
        "line 1",
        "line 4",
        "line 6",
        "line 7",
        "line 8",
        "trigrun secrets set cron-nightly-report-authorization",
    ]);
    assert!(!ended.stdout.contains("s3cr3t") && !ended.stderr.contains("s3cr3t"));
    workspace.run("apply -f - --yes").stdin(&ended.stdout).ends_with(0).prints(&["3 created"]);
    workspace.run("import crontab.txt --show-secrets").ends_with(1).reports(&["s3cr3t"]);
}

#[test]
fn an_import_is_applied_with_its_secrets() {
    let workspace = Workspace::new();
    workspace.write(
        "crontab.txt",
        "0 3 * * * curl -H 'Authorization: Bearer s3cr3t-t0ken' https://example.com/report\n",
    );
    workspace.run("import crontab.txt --apply --stack old --yes").ends_with(0).prints(&["1 created"]);
    assert_eq!(workspace.run("secrets list -o id").ok().lines().count(), 1);
    assert_eq!(workspace.run("jobs list --stack old -o id").ok().lines().count(), 1);
    workspace.run("import crontab.txt --strict --apply --yes").ends_with(1).reports(&["--strict"]);
}

/// A source, the options that it needs, texts of the file, and the unknown field.
const SOURCES: [(&str, &str, &str, &[&str]); 7] = [
    (
        "kubernetes.yaml",
        "kind: CronJob\nmetadata: {name: ping}\nspec: {schedule: '0 4 * * *', timeZone: Europe/Berlin, concurrencyPolicy: Forbid, strange: 1, jobTemplate: {spec: {backoffLimit: 2, template: {spec: {containers: [{name: c, image: curlimages/curl, args: [-fsS, 'https://e.com']}]}}}}}\n",
        "",
        &["max_attempts: 3", "concurrency_limit: 1", "timezone: Europe/Berlin"],
    ),
    (
        "cron-job-org.json",
        r#"{"jobDetails":{"title":"r","strange":1,"url":"https://e.com","enabled":true,"requestMethod":1,"schedule":{"timezone":"Europe/Berlin","hours":[4],"minutes":[30],"mdays":[-1],"months":[-1],"wdays":[1,2,3,4,5]},"extendedData":{"headers":{},"body":""},"auth":{"enable":false},"notification":{"onFailure":true}}}"#,
        "",
        &["method: POST", "timezone: Europe/Berlin", "30 4 * * "],
    ),
    (
        "gcp.json",
        r#"[{"name":"projects/p/locations/l/jobs/r","strange":1,"schedule":"*/5 * * * *","timeZone":"Etc/UTC","state":"ENABLED","attemptDeadline":"180s","retryConfig":{"retryCount":3},"httpTarget":{"uri":"https://e.com","httpMethod":"POST","body":"eyJhIjoxfQ==","headers":{"User-Agent":"Google-Cloud-Scheduler"}}}]"#,
        "",
        &["max_attempts: 4", "timeout_seconds: 180"],
    ),
    (
        "eventbridge.json",
        r#"{"Name":"n","Strange":1,"ScheduleExpression":"cron(0 4 ? * 2-6 *)","ScheduleExpressionTimezone":"UTC","State":"ENABLED","FlexibleTimeWindow":{"Mode":"OFF"},"Target":{"Arn":"arn:aws:lambda:eu-west-1:1:function:f","Input":"{}","RetryPolicy":{"MaximumRetryAttempts":2}}}"#,
        "--map arn:aws:lambda:eu-west-1:1:function:f=https://e.com/f",
        &["MON-FRI", "url: https://e.com/f", "max_attempts: 3"],
    ),
    (
        "qstash.json",
        r#"[{"scheduleId":"s1","strange":1,"cron":"CRON_TZ=Europe/Berlin 0 4 * * *","destination":"https://e.com","method":"POST","header":{"Content-Type":["application/json"]},"body":"{}","retries":3,"isPaused":false}]"#,
        "",
        &["max_attempts: 4", "timezone: Europe/Berlin"],
    ),
    (
        "vercel.json",
        r#"{"crons":[{"path":"/api/x","schedule":"0 4 * * *","strange":1}]}"#,
        "--base-url https://e.com",
        &["url: https://e.com/api/x", "secret://cron-secret"],
    ),
    (
        "crontab",
        "CRON_TZ=Europe/Berlin\n0 4 * * * curl --strange https://e.com\n0 5 * * * curl https://e.com\n",
        "",
        &["0 5 * * *"],
    ),
];

#[test]
fn every_format_is_read_and_an_unknown_field_is_a_finding() {
    let workspace = Workspace::new();
    for (file, source, options, expected) in SOURCES {
        workspace.write(file, source);
        let ended = workspace
            .run(&format!("import {file} {options} --prefix x.{}", file.replace(['.', '-'], "_")))
            .output();
        ended.prints(expected);
        assert!(ended.stderr.to_lowercase().contains("strange"), "{file}: {}", ended.stderr);
        workspace.run("diff -f -").stdin(&ended.stdout).ends_with(2);
    }
}

#[test]
fn a_command_without_a_schedule_cannot_be_in_a_file() {
    let workspace = Workspace::new();
    let ended = workspace.run("import").stdin("curl -X POST https://e.com/x -d a=b").ends_with(1);
    ended.reports(&["has no schedule", "trigrun jobs create"]);
}
