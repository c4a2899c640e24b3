//! Texts: crontabs, commands, URLs, files of requests.

use super::*;

const CRONTAB: &str = r#"SHELL=/bin/sh
MAILTO=ops@example.com
CRON_TZ=Europe/Berlin
HOST=e.com
# nightly report
0 3 * * 1-5 wget -q -O - "https://e.com/cron.php?key=s" >/dev/null 2>&1
*/15 * * * * root curl -fsS -m 20 https://$HOST/ping
@daily https://e.com/plain
5 4 * * * flock -n /tmp/l curl -d @- https://e.com/form%a=1%b=2
0 5 * * * /usr/local/bin/backup.sh
@reboot curl https://e.com/start
0 6 * * * curl https://e.com/list | mail -s x me
0 7 * * * curl "https://e.com/$(date +\%F)"
61 * * * * curl https://e.com
0 8 * * *
"#;

#[test]
fn every_line_of_a_crontab_is_a_job_or_a_finding() {
    let conversion = converted(CRONTAB);
    assert_eq!(conversion.format, Format::Crontab);
    let keys: Vec<_> = conversion.jobs.iter().map(|job| (job.key.as_str(), job.place.line())).collect();
    let expected = [
        ("nightly-report", Some(6)),
        ("get-e.com-ping", Some(7)),
        ("get-e.com-plain", Some(8)),
        ("post-e.com-form", Some(9)),
    ];
    assert_eq!(keys, expected);
    let drafts: Vec<_> = conversion.jobs.iter().map(|job| &job.draft).collect();
    let zone = When::Cron { cron: "0 3 * * 1-5".into(), timezone: "Europe/Berlin".into() };
    assert_eq!((drafts[0].name.as_str(), &drafts[0].when), ("nightly report", &zone));
    assert_eq!(drafts[1].request.url, "https://e.com/ping");
    assert_eq!(drafts[1].request.timeout_seconds, 20);
    assert_eq!(drafts[3].request.body.as_deref(), Some("a=1b=2"));
    assert_eq!((drafts[3].concurrency_limit, drafts[3].overlap_policy), (Some(1), Some("skip")));
    assert_eq!(
        findings(&conversion),
        [
            "lost line 2 mailto",
            "secret line 6 credential_in_url",
            "refused line 10 command_program",
            "refused line 11 cron_reboot",
            "refused line 12 command_chain",
            "refused line 13 shell_substitution",
            "refused line 14 cron_out_of_range",
            "refused line 15 crontab_url_missing",
        ]
    );
    let left_out: Vec<_> = conversion.left_out.iter().map(|part| part.text.as_str()).collect();
    assert_eq!(left_out, ["SHELL", "HOST"]);
    let of_second: Vec<_> = conversion.jobs[1].left_out.iter().map(|part| part.text.as_str()).collect();
    assert_eq!(of_second, ["root", "--silent", "--show-error", "--fail"]);
}

#[test]
fn lines_of_crontabs_and_dotfiles() {
    for (line, expected) in [
        ("*/5 * * * * curl -s https://hc-ping.com/uuid", "https://hc-ping.com/uuid"),
        (
            "0 * * * * curl -fsS -m 10 --retry 5 -o /dev/null https://hc-ping.com/uuid",
            "https://hc-ping.com/uuid",
        ),
        ("*/15 * * * * wget -O - -q -t 1 http://www.example.com/cron.php", "http://www.example.com/cron.php"),
        (
            "0 0 * * * /usr/bin/wget --quiet -O /dev/null 'https://e.com/wp-cron.php?doing_wp_cron'",
            "https://e.com/wp-cron.php?doing_wp_cron",
        ),
        ("*/10 * * * * www-data /usr/bin/curl --silent https://e.com/c >/dev/null 2>&1", "https://e.com/c"),
        ("30 2 * * 0 sudo -n curl -X POST https://e.com/d", "https://e.com/d"),
        ("@hourly\tcurl\t-sL\thttps://e.com/e", "https://e.com/e"),
        ("0 4 * * * sleep 20; curl https://e.com/f", "https://e.com/f"),
        ("0 4 * * * timeout 60 curl https://e.com/g || true", "https://e.com/g"),
        ("0 4 * * * curl https://e.com/h &", "https://e.com/h"),
        ("0 4 * * * curl https://e.com/a\\%20b", "https://e.com/a%20b"),
        ("0 4 * * * bash -lc \"curl https://e.com/i\"", "https://e.com/i"),
        ("0 4 * * * https://e.com/j?a=1&b=2", "https://e.com/j?a=1&b=2"),
        ("0 4 * * * curl --url https://e.com/k", "https://e.com/k"),
        ("0 4 * * * cd /tmp; wget -q https://e.com/l", "https://e.com/l"),
        ("0 4 * * * nice curl -k https://e.com/m", "https://e.com/m"),
    ] {
        let conversion = converted(line);
        assert_eq!(conversion.jobs.len(), 1, "{line}: {:?}", conversion.findings);
        assert_eq!(conversion.jobs[0].draft.request.url, expected, "{line}");
    }
    for (line, code) in [
        ("* * * * * cd /app && php artisan schedule:run >> /dev/null 2>&1", "command_program"),
        ("0 3 * * * certbot renew --quiet --post-hook \"systemctl reload nginx\"", "command_program"),
        ("0 0 * * * tar czf /b/$(date +\\%F).tgz /home", "shell_substitution"),
        ("*/5 * * * * [ -f /tmp/x ] && curl https://e.com", "shell_glob"),
        ("0 1 * * * curl https://e.com/a > /tmp/a && mv /tmp/a /srv/a", "command_chain"),
        ("0 1 * * * pg_dump db | curl -T - https://e.com", "command_chain"),
        ("0 1 * * * curl -H \"X-Key: $KEY\" https://e.com", "shell_variable"),
        ("0 1 * * * \"https://e.com\"", "crontab_quotes"),
        ("0 1 * * * https://e.com # daily", "crontab_trailing"),
        ("CRON_TZ=Nowhere/Else\n0 1 * * * https://e.com", "timezone_unknown"),
    ] {
        let conversion = converted(line);
        assert_eq!(conversion.jobs.len(), 0, "{line}");
        assert_eq!(conversion.findings[0].invalid.code, code, "{line}");
        assert_eq!(conversion.findings[0].level, Level::Refused);
    }
}

#[test]
fn a_curl_command_is_a_draft() {
    let source =
        "curl -X POST -H 'Authorization: Bearer abc' --json '{\"a\":1}' -m 20 --retry 2 https://e.com/x -L";
    let conversion = converted(source);
    let expected = json!({
        "name": "POST e.com/x",
        "kind": "one_time",
        "request": {
            "url": "https://e.com/x", "method": "POST", "body": "{\"a\":1}", "timeout_seconds": 20, "success_statuses": ["2xx"],
            "headers": {
                "Authorization": "Bearer secret://post-e-com-x-authorization",
                "Content-Type": "application/json", "Accept": "application/json",
            },
        },
        "retry_policy": { "max_attempts": 3, "retry_on_statuses": [408, 429, 500, 502, 503, 504] },
        "state": "draft",
    });
    assert_eq!(job(&conversion), expected);
    assert_eq!(findings(&conversion), ["lost line 1 option_lost", "secret line 1 credential"]);
}

#[test]
fn several_commands_are_several_jobs() {
    let source =
        "TOKEN='abc'\ncurl \\\n  -H \"X-Token: $TOKEN\" https://e.com/a\n# next\nwget https://e.com/b\nls\n";
    let conversion = converted(source);
    let lines: Vec<_> = conversion.jobs.iter().map(|job| job.place.line()).collect();
    assert_eq!(lines, [Some(2), Some(5)]);
    assert_eq!(conversion.secrets[0].value, "abc");
    assert_eq!(findings(&conversion), ["secret line 2 credential", "refused line 6 command_program"]);
}

#[test]
fn urls_are_drafts() {
    let conversion = converted("https://e.com/a\n# x\nhttps://me:pw@e.com/b\n");
    assert_eq!(conversion.format, Format::Url);
    assert_eq!(conversion.jobs.len(), 2);
    assert_eq!(conversion.secrets[0].value, "bWU6cHc=");
    assert_eq!((conversion.jobs[0].draft.state, conversion.meaningless), (Some("draft"), 1));
}

const HTTP: &str = "\
@host = e.com
@base = https://{{host}}
### first
# @name login
POST {{base}}/login HTTP/1.1
Content-Type: application/json
Authorization: Basic me pw

{\"id\": \"{{$guid}}\"}

> {% client.log(1) %}
### second
GET https://e.com/search
    ?q=1
    &page=2
X-At: {{$timestamp}}

###
DELETE https://e.com/{{unknown}}
###
HEAD https://e.com
###
POST https://e.com

< ./file.json
";

#[test]
fn a_file_of_requests() {
    let conversion = converted(HTTP);
    assert_eq!(conversion.format, Format::Http);
    let requests: Vec<_> =
        conversion.jobs.iter().map(|job| (job.draft.name.as_str(), &job.draft.request)).collect();
    assert_eq!(requests.len(), 2);
    assert_eq!((requests[0].0, requests[0].1.url.as_str()), ("login", "https://e.com/login"));
    assert_eq!(requests[0].1.body.as_deref(), Some("{\"id\": \"{{uuid}}\"}"));
    assert_eq!(requests[1].1.url, "https://e.com/search?q=1&page=2");
    assert_eq!(requests[1].1.headers, [("X-At".to_owned(), "{{timestamp}}".to_owned())]);
    assert_eq!(conversion.secrets[0].value, "bWU6cHc=");
    assert_eq!(
        findings(&conversion),
        [
            "lost line 5 script",
            "secret line 5 credential",
            "refused line 19 http_variable",
            "refused line 21 command_method",
            "refused line 23 command_file",
        ]
    );
}
