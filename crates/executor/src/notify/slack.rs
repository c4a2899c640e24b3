//! Slack's incoming webhooks, and compatible ones: <https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks>.

use chrono::{DateTime, Utc};
use serde_json::json;

use super::{json as send, message::Message};
use crate::egress::{Call, HeaderLines};

pub fn call(message: &Message, at: DateTime<Utc>) -> Call {
    let text = format!("*{}*\n{}", escape(&message.title), escape(&message.text()));
    send(HeaderLines::new(), json!({ "text": text }).to_string().into_bytes(), at)
}

/// No name of a job can mention users or hide a link ("Formatting text": these three characters, and no others). Compatible
/// services may read a plain `@channel` as a mention; a zero-width space prevents it.
fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('@', "@\u{200b}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_cannot_mention_the_whole_channel() {
        let message = Message {
            subject: String::new(),
            title: "<!channel> & @all failed".into(),
            lines: vec!["a".into(), "b".into()],
        };
        let body: serde_json::Value =
            serde_json::from_slice(&call(&message, DateTime::UNIX_EPOCH).body).unwrap();
        assert_eq!(body["text"], "*&lt;!channel&gt; &amp; @\u{200b}all failed*\na\nb");
    }
}
