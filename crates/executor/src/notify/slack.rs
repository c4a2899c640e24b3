//! Slack's incoming webhooks, and what speaks like them: <https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks>.

use serde_json::json;

use super::{json as send, message::Message};
use crate::egress::Call;

pub fn call(message: &Message) -> Call {
    let text = format!("*{}*\n{}", escape(&message.title), escape(&message.text()));
    send(http::HeaderMap::new(), json!({ "text": text }).to_string().into_bytes())
}

/// So that no name of a job can mention people or hide a link ("Formatting text": these three, and no others).
fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_cannot_call_the_whole_channel() {
        let message = Message { title: "<!channel> & co failed".into(), lines: vec!["a".into(), "b".into()] };
        assert_eq!(&call(&message).body[..], br#"{"text":"*&lt;!channel&gt; &amp; co failed*\na\nb"}"#);
    }
}
