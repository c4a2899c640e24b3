//! The text of a notification: a title that says everything, and a few lines of detail.

use chrono::SecondsFormat;
use trigrun_core::{domain::notification::Told, store::notifications::ClaimedNotification};

pub struct Message {
    pub title: String,
    pub lines: Vec<String>,
}

impl Message {
    pub fn new(delivery: &ClaimedNotification) -> Self {
        let Some(subject) = delivery.subject.as_ref().filter(|_| delivery.told != Told::Test) else {
            return Self {
                title: format!("Test of the channel {}", delivery.channel_name),
                lines: vec!["If you can read this, notifications from TrigRun arrive here.".into()],
            };
        };
        let (job, failures) = (&subject.job_name, subject.failures);
        let title = match delivery.told {
            Told::Failed if failures > 1 => format!("{job} failed, {failures} times in a row"),
            Told::Failed => format!("{job} failed"),
            Told::Recovered if failures > 1 => format!("{job} recovered after {failures} failures"),
            Told::Recovered => format!("{job} recovered"),
            Told::Succeeded | Told::Test => format!("{job} succeeded"),
        };
        let mut lines = Vec::new();
        if delivery.told == Told::Failed {
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
