//! Discord's webhooks: <https://discord.com/developers/docs/resources/webhook#execute-webhook>.

use chrono::{DateTime, Utc};
use serde_json::json;

use super::{json as send, message::Message};
use crate::egress::{Call, HeaderLines};

/// Discord's limit for a message.
const MAX_CONTENT_CHARS: usize = 2000;
/// A flag of messages.
const SUPPRESS_EMBEDS: u32 = 1 << 2;

/// Names cannot mention users: `allowed_mentions` is empty. Markdown in them is escaped, and links show no preview.
pub fn call(message: &Message, at: DateTime<Utc>) -> Call {
    let content: String = format!("**{}**\n{}", escape(&message.title), escape(&message.text()))
        .chars()
        .take(MAX_CONTENT_CHARS)
        .collect();
    let body = json!({ "content": content, "allowed_mentions": { "parse": [] }, "flags": SUPPRESS_EMBEDS });
    send(HeaderLines::new(), body.to_string().into_bytes(), at)
}

fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        if r"\*_~`|>[]()<#".contains(character) {
            escaped.push('\\');
        }
        escaped.push(character);
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_and_without_mentions() {
        let message =
            Message { subject: String::new(), title: "@everyone".into(), lines: vec!["ü".repeat(3000)] };
        let body: serde_json::Value =
            serde_json::from_slice(&call(&message, DateTime::UNIX_EPOCH).body).unwrap();
        assert_eq!(body["allowed_mentions"]["parse"], json!([]));
        assert_eq!(body["content"].as_str().unwrap().chars().count(), MAX_CONTENT_CHARS);
        let link =
            Message { subject: String::new(), title: "[Reset](https://example.com)".into(), lines: vec![] };
        let body: serde_json::Value =
            serde_json::from_slice(&call(&link, DateTime::UNIX_EPOCH).body).unwrap();
        assert_eq!(body["content"], "**\\[Reset\\]\\(https://example.com\\)**\n");
    }
}
