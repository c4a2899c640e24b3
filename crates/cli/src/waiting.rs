//! Waiting for the end of an execution, with a line that says how it stands.

use indicatif::{ProgressBar, ProgressStyle};
use std::time::{Duration, Instant};
use trigrun_client::Call;

use crate::{
    context::Context,
    exit::{Exit, Failure, OrFail},
    path::segment,
    rows::{ExecutionRow, style_of},
    table::one_line,
    times,
};

/// The longest that the server waits.
pub const MAX_WAIT: Duration = Duration::from_secs(25);
/// A server with too many waiting requests answers at once.
pub const MIN_INTERVAL: Duration = Duration::from_millis(500);
/// What is shorter needs no progress.
const PROGRESS_DELAY: Duration = Duration::from_millis(400);

/// An execution, and the response that describes it.
pub struct Ended {
    pub row: ExecutionRow,
    pub json: String,
}

impl Ended {
    /// The exit code of a command that waited.
    pub fn exit(&self) -> Exit {
        match (self.row.finished_at, self.row.status.as_str()) {
            (None, _) => Exit::RunNotEnded,
            (_, "succeeded") => Exit::Done,
            _ => Exit::RunFailed,
        }
    }

    /// Says on standard error how it ended.
    pub fn tell(&self, context: &Context) {
        let style = style_of(&self.row.status);
        let duration =
            self.row.duration_ms.map_or_else(String::new, |ms| format!(" after {}", times::milliseconds(ms)));
        if self.row.finished_at.is_none() {
            context.output.note(&format!("{} has not ended: {}", self.row.id, self.row.status));
            return;
        }
        let code = self.row.status_code.map_or_else(String::new, |code| format!(" with {code}"));
        context.output.note(&format!("{style}{}{style:#}{code}{duration}", self.row.status));
        if let Some(error) = &self.row.error {
            context.output.note(&one_line(error));
        }
    }
}

/// Waits until the execution has ended, or for so long.
pub async fn for_end(context: &Context, id: &str, timeout: Duration) -> Result<Ended, Failure> {
    let progress = Progress::new(context);
    let deadline = Instant::now() + timeout;
    loop {
        let start = Instant::now();
        let wait = deadline.saturating_duration_since(start).min(MAX_WAIT);
        // Less than a second, so that a line that is shown stays true.
        let wait = if progress.is_shown() { wait.min(Duration::from_secs(1)) } else { wait };
        let seconds = wait.as_secs().max(u64::from(!wait.is_zero()));
        let path = format!("/v1/executions/{}", segment(id));
        let call = Call::get(path).query("wait", &seconds.to_string()).waits(MAX_WAIT);
        let answer = context.call("the execution cannot be read", call).await?;
        let row: ExecutionRow = answer.json().or_fail("the execution cannot be read")?;
        if row.finished_at.is_some() || Instant::now() >= deadline {
            return Ok(Ended { row, json: answer.text });
        }
        progress.show(context, &row);
        let pause = MIN_INTERVAL.saturating_sub(start.elapsed());
        tokio::time::sleep(pause.min(deadline.saturating_duration_since(Instant::now()))).await;
    }
}

/// A line on the terminal, which disappears at the end.
struct Progress {
    bar: Option<ProgressBar>,
    start: Instant,
}

impl Progress {
    fn new(context: &Context) -> Self {
        let is_shown = console::user_attended_stderr() && !context.output.is_quiet;
        let bar = is_shown.then(|| {
            let style = ProgressStyle::with_template("{spinner} {msg}")
                .unwrap_or_else(|_| ProgressStyle::default_spinner());
            ProgressBar::new_spinner().with_style(style)
        });
        Self { bar, start: Instant::now() }
    }

    const fn is_shown(&self) -> bool {
        self.bar.is_some()
    }

    fn show(&self, context: &Context, row: &ExecutionRow) {
        let Some(bar) = self.bar.as_ref().filter(|_| self.start.elapsed() >= PROGRESS_DELAY) else { return };
        let next = match (row.next_attempt_at, context.client.server_now()) {
            (Some(at), Some(now)) => {
                format!(", attempt {} {}", row.attempt_count + 1, context.output.clock(now).show(at))
            }
            _ => String::new(),
        };
        let waits = row.waiting_for.as_ref().map_or_else(String::new, |what| format!(", waits for {what}"));
        bar.set_message(format!("{} {}{next}{waits}", row.id, row.status));
        bar.tick();
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
