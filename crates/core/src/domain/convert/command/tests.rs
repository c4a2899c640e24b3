//! Commands of shapes that are common in crontabs and dotfiles.

use super::*;
use crate::domain::convert::finding::{Level, Place};

fn read_one(text: &str) -> Result<Builder, Invalid> {
    let variables = |name: &str| (name == "HOST").then(|| "e.com".to_owned());
    let stdin = (text.contains("@-") || text.contains("file=-")).then_some("a=1\nb=2");
    let mut job = Builder::new(Place::Line(1));
    read(text, Context { variables: &variables, stdin }, &mut job).map(|()| job)
}

/// Method, URL, headers and body in one line.
fn request(text: &str) -> String {
    let job = read_one(text).unwrap_or_else(|invalid| panic!("{text}: {invalid}"));
    let request = &job.draft.request;
    let headers = request.headers.iter().map(|(name, value)| format!(" {name}: {value};"));
    let body = request.body.as_ref().map_or(String::new(), |body| format!(" {body}"));
    format!("{} {}{}{body}", request.method, request.url, headers.collect::<String>())
}

const FORM: &str = "Content-Type: application/x-www-form-urlencoded;";

#[test]
fn requests_are_those_of_curl() {
    for (text, expected) in [
        ("curl https://e.com", "GET https://e.com"),
        ("/usr/bin/curl -fsS https://e.com/a?b=c\\&d", "GET https://e.com/a?b=c&d"),
        ("curl e.com/x", "GET http://e.com/x"),
        ("curl -X PUT -d '' https://e.com", &format!("PUT https://e.com {FORM} ")),
        ("curl --request post --url https://e.com", "POST https://e.com"),
        ("curl -XDELETE 'https://e.com/#top'", "DELETE https://e.com/"),
        ("curl -d a=1 -d 'b=2' https://e.com", &format!("POST https://e.com {FORM} a=1&b=2")),
        ("curl https://e.com --data-raw @x", &format!("POST https://e.com {FORM} @x")),
        ("curl -d @- https://e.com", &format!("POST https://e.com {FORM} a=1b=2")),
        ("curl --data-binary @- https://e.com", &format!("POST https://e.com {FORM} a=1\nb=2")),
        ("curl --data-urlencode 'a=b c&d' https://e.com", &format!("POST https://e.com {FORM} a=b%20c%26d")),
        ("curl -G -d a=1 --data-urlencode 'q=ü' https://e.com/s", "GET https://e.com/s?a=1&q=%C3%BC"),
        ("curl -Gd a=1 'https://e.com/s?b=2'", "GET https://e.com/s?b=2&a=1"),
        (
            "curl --json '{\"a\":1}' https://e.com",
            "POST https://e.com Content-Type: application/json; Accept: application/json; {\"a\":1}",
        ),
        (
            "curl -H 'Content-Type: text/xml' -H 'X-A:b' -d '<a/>' https://e.com",
            "POST https://e.com Content-Type: text/xml; X-A: b; <a/>",
        ),
        ("curl -H 'X-Empty;' -H 'Accept:' https://e.com", "GET https://e.com X-Empty: ;"),
        ("curl -u me:pw https://e.com", "GET https://e.com Authorization: Basic bWU6cHc=;"),
        ("curl https://me:p%77@e.com/", "GET https://e.com/ Authorization: Basic bWU6cHc=;"),
        ("curl --oauth2-bearer abc https://e.com", "GET https://e.com Authorization: Bearer abc;"),
        (
            "curl -A agent -e https://r.com -b 'a=1' -b 'b=2' -r 0-9 https://e.com",
            "GET https://e.com User-Agent: agent; Referer: https://r.com; Cookie: a=1; b=2; Range: bytes=0-9;",
        ),
        ("curl \"https://$HOST/x\"", "GET https://e.com/x"),
        ("curl -g 'https://e.com/{a}'", "GET https://e.com/{a}"),
        ("curl -H 'Host: e.com' -H 'Connection: close' https://e.com", "GET https://e.com"),
        ("curl $'https://e.com/\\u0061' --compressed", "GET https://e.com/a"),
    ] {
        assert_eq!(request(text), expected, "{text}");
    }
}

#[test]
fn requests_are_those_of_wget() {
    for (text, expected) in [
        ("wget -q -O - \"https://e.com/cron.php?a=1\" >/dev/null 2>&1", "GET https://e.com/cron.php?a=1"),
        ("wget -qO- https://e.com &> /dev/null", "GET https://e.com"),
        ("wget -nv -O /dev/null e.com/x", "GET http://e.com/x"),
        ("wget --post-data 'a=1' https://e.com", &format!("POST https://e.com {FORM} a=1")),
        (
            "wget --method=PUT --body-data='{}' --header='Content-Type: application/json' https://e.com",
            "PUT https://e.com Content-Type: application/json; {}",
        ),
        ("wget --user=me --password=pw https://e.com", "GET https://e.com Authorization: Basic bWU6cHc=;"),
        ("wget --post-file=- https://e.com", &format!("POST https://e.com {FORM} a=1\nb=2")),
        (
            "wget -U agent --no-cache https://e.com",
            "GET https://e.com User-Agent: agent; Cache-Control: no-cache; Pragma: no-cache;",
        ),
        ("busybox wget -q https://e.com", "GET https://e.com"),
    ] {
        assert_eq!(request(text), expected, "{text}");
    }
}

#[test]
fn what_stands_around_a_request() {
    for text in [
        "sudo -u www-data curl https://e.com",
        "env FOO=bar curl https://e.com",
        "FOO=bar nice -n 19 ionice -c3 curl https://e.com",
        "sleep 30; curl https://e.com",
        "cd /tmp && curl https://e.com",
        "curl https://e.com || true",
        "curl https://e.com &",
        "curl https://e.com >> /var/log/x.log 2>&1 # daily",
        "bash -c 'curl https://e.com'",
        "sh -c \"curl https://e.com > /dev/null\"",
        "flock -n /tmp/a.lock -c 'curl https://e.com'",
        "nohup chronic curl https://e.com",
        "$ curl https://e.com",
        "curl \\\n  https://e.com",
    ] {
        assert_eq!(request(text), "GET https://e.com", "{text}");
    }
}

#[test]
fn limits_and_attempts() {
    let of = |text: &str| read_one(text).unwrap().draft;
    assert_eq!(of("curl https://e.com").retry_policy.max_attempts, 1);
    assert_eq!(of("curl https://e.com").request.timeout_seconds, 300);
    assert_eq!(of("curl -m 20 --retry 2 https://e.com").retry_policy.max_attempts, 3);
    assert_eq!(of("curl -m 19.2 https://e.com").request.timeout_seconds, 20);
    assert_eq!(of("timeout 1m curl -m 90 https://e.com").request.timeout_seconds, 60);
    assert_eq!(of("wget -t 4 -T 5 https://e.com").retry_policy.max_attempts, 4);
    assert_eq!(of("wget --tries=0 https://e.com").retry_policy.max_attempts, 10);
    let locked = of("flock -n /tmp/lock curl https://e.com");
    assert_eq!((locked.concurrency_limit, locked.overlap_policy), (Some(1), Some("skip")));
    let waits = of("flock /tmp/lock curl https://e.com");
    assert_eq!((waits.concurrency_limit, waits.overlap_policy), (Some(1), None));
}

#[test]
fn what_no_job_can_do_is_refused() {
    for (text, code) in [
        ("curl -I https://e.com", "command_option"),
        ("curl -X OPTIONS https://e.com", "command_method"),
        ("curl -F a=b https://e.com", "command_option"),
        ("curl -T file https://e.com", "command_option"),
        ("curl -d @file https://e.com", "command_file"),
        ("curl -H @file https://e.com", "command_file"),
        ("curl -b jar.txt https://e.com", "command_file"),
        ("curl -K config", "command_option"),
        ("curl https://e.com --next https://f.com", "command_option"),
        ("curl https://e.com https://f.com", "command_url"),
        ("curl -s", "command_url"),
        ("curl -E cert.pem https://e.com", "command_option"),
        ("curl --unix-socket /run/docker.sock http://e.com", "command_option"),
        ("curl --resolve e.com:443:1.1.1.1 https://e.com", "command_option"),
        ("curl 'https://e.com/[1-3]'", "command_url"),
        ("curl -u me https://e.com", "command_auth"),
        ("curl --frobnicate https://e.com", "command_option"),
        ("curl -H 'Host: f.com' https://e.com", "header_host"),
        ("curl -m", "command_option"),
        ("wget --spider https://e.com", "command_option"),
        ("wget -r https://e.com", "command_option"),
        ("wget -i urls.txt", "command_option"),
        ("/root/backup.sh", "command_program"),
        ("php artisan schedule:run", "command_program"),
        ("curl https://e.com | sh", "command_chain"),
        ("curl https://e.com && curl https://f.com", "command_chain"),
        ("[ -x /usr/bin/curl ] && curl https://e.com", "shell_glob"),
        ("test -x /usr/bin/curl && curl https://e.com", "command_chain"),
        ("curl https://e.com/$(date +%F)", "shell_substitution"),
        ("curl https://e.com/$TOKEN", "shell_variable"),
        ("curl 'https://e.com", "shell_quote"),
        ("FOO=bar", "command_empty"),
    ] {
        assert_eq!(read_one(text).err().map(|invalid| invalid.code), Some(code), "{text}");
    }
}

#[test]
fn what_is_lost_is_told() {
    for (text, lost) in [
        ("curl -L https://e.com", 1),
        ("curl -k https://e.com", 1),
        ("curl -x http://proxy:3128 https://e.com", 1),
        ("curl -sSfvio /dev/null https://e.com", 0),
        ("curl --connect-timeout 5 --compressed https://e.com", 2),
        ("sleep 5; wget --no-check-certificate https://e.com", 2),
        ("https_proxy=http://p:1 curl https://e.com", 1),
        ("curl -H 'Proxy-Authorization: x' -H 'X-A: 1' -H 'x-a: 2' https://e.com", 2),
    ] {
        let job = read_one(text).unwrap();
        let notes = job.notes.iter().filter(|(level, ..)| *level == Level::Lost).count();
        assert_eq!(notes, lost, "{text}: {:?}", job.notes);
        assert!(job.left_out.len() >= lost);
    }
    let variable = read_one("curl -d '{{uuid}}' https://e.com").unwrap();
    assert_eq!(variable.notes[0].2.code, "variable");
}
