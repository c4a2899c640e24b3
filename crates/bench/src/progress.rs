//! Progress on stderr: a bar on a terminal, otherwise lines.

use indicatif::{ProgressBar, ProgressStyle};

pub struct Progress {
    bar: ProgressBar,
}

impl Progress {
    pub fn new(measurements: usize) -> Self {
        let style = ProgressStyle::with_template("[{elapsed_precise}] {wide_bar} {pos}/{len} {msg}");
        let bar = ProgressBar::new(measurements as u64)
            .with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        Self { bar }
    }

    pub fn begin(&self, name: &str) {
        self.bar.set_message(name.to_owned());
        self.bar.tick();
        if self.bar.is_hidden() {
            eprintln!("{name}");
        }
    }

    /// Runs that have arrived in the current measurement.
    pub fn arrived(&self, name: &str, count: usize, wanted: usize) {
        self.bar.set_message(format!("{name}: {count} of {wanted}"));
    }

    /// Prints a line that remains.
    pub fn say(&self, line: &str) {
        if self.bar.is_hidden() { eprintln!("  {line}") } else { self.bar.println(line) }
    }

    /// Ends a measurement.
    pub fn done(&self) {
        self.bar.inc(1);
    }

    pub fn end(&self) {
        self.bar.finish_and_clear();
    }
}
