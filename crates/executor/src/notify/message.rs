//! The text of a notification: a title that says everything, and a few lines of detail.

use chrono::SecondsFormat;
use trigrun_core::{domain::notification::NotificationEvent, store::notifications::ClaimedNotification};

pub struct Message {
    pub title: String,
    pub lines: Vec<String>,
}

impl Message {
    pub fn new(delivery: &ClaimedNotification) -> Self {
        let Some(subject) = delivery.subject.as_ref().filter(|_| delivery.event != NotificationEvent::Test)
        else {
            return Self {
                title: format!("Test of the channel {}", delivery.channel_name),
                lines: vec!["If you can read this, notifications from TrigRun arrive here.".into()],
            };
        };
        let (job, failures) = (&subject.job_name, subject.failures);
        let title = match delivery.event {
            NotificationEvent::Failed if failures > 1 => format!("{job} failed, {failures} times in a row"),
            NotificationEvent::Failed => format!("{job} failed"),
            NotificationEvent::Recovered if failures > 1 => {
                format!("{job} recovered after {failures} failures")
            }
            NotificationEvent::Recovered => format!("{job} recovered"),
            NotificationEvent::Succeeded | NotificationEvent::Test => format!("{job} succeeded"),
        };
        let mut lines = Vec::new();
        if delivery.event == NotificationEvent::Failed {
            lines.extend(subject.error.clone());
        }
        let due = subject.scheduled_for.to_rfc3339_opts(SecondsFormat::Secs, true);
        let attempts = if subject.attempt_count == 1 { "attempt" } else { "attempts" };
        lines.push(format!("Scheduled for {due}, {} {attempts}.", subject.attempt_count));
        lines.push(format!("Execution {} of job {}", subject.execution, subject.job));
        Self { title, lines }
    }

    pub fn text(&self) -> String {
        self.lines.join("\n")
    }
}
