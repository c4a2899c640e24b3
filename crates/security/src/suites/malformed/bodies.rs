//! Bodies that are no JSON, no object, or hold what no field may.

use anyhow::{Context, ensure};
use serde_json::{Value, json};
use std::sync::Arc;

use super::{ground, refused, says};
use crate::{
    case::{Case, Family},
    system::System,
    wire::Reply,
};

/// Whatever has a body, and a field of it that is a text.
const DOORS: &[(&str, &str, &str)] = &[
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
    ("POST", "/v1/auth/signup", "email"),
    ("POST", "/v1/auth/login", "email"),
];

/// What is no JSON at all.
const NO_JSON: &[(&str, &[u8])] = &[
    ("nothing", b""),
    ("spaces", b"  \r\n\t "),
    ("words", b"nonsense"),
    ("an object that is cut", b"{\"name\": \"a\""),
    ("an object and more", b"{} trailing"),
    ("two objects", b"{} {}"),
    ("two lines of objects", b"{}\n{}\n"),
    ("an object and NUL", b"{}\0"),
    ("a comma too many", b"{\"name\": \"a\",}"),
    ("single quotes", b"{'name': 'a'}"),
    ("a name without quotes", b"{name: \"a\"}"),
    ("a comment", b"{} // nothing"),
    ("NaN", b"{\"name\": NaN}"),
    ("Infinity", b"{\"name\": Infinity}"),
    ("a number with a zero in front", b"{\"name\": 01}"),
    ("a hexadecimal number", b"{\"name\": 0x1}"),
    ("an unknown escape", b"{\"name\": \"\\x41\"}"),
    ("a line break in a text", b"{\"name\": \"a\nb\"}"),
    ("NUL in a text", b"{\"name\": \"a\0b\"}"),
    ("a byte order mark", b"\xef\xbb\xbf{}"),
    ("a byte that is no UTF-8", b"{\"name\": \"\xff\"}"),
    ("a surrogate in UTF-8", b"{\"name\": \"\xed\xa0\x80\"}"),
    ("NUL in two bytes", b"{\"name\": \"\xc0\x80\"}"),
    ("UTF-16, little end first", b"\xff\xfe{\0}\0"),
    ("UTF-16, big end first", b"\0{\0}"),
    ("a form", b"name=a&kind=cron"),
    ("XML", b"<?xml version=\"1.0\"?><!DOCTYPE a [<!ENTITY b SYSTEM \"file:///etc/passwd\">]><a>&b;</a>"),
    ("gzip", b"\x1f\x8b\x08\0\0\0\0\0\x02\x03\xabV\xcaK\xccMU\xb2RPJT\xaa\x05\0\xe7t\xc9Y\r\0\0\0"),
];

/// JSON, but no object.
const NO_OBJECT: &[(&str, &str)] = &[
    ("a list", "[]"),
    ("a list of an object", "[{}]"),
    ("a text", "\"text\""),
    ("an object in a text", "\"{}\""),
    ("a number", "1"),
    ("a huge number", "1e999"),
    ("true", "true"),
    ("null", "null"),
];

/// What no field that is a text may hold.
const NO_TEXT: &[(&str, &str, &[&str])] = &[
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

/// What no name may be.
const NO_NAME: &[(&str, &str, &[&str])] = &[
    ("empty", "", &["length", "secret_name_invalid"]),
    ("of spaces", "   ", &["length", "secret_name_invalid"]),
    ("of spaces that are none of ASCII", "\u{a0}\u{2003}\u{3000}", &["length", "secret_name_invalid"]),
    ("with NUL", "a\u{0}b", &["control_character", "secret_name_invalid"]),
    ("with a line break", "a\r\nb", &["control_character", "secret_name_invalid"]),
    ("with an escape", "a\u{1b}[2J", &["control_character", "secret_name_invalid"]),
    ("with a control character beyond ASCII", "a\u{85}b", &["control_character", "secret_name_invalid"]),
];

/// Texts that look like others. They are kept as they are, or refused.
const ODD: &[(&str, &str)] = &[
    ("a mark that turns the direction", "a\u{202e}gpj.exe"),
    ("a space without width", "a\u{200b}b"),
    ("a byte order mark", "\u{feff}a"),
    ("a combining mark alone", "\u{301}"),
    ("a private character", "\u{e000}"),
    ("no character", "\u{ffff}"),
    ("the last of all", "\u{10ffff}"),
    ("two hundred families", "👨‍👩‍👧‍👦"),
    ("a statement", "'; drop table jobs; --"),
    ("a script", "<script>alert(1)</script>"),
    ("a template", "{{7*7}}${7*7}%s%n"),
    ("a format", "{} {0} {name}"),
    ("a path", "../../../etc/passwd"),
];

/// Media types of what is not JSON, or not said to be.
const NO_MEDIA: &[(&str, &[&str])] = &[
    ("no media type", &[]),
    ("an empty one", &["content-type:"]),
    ("text/plain", &["content-type: text/plain"]),
    ("text/json", &["content-type: text/json"]),
    ("a form", &["content-type: application/x-www-form-urlencoded"]),
    ("a form in parts", &["content-type: multipart/form-data; boundary=x"]),
    ("XML", &["content-type: application/xml"]),
    ("a script", &["content-type: application/javascript"]),
    ("one that begins alike", &["content-type: application/jsonp"]),
    ("one that ends alike", &["content-type: application/problem+json"]),
    ("two in one", &["content-type: text/plain, application/json"]),
    ("anything", &["content-type: */*"]),
    ("bytes", &["content-type: application/octet-stream"]),
    ("not ASCII", &["content-type: application/jsön"]),
];

pub fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for door in DOORS {
        let mut add = |name: String, body: Vec<u8>, right: Right| {
            let name = format!("{} {}: {name}", door.0, door.1);
            cases.push(Case::asks(Family::Malformed, name, move |system| {
                attempt(system, door, body.clone(), right)
            }));
        };
        for (name, body) in NO_JSON {
            add((*name).to_owned(), body.to_vec(), Right::NoJson);
        }
        for (name, body) in NO_OBJECT {
            add((*name).to_owned(), body.as_bytes().to_vec(), Right::NoObject);
        }
        for (name, brackets) in [("open", "[".repeat(2_000)), ("open objects", "{\"a\":".repeat(2_000))] {
            add(format!("2,000 {name}"), brackets.into_bytes(), Right::NoJson);
        }
        let deep = format!("{}{}", "[".repeat(2_000), "]".repeat(2_000));
        add("2,000 lists within each other".into(), deep.clone().into_bytes(), Right::NoObject);
        let field = |value: &str| format!("{{\"{}\": {value}}}", door.2).into_bytes();
        add("a field that holds them".into(), field(&deep), Right::At(&["wrong_type"]));
        for (name, value, codes) in NO_TEXT {
            add(format!("a field that is {name}"), field(value), Right::At(codes));
        }
        if door.2 == "name" {
            for (name, value, codes) in NO_NAME {
                add(format!("a name {name}"), field(&json!(value).to_string()), Right::At(codes));
            }
            let long = json!("a".repeat(10_240)).to_string();
            add("a name of 10 KB".into(), field(&long), Right::At(&["length", "secret_name_invalid"]));
        }
        let twice = format!("{{\"{0}\": \"a\", \"{0}\": \"b\"}}", door.2).into_bytes();
        add("a field twice".into(), twice, Right::At(&["field_twice"]));
        let unknown = b"{\"nonsense\": 1}".to_vec();
        add("an unknown field".into(), unknown, Right::Unknown("/nonsense"));
        let unknown = b"{\"a/b~c\": 1}".to_vec();
        add("an unknown field with a slash".into(), unknown, Right::Unknown("/a~1b~0c"));
        for (name, headers) in NO_MEDIA {
            let name = format!("{} {}: sent as {name}", door.0, door.1);
            cases.push(Case::asks(Family::Malformed, name, move |system| async move {
                let reply = ground(&system).await?.send(&system, (door.0, door.1), headers, b"{}").await?;
                refused(&reply)?;
                reply.expect_problem(415, "media_type")
            }));
        }
    }
    for (name, coding, body, status, code) in packed() {
        cases.push(Case::asks(
            Family::Malformed,
            format!("a body packed as {coding}: {name}"),
            move |system| {
                let body = body.clone();
                async move {
                    let headers = ["content-type: application/json", &format!("content-encoding: {coding}")];
                    let reply = ground(&system)
                        .await?
                        .send(&system, ("POST", "/v1/secrets"), &headers, &body)
                        .await?;
                    refused(&reply)?;
                    reply.expect_problem(status, code)
                }
            },
        ));
    }
    for (name, odd) in ODD {
        cases.push(Case::asks(Family::Malformed, format!("a name like {name}"), move |system| {
            odd_name(system, odd)
        }));
    }
    cases
}

/// Bodies that are packed, or said to be: nobody unpacks them.
fn packed() -> [(&'static str, &'static str, Vec<u8>, u16, &'static str); 5] {
    let gzip = b"\x1f\x8b\x08\0\0\0\0\0\x02\x03\xabV\xcaK\xccMU\xb2RPJT\xaa\x05\0\xe7t\xc9Y\r\0\0\0".to_vec();
    [
        ("what it is", "gzip", gzip, 415, "media_type"),
        ("plain JSON", "gzip", b"{}".to_vec(), 415, "media_type"),
        ("plain JSON again", "br", b"{}".to_vec(), 415, "media_type"),
        ("plain JSON as well", "deflate, gzip", b"{}".to_vec(), 415, "media_type"),
        ("nothing known", "nonsense", b"{}".to_vec(), 415, "media_type"),
    ]
}

/// What has to be said of a body.
#[derive(Clone, Copy)]
enum Right {
    NoJson,
    NoObject,
    /// At the field of the door, one of these codes.
    At(&'static [&'static str]),
    Unknown(&'static str),
}

async fn attempt(
    system: Arc<System>,
    (method, path, field): &(&str, &str, &str),
    body: Vec<u8>,
    right: Right,
) -> anyhow::Result<()> {
    let json = ["content-type: application/json"];
    let reply: Reply = ground(&system).await?.send(&system, (method, path), &json, &body).await?;
    refused(&reply)?;
    match right {
        Right::NoJson => reply.expect_problem(400, "json_invalid"),
        Right::NoObject => reply.expect_wrong("", "wrong_type"),
        Right::At(codes) => says(&reply, &format!("/{field}"), codes),
        Right::Unknown(pointer) => says(&reply, pointer, &["unknown_field"]),
    }
}

async fn odd_name(system: Arc<System>, odd: &str) -> anyhow::Result<()> {
    let ground = ground(&system).await?;
    for (path, mut body) in [
        (
            "/v1/jobs",
            json!({ "kind": "cron", "schedule": { "cron": "0 0 1 1 *" }, "state": "draft",
            "request": { "url": "https://siege.example/" } }),
        ),
        (
            "/v1/notification-channels",
            json!({ "type": "webhook", "config": { "url": "https://siege.example/" } }),
        ),
        ("/v1/tokens", json!({ "scopes": ["jobs:read"] })),
        ("/v1/secrets", json!({ "value": "x" })),
    ] {
        body["name"] = json!(odd);
        let reply = system.ask_as(&ground.of.token, "POST", path, &body).await?;
        if reply.status != 201 {
            refused(&reply)?;
            continue;
        }
        let made = reply.json();
        ensure!(made["name"] == odd, "{} was kept", made["name"]);
        let list = system.ask_as(&ground.of.token, "GET", path, &Value::Null).await?.expect(200)?;
        let names = list["data"].as_array().context("no list")?;
        ensure!(names.iter().any(|one| one["name"] == odd), "it is not listed");
    }
    Ok(())
}
