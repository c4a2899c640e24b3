//! Questions to the user, on the terminal.

use console::Term;
use std::io::{IsTerminal, Read};

use crate::exit::Failure;

/// Whether there is a user who can answer.
pub fn is_interactive(no_input: bool) -> bool {
    !no_input && std::io::stdin().is_terminal() && std::io::stderr().is_terminal()
}

/// Asks for a line.
pub fn line(question: &str) -> Result<String, Failure> {
    let term = Term::stderr();
    term.write_str(&format!("{question}: "))?;
    Ok(term.read_line()?.trim().to_owned())
}

/// Asks for a text that is not shown.
pub fn hidden(question: &str) -> Result<String, Failure> {
    let term = Term::stderr();
    term.write_str(&format!("{question}: "))?;
    Ok(term.read_secure_line()?)
}

/// Asks a question whose answer is no unless the user says yes.
pub fn confirm(question: &str) -> Result<bool, Failure> {
    let answer = line(&format!("{question} [y/N]"))?;
    Ok(matches!(answer.to_ascii_lowercase().as_str(), "y" | "yes"))
}

/// Asks before something that cannot be undone. Without a user, the command needs `--yes`.
pub fn confirm_or_yes(question: &str, yes: bool, no_input: bool) -> Result<(), Failure> {
    if yes {
        return Ok(());
    }
    if !is_interactive(no_input) {
        return Err(
            Failure::new("this needs a confirmation, and there is no terminal to ask on").line("Add --yes.")
        );
    }
    if confirm(question)? { Ok(()) } else { Err(Failure::new("nothing was changed")) }
}

/// All of standard input, which is UTF-8.
pub fn stdin() -> Result<String, Failure> {
    let mut text = String::new();
    std::io::stdin()
        .read_to_string(&mut text)
        .map_err(|error| Failure::new(format!("cannot read standard input: {error}")))?;
    Ok(text)
}

/// The content of a file; `-` is standard input.
pub fn file_or_stdin(path: &str) -> Result<String, Failure> {
    if path == "-" {
        return stdin();
    }
    std::fs::read_to_string(path).map_err(|error| Failure::new(format!("cannot read {path}: {error}")))
}
