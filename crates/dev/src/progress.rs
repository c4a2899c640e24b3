//! The progress of the demo: on a terminal, one line per job with a countdown; elsewhere, plain lines on stdout.

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use std::time::{Duration, Instant};

/// Between two plain lines that say what the demo waits for.
const REPORT_INTERVAL: Duration = Duration::from_secs(10);

pub struct Progress {
    terminal: MultiProgress,
    jobs: Vec<Job>,
    reported_at: Instant,
}

struct Job {
    label: String,
    due_at: Instant,
    bar: ProgressBar,
}

impl Progress {
    pub fn new() -> Self {
        Self { terminal: MultiProgress::new(), jobs: Vec::new(), reported_at: Instant::now() }
    }

    /// Adds a job whose first run is due at `due_at`.
    pub fn add(&mut self, label: String, due_at: Instant) {
        let style = ProgressStyle::with_template("{prefix}  {msg}");
        let bar = ProgressBar::new_spinner()
            .with_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()))
            .with_prefix(label.clone());
        let bar = self.terminal.add(bar);
        let job = Job { label, due_at, bar };
        job.bar.set_message(job.countdown());
        if self.is_plain() {
            println!("{}  {}", job.label, job.countdown());
        }
        self.jobs.push(job);
    }

    /// Updates the countdowns.
    pub fn tick(&mut self) {
        let waiting = self.jobs.iter().filter(|job| !job.bar.is_finished());
        if !self.is_plain() {
            waiting.for_each(|job| job.bar.set_message(job.countdown()));
        } else if self.reported_at.elapsed() >= REPORT_INTERVAL {
            self.reported_at = Instant::now();
            let ended = self.jobs.iter().filter(|job| job.bar.is_finished()).count();
            let next = waiting.min_by_key(|job| job.due_at).map_or_else(String::new, Job::countdown);
            println!("{ended} of {} jobs have run; the next {next}", self.jobs.len());
        }
    }

    /// Replaces the countdown of the job that was added as number `index` by its result.
    pub fn end(&self, index: usize, result: &str) {
        let job = &self.jobs[index];
        if self.is_plain() {
            println!("{}  {result}", job.label);
        }
        job.bar.finish_with_message(result.to_owned());
    }

    fn is_plain(&self) -> bool {
        self.terminal.is_hidden()
    }
}

impl Job {
    fn countdown(&self) -> String {
        match self.due_at.saturating_duration_since(Instant::now()).as_secs_f64().ceil() {
            0.0 => "is running".to_owned(),
            seconds => format!("runs in {seconds} s"),
        }
    }
}
