//! The text of a notification: a title that says everything, and a few lines of detail.
//!
//! An e-mail may reach a person who never asked for it, from the operator's address. So its subject has no text of the workspace, and what
//! its body has of it makes no links.

use chrono::SecondsFormat;
use trigrun_core::{domain::notification::NotificationEvent, store::notifications::ClaimedNotification};

pub struct Message {
    /// Without a word of the workspace's.
    pub subject: String,
    pub title: String,
    pub lines: Vec<String>,
}

impl Message {
    pub fn new(delivery: &ClaimedNotification) -> Self {
        let Some(subject) = delivery.subject.as_ref().filter(|_| delivery.event != NotificationEvent::Test)
        else {
            return Self {
                subject: "TrigRun: test of a notification channel".into(),
                title: format!("Test of the channel {}", delivery.channel_name),
                lines: vec!["If you can read this, notifications from TrigRun arrive here.".into()],
            };
        };
        let (job, failures) = (&subject.job_name, subject.failures);
        let what = match delivery.event {
            NotificationEvent::Failed if failures > 1 => format!("failed, {failures} times in a row"),
            NotificationEvent::Failed => "failed".into(),
            NotificationEvent::Recovered if failures > 1 => format!("recovered after {failures} failures"),
            NotificationEvent::Recovered => "recovered".into(),
            NotificationEvent::Succeeded | NotificationEvent::Test => "succeeded".into(),
        };
        let mut lines = Vec::new();
        if delivery.event == NotificationEvent::Failed {
            lines.extend(subject.error.clone());
        }
        let due = subject.scheduled_for.to_rfc3339_opts(SecondsFormat::Secs, true);
        let attempts = if subject.attempt_count == 1 { "attempt" } else { "attempts" };
        lines.push(format!("Scheduled for {due}, {} {attempts}.", subject.attempt_count));
        lines.push(format!("Execution {} of job {}", subject.execution, subject.job));
        Self { subject: format!("TrigRun: a job {what}"), title: format!("{job} {what}"), lines }
    }

    pub fn text(&self) -> String {
        self.lines.join("\n")
    }

    /// The body of an e-mail.
    pub fn mail_text(&self) -> String {
        without_links(&format!("{}\n\n{}\n", self.title, self.text()))
    }
}

/// `https://example.com` reads `https[:]//example[.]com`: mail programs make links of names and URLs in plain text. Other punctuation stays.
fn without_links(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    let mut rest = text.chars().peekable();
    while let Some(character) = rest.next() {
        let next = rest.peek().copied().unwrap_or(' ');
        match character {
            // UTS #46: the others are full stops in host names too.
            '.' | '\u{3002}' | '\u{ff0e}' | '\u{ff61}' if !next.is_whitespace() => safe.push_str("[.]"),
            ':' if next == '/' || next.is_alphabetic() => safe.push_str("[:]"),
            '@' => safe.push_str("[@]"),
            other => safe.push(other),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::without_links;

    #[test]
    fn text_of_the_workspace_makes_no_links() {
        for (text, safe) in [
            ("pay at https://evil.example/now", "pay at https[:]//evil[.]example/now"),
            ("www.evil.example", "www[.]evil[.]example"),
            ("evil\u{3002}example", "evil[.]example"),
            ("mail a@b.c", "mail a[@]b[.]c"),
            ("tel:123, mailto:a", "tel:123, mailto[:]a"),
            (
                "Scheduled for 2026-11-29T08:00:00Z, 1 attempt.",
                "Scheduled for 2026-11-29T08:00:00Z, 1 attempt.",
            ),
            ("nightly report failed\n\nIt timed out.\n", "nightly report failed\n\nIt timed out.\n"),
        ] {
            assert_eq!(without_links(text), safe);
        }
    }
}
