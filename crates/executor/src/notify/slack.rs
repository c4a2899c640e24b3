//! Slack's incoming webhooks, and what speaks like them: <https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks>.

use serde_json::json;

use super::{json as send, message::Message};
use crate::egress::Call;

pub fn call(message: &Message) -> Call {
    let text = format!("*{}*\n{}", escape(&message.title), escape(&message.text()));
    send(http::HeaderMap::new(), json!({ "text": text }).to_string().into_bytes())
}

/// So that no name of a job can mention people or hide a link ("Formatting text": these three, and no others). What merely speaks like
/// Slack may take a plain `@channel` for a mention: a space of no width keeps it from that.
fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('@', "@\u{200b}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_cannot_call_the_whole_channel() {
        let message =
            Message { title: "<!channel> & @all failed".into(), lines: vec!["a".into(), "b".into()] };
        let body: serde_json::Value = serde_json::from_slice(&call(&message).body).unwrap();
        assert_eq!(body["text"], "*&lt;!channel&gt; &amp; @\u{200b}all failed*\na\nb");
    }
}
