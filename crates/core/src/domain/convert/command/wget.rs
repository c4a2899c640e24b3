//! GNU Wget: its options, and the request that they make (Wget 1.25).

use super::{
    curl::method,
    options::{
        Argument,
        Meaning::{Lost, Mapped, None as NoMeaning, Refused},
        Table,
    },
};
use crate::domain::{
    convert::{builder::Builder, draft::Status::Code},
    invalid::Invalid,
};

const TABLE: Table = Table {
    program: "wget",
    first_of_two: Some('n'),
    abbreviates: true,
    groups: &[
        (
            Mapped,
            &[
                ('\0', "method", true),
                ('\0', "header", true),
                ('\0', "post-data", true),
                ('\0', "body-data", true),
                ('\0', "post-file", true),
                ('\0', "body-file", true),
                ('U', "user-agent", true),
                ('\0', "referer", true),
                ('\0', "user", true),
                ('\0', "http-user", true),
                ('\0', "password", true),
                ('\0', "http-password", true),
                ('T', "timeout", true),
                ('t', "tries", true),
                ('\0', "retry-on-http-error", true),
                ('\0', "no-cache", false),
            ],
        ),
        (
            NoMeaning,
            &[
                ('q', "quiet", false),
                ('v', "verbose", false),
                ('d', "debug", false),
                ('\0', "no-verbose", false),
                ('O', "output-document", true),
                ('o', "output-file", true),
                ('a', "append-output", true),
                ('P', "directory-prefix", true),
                ('b', "background", false),
                ('S', "server-response", false),
                ('\0', "save-headers", false),
                ('\0', "progress", true),
                ('\0', "show-progress", false),
                ('\0', "report-speed", true),
                ('\0', "no-clobber", false),
                ('\0', "no-directories", false),
                ('\0', "no-host-directories", false),
                ('\0', "no-hsts", false),
                ('\0', "no-cookies", false),
                ('\0', "no-http-keep-alive", false),
                ('\0', "no-proxy", false),
                ('\0', "no-dns-cache", false),
                ('\0', "no-iri", false),
                ('\0', "no-config", false),
                ('\0', "auth-no-challenge", false),
                ('\0', "content-on-error", false),
                ('\0', "content-disposition", false),
                ('\0', "trust-server-names", false),
                ('\0', "delete-after", false),
                ('\0', "keep-session-cookies", false),
                ('\0', "secure-protocol", true),
                ('\0', "https-only", false),
                ('\0', "max-redirect", true),
                ('w', "wait", true),
                ('\0', "unlink", false),
            ],
        ),
        (
            Lost("TrigRun verifies certificates by its own list of authorities."),
            &[
                ('\0', "no-check-certificate", false),
                ('\0', "ca-certificate", true),
                ('\0', "ca-directory", true),
            ],
        ),
        (
            Lost("TrigRun has one time limit, for the whole attempt."),
            &[('\0', "connect-timeout", true), ('\0', "dns-timeout", true), ('\0', "read-timeout", true)],
        ),
        (
            Lost("TrigRun decides on the pauses between attempts."),
            &[
                ('\0', "waitretry", true),
                ('\0', "retry-connrefused", false),
                ('\0', "retry-on-host-error", false),
            ],
        ),
        (Lost("TrigRun keeps no cookies between runs."), &[('\0', "save-cookies", true)]),
        (
            Lost("TrigRun chooses how it connects."),
            &[
                ('4', "inet4-only", false),
                ('6', "inet6-only", false),
                ('\0', "prefer-family", true),
                ('\0', "bind-address", true),
                ('\0', "limit-rate", true),
                ('Q', "quota", true),
                ('\0', "compression", true),
            ],
        ),
        (Lost("The setting of wget has no effect on a job."), &[('e', "execute", true)]),
        (
            Refused("A job sends GET, POST, PUT, PATCH or DELETE, and not HEAD. Leave it out to send GET."),
            &[('\0', "spider", false)],
        ),
        (
            Refused("A job makes one request."),
            &[
                ('r', "recursive", false),
                ('m', "mirror", false),
                ('p', "page-requisites", false),
                ('l', "level", true),
                ('k', "convert-links", false),
            ],
        ),
        (
            Refused("A job reads no files."),
            &[
                ('i', "input-file", true),
                ('\0', "config", true),
                ('\0', "load-cookies", true),
                ('N', "timestamping", false),
                ('c', "continue", false),
            ],
        ),
        (
            Refused("A job has no client certificate."),
            &[('\0', "certificate", true), ('\0', "private-key", true)],
        ),
        (
            Refused("A job cannot ask for a password."),
            &[('\0', "ask-password", false), ('\0', "use-askpass", true)],
        ),
    ],
};

pub(super) fn read(words: Vec<String>, mut stdin: Option<&str>, job: &mut Builder) -> Result<(), Invalid> {
    let (mut urls, mut wanted, mut body) = (Vec::new(), None, None);
    let (mut headers, mut user, mut password, mut retried) = (Vec::new(), None, None, Vec::new());
    for argument in TABLE.read(words, job)? {
        let Argument::Option(name, value) = argument else {
            urls.extend(operand(argument));
            continue;
        };
        match name {
            "method" => wanted = Some(value),
            "header" => headers.push(value),
            "post-data" => {
                wanted.get_or_insert_with(|| "POST".to_owned());
                body = Some(value);
            }
            "body-data" => body = Some(value),
            "post-file" | "body-file" => {
                let text = stdin.take().filter(|_| value == "-").ok_or_else(file)?;
                body = Some(text.to_owned());
                if name == "post-file" {
                    wanted.get_or_insert_with(|| "POST".to_owned());
                }
            }
            "user-agent" => headers.push(format!("User-Agent: {value}")),
            "referer" => headers.push(format!("Referer: {value}")),
            "user" | "http-user" => user = Some(value),
            "password" | "http-password" => password = Some(value),
            "timeout" => timeout(&value, job)?,
            "tries" => tries(&value, job)?,
            "retry-on-http-error" => {
                retried.extend(value.split(',').map(|status| status.trim().parse().ok()))
            }
            _ => headers.extend(["Cache-Control: no-cache".to_owned(), "Pragma: no-cache".to_owned()]),
        }
    }
    super::unsent(stdin, job);
    url(&urls, job)?;
    job.draft.request.method = method(wanted.as_deref().unwrap_or("GET"))?;
    for header in &headers {
        // Without a value, wget leaves the header out.
        match header.split_once(':') {
            Some((name, value)) if !value.trim().is_empty() => job.header(name.trim(), value.trim())?,
            _ => job.no_meaning(header.as_str(), "It is a header without a value."),
        }
    }
    if let Some(user) = user {
        job.basic(&format!("{user}:{}", password.unwrap_or_default()))?;
    }
    if body.is_some() {
        job.default_header("Content-Type", "application/x-www-form-urlencoded")?;
    }
    job.draft.request.body = body;
    let statuses: Option<Vec<_>> = retried.into_iter().map(|status| status.map(Code)).collect();
    // wget repeats no request that got a status, unless it is told to.
    job.draft.retry_policy.retry_on_statuses = Some(statuses.ok_or_else(|| {
        Invalid::new("command_option", "The value of --retry-on-http-error is not a list of statuses.")
    })?);
    Ok(())
}

fn operand(argument: Argument) -> Option<String> {
    match argument {
        Argument::Operand(url) => Some(url),
        Argument::Option(..) => None,
    }
}

fn url(urls: &[String], job: &mut Builder) -> Result<(), Invalid> {
    let [url] = urls else {
        let detail = format!("The command has {} URLs. A job calls one.", urls.len());
        return Err(Invalid::new("command_url", detail).hint("Write a command for each URL."));
    };
    if url.contains("://") {
        return job.url(url);
    }
    let detail = "The URL has no scheme; like wget, the job calls it by http.";
    job.changed(
        url.as_str(),
        Invalid::new("scheme_assumed", detail).hint("Write https:// if the target has it."),
    );
    job.url(&format!("http://{url}"))
}

fn timeout(value: &str, job: &mut Builder) -> Result<(), Invalid> {
    let seconds: Option<f64> = value.trim_end_matches('s').parse().ok();
    let seconds = seconds.filter(|seconds| seconds.is_finite() && *seconds >= 0.0);
    let seconds =
        seconds.ok_or_else(|| Invalid::new("command_option", "The value of --timeout is not a number."))?;
    if seconds > 0.0 {
        job.timeout("--timeout", seconds);
    }
    Ok(())
}

/// 0 and `inf` are as many as there can be.
fn tries(value: &str, job: &mut Builder) -> Result<(), Invalid> {
    let tries = if value == "inf" { Some(0) } else { value.parse().ok() };
    match tries {
        Some(0) => job.attempts("--tries", u64::MAX),
        Some(tries) => job.attempts("--tries", tries),
        None => return Err(Invalid::new("command_option", "The value of --tries is not a number.")),
    }
    Ok(())
}

fn file() -> Invalid {
    Invalid::new("command_file", "The command sends a file, which is not here.")
        .hint("Write the text of the file into the command, in single quotes.")
}
