//! `trigrun`

use std::process::ExitCode;

fn main() -> ExitCode {
    trigrun_cli::run()
}
