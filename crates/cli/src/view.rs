//! An execution with its attempts, for people.

use std::fmt::Write;

use crate::{
    exit::{BOLD, DIM},
    rows::{AttemptRow, ExecutionRow, Timing, style_of},
    table::one_line,
    times::{Clock, milliseconds},
};

const BAR_WIDTH: f64 = 30.0;
/// What is shown of a body unless all of it is asked for.
const MAX_SHOWN_BODY_BYTES: usize = 2048;

/// What is shown of the attempts.
#[derive(Clone, Copy)]
pub struct Detail {
    pub headers: bool,
    /// The whole preview of the body instead of its first 2 KiB.
    pub whole_body: bool,
}

/// The text for a terminal or, as it has no other form, for a file.
pub fn execution(row: &ExecutionRow, clock: &Clock, detail: Detail) -> String {
    let mut text = String::new();
    let style = style_of(&row.status);
    let time = |at: Option<jiff::Timestamp>| at.map(|at| clock.show(at));
    let _ = writeln!(text, "{BOLD}{}{BOLD:#}  {style}{}{style:#}", row.id, row.status);
    for (name, value) in [
        ("job", Some(format!("{} ({}), version {}", row.job_name, row.job_id, row.job_version))),
        ("source", Some(row.source.clone())),
        ("replay of", row.replay_of.clone()),
        ("scheduled", time(row.scheduled_for)),
        ("started", time(row.started_at)),
        ("finished", time(row.finished_at)),
        ("next attempt", time(row.next_attempt_at)),
        ("waits for", row.waiting_for.clone()),
        ("lateness", row.lateness_ms.map(milliseconds)),
        ("duration", row.duration_ms.map(milliseconds)),
        ("error", row.error.clone()),
        ("error class", row.error_class.clone()),
    ] {
        if let Some(value) = value {
            let _ = writeln!(text, "  {name:<12}  {}", one_line(&value));
        }
    }
    for attempt in &row.attempts {
        text.push_str(&self::attempt(attempt, detail));
    }
    text
}

/// The only attempt of a test, with what the target said.
pub fn attempt_of_test(attempt: &AttemptRow) -> String {
    self::attempt(attempt, Detail { headers: true, whole_body: false })
}

fn attempt(attempt: &AttemptRow, detail: Detail) -> String {
    let mut text = String::new();
    let style = style_of(&attempt.status);
    let code = attempt.status_code.map_or_else(String::new, |code| format!(" {code}"));
    let by: Vec<&str> =
        [&attempt.http_version, &attempt.remote_address].into_iter().flatten().map(String::as_str).collect();
    let _ = writeln!(
        text,
        "\n{BOLD}Attempt {}{BOLD:#}  {style}{}{code}{style:#}  {DIM}{}{DIM:#}",
        attempt.number,
        attempt.status,
        by.join(" ")
    );
    if let Some(error) = &attempt.error {
        let _ = writeln!(text, "  {}", one_line(error));
    }
    text.push_str(&phases(&attempt.timing));
    if detail.headers {
        for header in &attempt.response_headers {
            let _ = writeln!(text, "  {DIM}{}:{DIM:#} {}", one_line(&header.name), one_line(&header.value));
        }
    }
    text.push_str(&body(attempt, detail.whole_body));
    text
}

/// Each phase as a bar that begins where the previous one ends.
fn phases(timing: &Timing) -> String {
    let mut text = String::new();
    let mut before = 0.0;
    let total = timing.total_ms.max(f64::MIN_POSITIVE);
    for (name, duration) in [
        ("dns", timing.dns_ms),
        ("connect", timing.connect_ms),
        ("tls", timing.tls_ms),
        ("first byte", timing.first_byte_ms),
        ("body", timing.body_ms),
    ] {
        let Some(duration) = duration else { continue };
        let (start, width) = (chars(before / total), chars(duration / total).max(1));
        let _ = writeln!(
            text,
            "  {name:<12}  {:>9}  {}{}",
            milliseconds(duration),
            " ".repeat(start),
            "▆".repeat(width)
        );
        before += duration;
    }
    let _ = writeln!(text, "  {:<12}  {:>9}", "total", milliseconds(timing.total_ms));
    text
}

#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "between 0 and the width of the bar"
)]
fn chars(share: f64) -> usize {
    (share.clamp(0.0, 1.0) * BAR_WIDTH).round() as usize
}

fn body(attempt: &AttemptRow, is_whole: bool) -> String {
    if attempt.body_preview.is_empty() {
        return String::new();
    }
    if attempt.body_encoding != "utf-8" && !attempt.body_encoding.is_empty() {
        return format!("  {DIM}body of {} bytes that is not text{DIM:#}\n", attempt.response_bytes);
    }
    let shown = if is_whole {
        attempt.body_preview.len()
    } else {
        MAX_SHOWN_BODY_BYTES.min(attempt.body_preview.len())
    };
    let end = (0..=shown).rev().find(|end| attempt.body_preview.is_char_boundary(*end)).unwrap_or(0);
    // A body comes from elsewhere: its control characters do not reach the terminal.
    let safe = attempt.body_preview[..end].replace(|c: char| c.is_control() && c != '\n' && c != '\t', "�");
    let mut text = format!("\n{safe}");
    if !text.ends_with('\n') {
        text.push('\n');
    }
    if end < attempt.body_preview.len() || attempt.body_truncated {
        let _ = writeln!(text, "{DIM}… of {} bytes{DIM:#}", attempt.response_bytes);
    }
    text
}
