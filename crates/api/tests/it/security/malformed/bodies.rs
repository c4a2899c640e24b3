//! Bodies that are not JSON, not an object, or have invalid fields.

use anyhow::{Context, ensure};
use serde_json::{Value, json};
use std::sync::Arc;

use trigrun_testkit::raw_http::RawResponse;

use super::{fixture, has_error, is_problem};
use crate::security::{case::Case, system::System};

/// Operations with a body, and a field of it that is a string.
const OPERATIONS: &[(&str, &str, &str)] = &[
    ("POST", "/v1/jobs", "name"),
    ("PATCH", "/v1/jobs/{job}", "name"),
    ("POST", "/v1/jobs/import", "crontab"),
    ("POST", "/v1/jobs/{job}/notification-rules", "channel_id"),
    ("POST", "/v1/schedules/preview", "kind"),
    ("POST", "/v1/notification-channels", "name"),
    ("PATCH", "/v1/notification-channels/{channel}", "name"),
    ("POST", "/v1/secrets", "name"),
    ("PUT", "/v1/secrets/malformed", "value"),
    ("POST", "/v1/tokens", "name"),
    ("POST", "/v1/members", "email"),
    ("PATCH", "/v1/members/{member}", "role"),
    ("PATCH", "/v1/workspace", "name"),
    ("POST", "/v1/workspaces", "name"),
    ("PATCH", "/v1/me", "name"),
    ("POST", "/v1/me/password", "current"),
    ("POST", "/v1/me/email", "email"),
    ("POST", "/v1/auth/confirm", "password"),
    ("POST", "/v1/auth/signup", "email"),
    ("POST", "/v1/auth/login", "email"),
    ("POST", "/v1/auth/verifications", "email"),
    ("POST", "/v1/auth/password", "password"),
    ("POST", "/v1/auth/email", "verification"),
];

/// Not JSON.
const INVALID_JSON: &[(&str, &[u8])] = &[
    ("nothing", b""),
    ("white space", b"  \r\n\t "),
    ("a word", b"nonsense"),
    ("a truncated object", b"{\"name\": \"a\""),
    ("an object and a word", b"{} trailing"),
    ("two objects", b"{} {}"),
    ("two lines of objects", b"{}\n{}\n"),
    ("an object and NUL", b"{}\0"),
    ("a field without a value", b"{\"name\": }"),
    ("a trailing comma", b"{\"name\": \"a\",}"),
    ("single quotes", b"{'name': 'a'}"),
    ("a name without quotes", b"{name: \"a\"}"),
    ("a comment", b"{} // nothing"),
    ("NaN", b"{\"name\": NaN}"),
    ("Infinity", b"{\"name\": Infinity}"),
    ("a number with a leading zero", b"{\"name\": 01}"),
    ("a hexadecimal number", b"{\"name\": 0x1}"),
    ("an unknown escape", b"{\"name\": \"\\x41\"}"),
    ("a line break in a string", b"{\"name\": \"a\nb\"}"),
    ("NUL in a string", b"{\"name\": \"a\0b\"}"),
    ("a byte order mark", b"\xef\xbb\xbf{}"),
    ("a byte that is not UTF-8", b"{\"name\": \"\xff\"}"),
    ("a surrogate in UTF-8", b"{\"name\": \"\xed\xa0\x80\"}"),
    ("NUL in two bytes", b"{\"name\": \"\xc0\x80\"}"),
    ("UTF-16, little-endian", b"\xff\xfe{\0}\0"),
    ("UTF-16, big-endian", b"\0{\0}"),
    ("a form", b"name=a&kind=cron"),
    ("XML", b"<?xml version=\"1.0\"?><!DOCTYPE a [<!ENTITY b SYSTEM \"file:///etc/passwd\">]><a>&b;</a>"),
    ("gzip", b"\x1f\x8b\x08\0\0\0\0\0\x02\x03\xabV\xcaK\xccMU\xb2RPJT\xaa\x05\0\xe7t\xc9Y\r\0\0\0"),
];

/// JSON, but not an object.
const NOT_OBJECTS: &[(&str, &str)] = &[
    ("a list", "[]"),
    ("a list of an object", "[{}]"),
    ("a string", "\"text\""),
    ("an object in a string", "\"{}\""),
    ("a number", "1"),
    ("a huge number", "1e999"),
    ("true", "true"),
    ("null", "null"),
];

/// Invalid for a field that is a string.
const NOT_STRINGS: &[(&str, &str, &[&str])] = &[
    ("null", "null", &["required"]),
    ("a number", "1", &["wrong_type"]),
    ("a huge number", "1e999", &["unreadable"]),
    ("a number of 30 digits", "123456789012345678901234567890", &["wrong_type"]),
    ("true", "true", &["wrong_type"]),
    ("a list", "[\"a\"]", &["wrong_type"]),
    ("an object", "{\"a\": \"b\"}", &["wrong_type"]),
    ("the second half of a pair of surrogates", "\"\\udc00\"", &["unreadable"]),
    ("half a pair of surrogates and a letter", "\"\\ud800\\u0041\"", &["unreadable"]),
];

/// Invalid names.
const INVALID_NAMES: &[(&str, &str, &[&str])] = &[
    ("empty", "", &["length", "secret_name_invalid"]),
    ("of spaces", "   ", &["length", "secret_name_invalid"]),
    ("of spaces outside ASCII", "\u{a0}\u{2003}\u{3000}", &["length", "secret_name_invalid"]),
    ("with NUL", "a\u{0}b", &["control_character", "secret_name_invalid"]),
    ("with a line break", "a\r\nb", &["control_character", "secret_name_invalid"]),
    ("with an escape", "a\u{1b}[2J", &["control_character", "secret_name_invalid"]),
    ("with a control character beyond ASCII", "a\u{85}b", &["control_character", "secret_name_invalid"]),
];

/// Unusual names. They are stored as they are, or refused.
const UNUSUAL_NAMES: &[(&str, &str)] = &[
    ("a mark that changes the direction", "a\u{202e}gpj.exe"),
    ("a zero-width space", "a\u{200b}b"),
    ("a byte order mark", "\u{feff}a"),
    ("a combining mark alone", "\u{301}"),
    ("a private character", "\u{e000}"),
    ("a noncharacter", "\u{ffff}"),
    ("the last code point", "\u{10ffff}"),
    ("a family", "👨‍👩‍👧‍👦"),
    ("an SQL statement", "'; drop table jobs; --"),
    ("a script", "<script>alert(1)</script>"),
    ("a template", "{{7*7}}${7*7}%s%n"),
    ("a format string", "{} {0} {name}"),
    ("a path", "../../../etc/passwd"),
];

/// Media types that are not JSON's.
const MEDIA_TYPES: &[(&str, &[&str])] = &[
    ("no media type", &[]),
    ("an empty media type", &["content-type:"]),
    ("text/plain", &["content-type: text/plain"]),
    ("text/json", &["content-type: text/json"]),
    ("a form", &["content-type: application/x-www-form-urlencoded"]),
    ("a form in parts", &["content-type: multipart/form-data; boundary=x"]),
    ("XML", &["content-type: application/xml"]),
    ("a script", &["content-type: application/javascript"]),
    ("a media type that begins like JSON", &["content-type: application/jsonp"]),
    ("a media type that ends like JSON", &["content-type: application/problem+json"]),
    ("two media types", &["content-type: text/plain, application/json"]),
    ("any media type", &["content-type: */*"]),
    ("bytes", &["content-type: application/octet-stream"]),
    ("a media type that is not ASCII", &["content-type: application/jsön"]),
];

pub fn cases() -> Vec<Case> {
    OPERATIONS
        .iter()
        .flat_map(|operation| bodies(operation).into_iter().chain(media_types(operation)))
        .chain(encoded_bodies())
        .chain(UNUSUAL_NAMES.iter().map(|(what, name)| {
            Case::new(format!("a name like {what}"), move |system| unusual_name(system, name))
        }))
        .collect()
}

type Operation = (&'static str, &'static str, &'static str);

/// What the problem has to say about a body.
#[derive(Clone, Copy)]
enum Expected {
    InvalidJson,
    NotAnObject,
    /// At the operation's field, one of these codes.
    Field(&'static [&'static str]),
    UnknownField(&'static str),
}

fn bodies(operation: &'static Operation) -> Vec<Case> {
    let (method, path, field) = operation;
    let mut cases = Vec::new();
    let mut add = |name: String, body: Vec<u8>, expected: Expected| {
        let name = format!("{method} {path}: {name}");
        cases.push(Case::new(name, move |system| is_refused(system, operation, body.clone(), expected)));
    };
    for (name, body) in INVALID_JSON {
        add((*name).to_owned(), body.to_vec(), Expected::InvalidJson);
    }
    for (name, body) in NOT_OBJECTS {
        add((*name).to_owned(), body.as_bytes().to_vec(), Expected::NotAnObject);
    }
    for (name, brackets) in [("open lists", "[".repeat(2_000)), ("open objects", "{\"a\":".repeat(2_000))] {
        add(format!("2,000 {name}"), brackets.into_bytes(), Expected::InvalidJson);
    }
    let deep = format!("{}{}", "[".repeat(2_000), "]".repeat(2_000));
    add("2,000 nested lists".into(), deep.clone().into_bytes(), Expected::NotAnObject);
    let with_value = |value: &str| format!("{{\"{field}\": {value}}}").into_bytes();
    add("a field with 2,000 nested lists".into(), with_value(&deep), Expected::Field(&["wrong_type"]));
    for (name, value, codes) in NOT_STRINGS {
        add(format!("a field that is {name}"), with_value(value), Expected::Field(codes));
    }
    if *field == "name" {
        for (name, value, codes) in INVALID_NAMES {
            add(format!("a name {name}"), with_value(&json!(value).to_string()), Expected::Field(codes));
        }
        let long = json!("a".repeat(10_240)).to_string();
        add("a name of 10 KB".into(), with_value(&long), Expected::Field(&["length", "secret_name_invalid"]));
    }
    let twice = format!("{{\"{field}\": \"a\", \"{field}\": \"b\"}}").into_bytes();
    add("a field twice".into(), twice, Expected::Field(&["field_twice"]));
    let unknown = b"{\"nonsense\": 1}".to_vec();
    add("an unknown field".into(), unknown, Expected::UnknownField("/nonsense"));
    let unknown = b"{\"a/b~c\": 1}".to_vec();
    add("an unknown field with a slash".into(), unknown, Expected::UnknownField("/a~1b~0c"));
    cases
}

fn media_types((method, path, _): &'static Operation) -> impl Iterator<Item = Case> {
    MEDIA_TYPES.iter().map(move |(name, headers)| {
        let name = format!("{method} {path}: sent as {name}");
        Case::new(name, move |system| async move {
            let response = fixture(&system).await?.send(&system, (method, path), headers, b"{}").await?;
            is_problem(&response)?;
            response.expect_problem(415, "media_type")
        })
    })
}

/// Bodies with a content coding. The API decodes none.
fn encoded_bodies() -> impl Iterator<Item = Case> {
    let gzip = b"\x1f\x8b\x08\0\0\0\0\0\x02\x03\xabV\xcaK\xccMU\xb2RPJT\xaa\x05\0\xe7t\xc9Y\r\0\0\0";
    let codings: [(&str, &str, &'static [u8]); 5] = [
        ("in that coding", "gzip", gzip),
        ("plain JSON", "gzip", b"{}"),
        ("plain JSON", "br", b"{}"),
        ("plain JSON", "deflate, gzip", b"{}"),
        ("plain JSON", "nonsense", b"{}"),
    ];
    codings.into_iter().map(|(name, coding, body)| {
        Case::new(format!("a body encoded as {coding}: {name}"), move |system| async move {
            let headers = ["content-type: application/json", &format!("content-encoding: {coding}")];
            let fixture = fixture(&system).await?;
            let response = fixture.send(&system, ("POST", "/v1/secrets"), &headers, body).await?;
            is_problem(&response)?;
            response.expect_problem(415, "media_type")
        })
    })
}

async fn is_refused(
    system: Arc<System>,
    (method, path, field): &Operation,
    body: Vec<u8>,
    expected: Expected,
) -> anyhow::Result<()> {
    let json = ["content-type: application/json"];
    let response: RawResponse = fixture(&system).await?.send(&system, (method, path), &json, &body).await?;
    is_problem(&response)?;
    match expected {
        Expected::InvalidJson => response.expect_problem(400, "json_invalid"),
        Expected::NotAnObject => response.expect_invalid("", "wrong_type"),
        Expected::Field(codes) => has_error(&response, &format!("/{field}"), codes),
        Expected::UnknownField(pointer) => has_error(&response, pointer, &["unknown_field"]),
    }
}

async fn unusual_name(system: Arc<System>, name: &str) -> anyhow::Result<()> {
    let token = &fixture(&system).await?.tenant.token;
    for (path, mut body) in [
        (
            "/v1/jobs",
            json!({ "kind": "cron", "schedule": { "cron": "0 0 1 1 *" }, "state": "draft",
            "request": { "url": "https://target.example/" } }),
        ),
        (
            "/v1/notification-channels",
            json!({ "type": "webhook", "config": { "url": "https://target.example/" } }),
        ),
        ("/v1/tokens", json!({ "scopes": ["jobs:read"] })),
        ("/v1/secrets", json!({ "value": "x" })),
    ] {
        body["name"] = json!(name);
        let response = system.call_as(token, "POST", path, &body).await?;
        if response.status != 201 {
            is_problem(&response)?;
            continue;
        }
        let created = response.json();
        ensure!(created["name"] == name, "{} was stored", created["name"]);
        let list = system.call_as(token, "GET", path, &Value::Null).await?.expect(200)?;
        let names = list["data"].as_array().context("no list")?;
        ensure!(names.iter().any(|listed| listed["name"] == name), "it is not in the list");
    }
    Ok(())
}
