//! Values that are credentials: from a file, a variable, a hidden prompt or standard input, never from an argument.

use clap::Args;

use crate::{environment, exit::Failure, prompt};

#[derive(Args)]
pub struct Source {
    /// Take the value from this environment variable
    #[arg(long, value_name = "VARIABLE", conflicts_with = "from_file")]
    from_env: Option<String>,
    /// Take the value from this file, without the line feed at its end
    #[arg(long, value_name = "FILE")]
    from_file: Option<String>,
}

impl Source {
    /// The value. Without options, asks for it, or reads it from standard input.
    pub fn read(&self, question: &str, no_input: bool) -> Result<String, Failure> {
        let value = match (&self.from_env, &self.from_file) {
            (Some(name), _) => environment::variable(name).ok_or_else(|| {
                Failure::new(format!("the environment variable {name} is not set, or empty"))
            })?,
            (None, Some(path)) => prompt::file_or_stdin(path)?,
            (None, None) if prompt::is_interactive(no_input) => prompt::hidden(question)?,
            (None, None) => prompt::stdin()?,
        };
        let value = value.strip_suffix('\n').unwrap_or(&value);
        let value = value.strip_suffix('\r').unwrap_or(value);
        if value.is_empty() { Err(Failure::new("the value is empty")) } else { Ok(value.to_owned()) }
    }
}
