//! A target echoes a secret, as it is or encoded: what is stored has a mask in its place.

use anyhow::ensure;
use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use std::sync::Arc;
use trigrun_core::domain::{attempt::MAX_PREVIEW_BYTES, id::ExecutionId};
use trigrun_testkit::target::Script;

use super::{store, with_secret};
use crate::{
    case::{Case, Suite},
    system::{System, text},
};

/// Has a character of every kind that an encoding changes.
const VALUE: &str = "Zk4/r+7 \"q\"=&~'ü*<€>(x)!";

fn percent(value: &str, kept: &str, lower: bool) -> String {
    let byte = |byte: u8| {
        let character = char::from(byte);
        match (character.is_ascii_alphanumeric() || kept.contains(character), lower) {
            (true, _) => character.to_string(),
            (false, true) => format!("%{byte:02x}"),
            (false, false) => format!("%{byte:02X}"),
        }
    };
    value.bytes().map(byte).collect()
}

fn json_in_ascii(value: &str) -> String {
    let unit = |unit: u16| match char::from_u32(unit.into()) {
        Some(character @ ('"' | '\\')) => format!("\\{character}"),
        Some(character) if character.is_ascii() => character.to_string(),
        _ => format!("\\u{unit:04x}"),
    };
    value.encode_utf16().map(unit).collect()
}

/// A value in the encodings that docs/secrets.md names, computed without the product's code.
fn encodings(value: &str) -> Vec<(&'static str, String)> {
    let latin_1: String = value.bytes().map(char::from).collect();
    vec![
        ("as it is", value.to_owned()),
        ("in base64", STANDARD.encode(value)),
        ("in base64 for URLs", URL_SAFE_NO_PAD.encode(value)),
        ("in base64 behind one byte", STANDARD.encode(format!("u{value}"))),
        ("in base64 behind two bytes", STANDARD.encode(format!("u:{value}"))),
        ("in Basic credentials", STANDARD.encode(format!("user:{value}:more"))),
        ("percent-encoded", percent(value, "-._~", false)),
        ("percent-encoded in lower case", percent(value, "-._~", true)),
        ("as JavaScript encodes a component", percent(value, "-_.!~*'()", false)),
        ("as Python quotes", percent(value, "-._~/", false)),
        ("as a form", percent(value, "*-._ ", false).replace(' ', "+")),
        ("as JSON", serde_json::Value::from(value).to_string().trim_matches('"').to_owned()),
        ("as JSON in ASCII", json_in_ascii(value)),
        ("as JSON with \\/", json_in_ascii(value).replace('/', "\\/")),
        ("decoded as Latin-1", latin_1.clone()),
        (
            "decoded as Latin-1, as JSON",
            serde_json::Value::from(latin_1).to_string().trim_matches('"').to_owned(),
        ),
    ]
}

pub fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for (how, echo) in encodings(VALUE) {
        // Before the middle there may be a user name or other bytes that are not secret.
        let middle = echo.char_indices().nth(echo.chars().count() / 2).map_or(0, |(at, _)| at);
        let at_the_end = format!("{}{echo}>", "a".repeat(MAX_PREVIEW_BYTES - middle));
        let mut scripts = vec![
            ("a body", Script::status(200).body(format!("<{echo}>"))),
            ("a failure", Script::status(500).body(format!("<{echo}>"))),
            ("a body, across the end of the preview", Script::status(200).body(at_the_end)),
        ];
        if echo.bytes().all(|byte| (b' '..=b'~').contains(&byte)) {
            let headers = ["x-echo", "location", "set-cookie"];
            scripts.extend(headers.map(|header| (header, Script::status(302).header(header, &echo))));
        }
        let piece: String =
            echo[..middle].chars().rev().take(6).collect::<Vec<_>>().into_iter().rev().collect();
        for (place, script) in scripts {
            let piece = piece.clone();
            cases.push(Case::dialling(Suite::Secrets, format!("echoed {how} in {place}"), move |system| {
                echoed(system, script.clone(), piece.clone())
            }));
        }
    }
    cases
}

/// Nothing that is stored contains this piece of the value, and there is a mask.
async fn echoed(system: Arc<System>, script: Script, piece: String) -> anyhow::Result<()> {
    let secret = store(&system, VALUE).await?;
    let path = format!("/echo/{}", system.number());
    system.targets()?.plain.respond(&path, script);
    let ended = system.run(with_secret(&path, &secret)).await?;
    let hits = system.targets()?.plain.hits();
    let sent = hits.iter().find(|hit| hit.path == path).and_then(|hit| hit.header("authorization"));
    ensure!(sent == Some(&format!("Bearer {VALUE}")), "{sent:?} was sent");
    let id: ExecutionId =
        text(&ended["id"])?.parse().map_err(|_| anyhow::anyhow!("{} is not an id", ended["id"]))?;
    let stored =
        "select body_preview, response_headers || coalesce(error, '') from attempts where execution_id = $1";
    let stored = system.sql().await?.query_one(stored, &[&id.uuid()]).await?;
    let mut all: Vec<u8> = stored.get(0);
    all.extend(stored.get::<_, String>(1).as_bytes());
    all.extend(ended.to_string().as_bytes());
    let all = String::from_utf8_lossy(&all);
    ensure!(
        !all.contains(&piece),
        "{piece} was stored, of {:.500}",
        ended["attempts"][0]["response_headers"]
    );
    // At the end of the preview there is room for one character of it.
    ensure!(all.contains('•'), "there is no mask");
    Ok(())
}
