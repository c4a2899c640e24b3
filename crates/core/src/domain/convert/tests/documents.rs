//! Exports of other schedulers, each with one field that is unknown here.

use super::*;

#[test]
fn cron_job_org() {
    let source = r#"{"jobDetails":{"title":"r","url":"https://e.com/%cjo:unixtime%","enabled":false,"requestMethod":1,"requestTimeout":20,
        "schedule":{"timezone":"Europe/Berlin","hours":[4],"minutes":[30],"mdays":[-1],"months":[-1],"wdays":[1,2,3,4,5],"expiresAt":0},
        "extendedData":{"headers":{"X-A":"b"},"body":"x"},"auth":{"enable":true,"user":"me","password":"pw"},
        "notification":{"onFailure":true,"onDisable":true},"redirectSuccess":true,"zzz":1}}"#;
    let conversion = converted(source);
    let expected = json!({
        "name": "r", "kind": "cron", "schedule": { "cron": "30 4 * * 1-5", "timezone": "Europe/Berlin" },
        "request": {
            "url": "https://e.com/{{timestamp}}", "method": "POST", "body": "x", "timeout_seconds": 20,
            "success_statuses": ["2xx", "3xx"],
            "headers": { "Authorization": "Basic secret://r-authorization", "X-A": "b" },
        },
        "retry_policy": { "max_attempts": 1 }, "state": "paused",
    });
    assert_eq!(job(&conversion), expected);
    assert_eq!(
        findings(&conversion),
        [
            "changed /jobDetails/notification/onFailure notification",
            "lost /jobDetails/notification/onDisable notification",
            "secret /jobDetails credential",
            "lost /jobDetails/zzz unknown_field",
        ]
    );
    let list = converted(r#"{"jobs":[{"jobId":1,"title":"r","url":"https://e.com","requestMethod":0}]}"#);
    assert_eq!(findings(&list), ["refused /jobs/0 list_only"]);
    let head = source.replace("\"requestMethod\":1", "\"requestMethod\":3");
    assert_eq!(findings(&converted(&head)), ["refused /jobDetails command_method"]);
    let expired = converted(&source.replace("\"expiresAt\":0", "\"expiresAt\":20200101000000"));
    assert!(findings(&expired).contains(&"changed /jobDetails/schedule/expiresAt expired".to_owned()));
}

#[test]
fn cloud_scheduler() {
    let source = r#"[{"name":"projects/p/locations/l/jobs/r","schedule":"*/5 * * * *","timeZone":"Etc/UTC","state":"ENABLED",
        "attemptDeadline":"180s","retryConfig":{"retryCount":3,"maxDoublings":5},"userUpdateTime":"2026-01-01T00:00:00Z",
        "httpTarget":{"uri":"https://e.com","httpMethod":"POST","body":"eyJhIjoxfQ==","headers":{"User-Agent":"Google-Cloud-Scheduler"},"zzz":1}}]"#;
    let conversion = converted(source);
    let expected = json!({
        "name": "r", "kind": "cron", "schedule": { "cron": "*/5 * * * *", "timezone": "Etc/UTC" },
        "request": {
            "url": "https://e.com", "method": "POST", "body": "{\"a\":1}", "timeout_seconds": 180, "success_statuses": ["2xx"],
            "headers": { "Content-Type": "application/octet-stream" },
        },
        "retry_policy": { "max_attempts": 4 }, "concurrency_limit": 1,
    });
    assert_eq!(job(&conversion), expected);
    let lost = ["lost /0/retryConfig/maxDoublings back_off", "lost /0/httpTarget/zzz unknown_field"];
    assert_eq!(findings(&conversion), lost);
    // Its User-Agent, and when it was changed.
    assert_eq!(conversion.meaningless, 2);
    for (from, to, finding) in [
        ("\"*/5 * * * *\"", "\"every 5 minutes\"", ""),
        ("\"*/5 * * * *\"", "\"every monday 09:00\"", "refused /0 schedule_english"),
        ("\"httpTarget\"", "\"pubsubTarget\"", "refused /0 target_not_http"),
        ("\"POST\"", "\"HEAD\"", "refused /0 command_method"),
        ("eyJhIjoxfQ==", "/w==", "refused /0 body_not_text"),
        ("\"180s\"", "\"1800s\"", "changed /0/attemptDeadline timeout_lowered"),
        (
            "\"zzz\":1",
            "\"oidcToken\":{\"serviceAccountEmail\":\"a\"}",
            "lost /0/httpTarget/oidcToken google_token",
        ),
    ] {
        let conversion = converted(&source.replace(from, to));
        let found = findings(&conversion);
        assert!(finding.is_empty() || found.contains(&finding.to_owned()), "{to}: {found:?}");
        if finding.contains("google_token") {
            assert_eq!(job(&conversion)["state"], "draft");
        }
    }
    let every = converted(&source.replace("\"*/5 * * * *\"", "\"every 5 minutes\""));
    assert_eq!(job(&every)["schedule"], json!({ "every_n_minutes": 5 }));
}

#[test]
fn eventbridge() {
    let source = r#"{"Name":"n","ScheduleExpression":"cron(0 4 ? * 2-6 *)","ScheduleExpressionTimezone":"UTC","State":"DISABLED","GroupName":"g",
        "FlexibleTimeWindow":{"Mode":"OFF"},"Target":{"Arn":"arn:aws:lambda:x:f","RoleArn":"r","Input":"{\"at\":\"<aws.scheduler.scheduled-time>\"}",
        "RetryPolicy":{"MaximumRetryAttempts":2,"MaximumEventAgeInSeconds":60}},"zzz":1}"#;
    assert_eq!(findings(&converted(source)), ["refused / target_not_http".replace("/ ", " ")]);
    let map = BTreeMap::from([("arn:aws:lambda:x:f".to_owned(), "https://e.com/f".to_owned())]);
    let conversion = convert_with(source, &map, None);
    let expected = json!({
        "name": "n", "kind": "cron", "schedule": { "cron": "0 4 ? * MON-FRI", "timezone": "UTC" },
        "request": {
            "url": "https://e.com/f", "method": "POST", "body": "{\"at\":\"{{scheduled_for}}\"}", "timeout_seconds": 300,
            "success_statuses": ["2xx"], "headers": { "Content-Type": "application/json" },
        },
        "retry_policy": { "max_attempts": 3 }, "state": "paused", "tags": ["g"],
    });
    assert_eq!(job(&conversion), expected);
    let lost = ["lost /Target/RetryPolicy/MaximumEventAgeInSeconds event_age", "lost /zzz unknown_field"];
    assert_eq!(findings(&conversion), lost);
    for (expression, schedule) in [
        ("rate(2 hours)", json!({ "every_n_minutes": 120 })),
        ("at(2027-01-01T09:00:00)", json!({ "run_at": "2027-01-01T09:00:00Z" })),
    ] {
        let other = convert_with(&source.replace("cron(0 4 ? * 2-6 *)", expression), &map, None);
        assert_eq!(job(&other)["schedule"], schedule);
    }
    for (expression, code) in [
        ("at(2020-01-01T09:00:00)", "in_the_past"),
        ("rate(2 days)", "schedule_invalid"),
        ("cron(0 4 * * ? 2030)", "schedule_years"),
        ("every day", "schedule_invalid"),
    ] {
        let other = convert_with(&source.replace("cron(0 4 ? * 2-6 *)", expression), &map, None);
        assert_eq!(other.findings[0].invalid.code, code, "{expression}");
    }
}

#[test]
fn qstash() {
    let source = r#"[{"scheduleId":"s1","cron":"CRON_TZ=Europe/Berlin 0 4 * * *","destination":"https://e.com","method":"POST",
        "header":{"Content-Type":["application/json"],"X-A":["1","2"]},"body":"{}","retries":3,"isPaused":true,"label":"l","timeout":"30s",
        "callback":"https://e.com/done","delay":0,"zzz":{"a":1}}]"#;
    let conversion = converted(source);
    let expected = json!({
        "name": "s1", "kind": "cron", "schedule": { "cron": "0 4 * * *", "timezone": "Europe/Berlin" },
        "request": {
            "url": "https://e.com", "method": "POST", "body": "{}", "timeout_seconds": 30, "success_statuses": ["2xx"],
            "headers": { "Content-Type": "application/json", "X-A": "1" },
        },
        "retry_policy": { "max_attempts": 4 }, "state": "paused", "tags": ["l"],
    });
    assert_eq!(job(&conversion), expected);
    assert_eq!(
        findings(&conversion),
        [
            "changed  signature",
            "lost /0 header_twice",
            "lost /0/callback callback",
            "lost /0/zzz unknown_field"
        ]
    );
    let group = converted(&source.replace("https://e.com\",\"method", "my-group\",\"method"));
    assert_eq!(findings(&group), ["changed  signature", "refused /0 target_not_http"]);
}

#[test]
fn vercel() {
    let source = r#"{"framework":"nextjs","crons":[{"path":"/api/x","schedule":"0 4 * * *","zzz":1}],
        "schedules":{"y":{"schedule":"0 9 * * *","timezone":"Europe/Berlin","path":"/api/y","requestMethod":"GET","jitter":60},
                     "z":{"schedule":"0 9 * * *","function":"f"}}}"#;
    let conversion = convert_with(source, &BTreeMap::new(), Some("https://app.example.com/"));
    let drafts: Vec<Value> =
        conversion.jobs.iter().map(|job| serde_json::to_value(&job.draft).unwrap()).collect();
    let request = |path: &str, headers: Option<Value>| {
        let url = format!("https://app.example.com{path}");
        let mut request =
            json!({ "url": url, "method": "GET", "timeout_seconds": 300, "success_statuses": ["2xx"] });
        if let Some(headers) = headers {
            request["headers"] = headers;
        }
        request
    };
    let secret = json!({ "Authorization": "Bearer secret://cron-secret" });
    let retry = json!({ "max_attempts": 1 });
    assert_eq!(
        drafts,
        [
            json!({ "name": "GET app.example.com/api/x", "kind": "cron", "schedule": { "cron": "0 4 * * *", "timezone": "UTC" },
                "request": request("/api/x", Some(secret)), "retry_policy": retry }),
            json!({ "name": "y", "kind": "cron", "schedule": { "cron": "0 9 * * *", "timezone": "Europe/Berlin" },
                "request": request("/api/y", None), "retry_policy": retry }),
        ]
    );
    assert_eq!(
        findings(&conversion),
        [
            "secret /crons/0/path credential",
            "lost /schedules/y/jitter jitter",
            "refused /schedules/z target_private",
            "lost /crons/0/zzz unknown_field",
        ]
    );
    assert_eq!(conversion.left_out[0].text, "framework");
}

#[test]
fn kubernetes() {
    let source = r#"{"apiVersion":"batch/v1","kind":"CronJob","metadata":{"name":"n","labels":{"team":"billing"}},
        "spec":{"schedule":"0 4 * * *","timeZone":"Europe/Berlin","concurrencyPolicy":"Forbid","suspend":true,
        "jobTemplate":{"spec":{"backoffLimit":2,"activeDeadlineSeconds":60,"template":{"spec":{"restartPolicy":"Never","containers":[{
            "name":"c","image":"curlimages/curl:8","args":["-fsS","-H","Authorization: Bearer $(TOKEN)","https://$(HOST)/x"],
            "env":[{"name":"HOST","value":"e.com"},{"name":"TOKEN","valueFrom":{"secretKeyRef":{"name":"web","key":"token"}}}],
            "zzz":1}]}}}}}}"#;
    let conversion = converted(source);
    let expected = json!({
        "name": "n", "kind": "cron", "schedule": { "cron": "0 4 * * *", "timezone": "Europe/Berlin" },
        "request": {
            "url": "https://e.com/x", "method": "GET", "timeout_seconds": 60, "success_statuses": ["2xx"],
            "headers": { "Authorization": "Bearer secret://web-token" },
        },
        "retry_policy": { "max_attempts": 3 }, "concurrency_limit": 1, "overlap_policy": "skip", "state": "paused",
        "tags": ["team:billing"],
    });
    assert_eq!(job(&conversion), expected);
    let container = "/spec/jobTemplate/spec/template/spec/containers/0";
    assert_eq!(
        findings(&conversion),
        [
            format!("secret {container}/env/1/valueFrom credential"),
            format!("lost {container}/zzz unknown_field"),
        ]
    );
    assert_eq!(conversion.secrets, [], "the source has no value");
    for (from, to, finding) in [
        ("\"Forbid\"", "\"Replace\"", "changed /spec/concurrencyPolicy concurrency_replace"),
        ("\"timeZone\":\"Europe/Berlin\",", "", "changed /spec/timeZone timezone_assumed"),
        (
            "\"suspend\":true",
            "\"startingDeadlineSeconds\":9",
            "changed /spec/startingDeadlineSeconds starting_deadline",
        ),
        ("$(HOST)", "web.default.svc", "changed  private_address"),
        ("curlimages/curl:8", "busybox", "refused  command_program"),
        (
            "\"args\":[\"-fsS\"",
            "\"command\":[\"sh\",\"-c\",\"curl https://$HOST/x\"],\"args\":[\"-x\"",
            "refused  command_program",
        ),
        (
            "\"restartPolicy\":\"Never\"",
            "\"initContainers\":[{\"name\":\"i\"}]",
            "refused  several_containers",
        ),
        ("\"kind\":\"CronJob\"", "\"kind\":\"List\"", "refused  kind_other"),
    ] {
        let found = findings(&converted(&source.replace(from, to)));
        let finding = finding.replace("refused  command_program", "refused  command");
        assert!(found.iter().any(|found| found.starts_with(&finding)), "{to}: {found:?}");
    }
    let shell = source.replace(
        r#""args":["-fsS","-H","Authorization: Bearer $(TOKEN)","https://$(HOST)/x"]"#,
        r#""command":["/bin/sh","-c"],"args":["curl -H \"X-Token: $TOKEN\" https://$HOST/y"]"#,
    );
    let shell = job(&converted(&shell));
    assert_eq!(shell["request"]["url"], "https://e.com/y");
    assert_eq!(shell["request"]["headers"], json!({ "X-Token": "secret://web-token" }));
}
