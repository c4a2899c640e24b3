//! The options that every command has.

use clap::{Args, ValueEnum};

use crate::times;

#[derive(Args)]
#[command(next_help_heading = "Global options")]
pub struct Globals {
    /// How to print data
    #[arg(short, long, global = true, value_enum, default_value = "table", value_name = "FORMAT")]
    pub output: Format,
    /// The profile to use; see `trigrun login`
    #[arg(long, global = true, value_name = "NAME")]
    pub profile: Option<String>,
    /// The address of the server, instead of TRIGRUN_URL or that of the profile
    #[arg(long, global = true, value_name = "URL")]
    pub server: Option<String>,
    /// The id of the workspace, for sessions of users with several
    #[arg(long, global = true, value_name = "ID")]
    pub workspace: Option<String>,
    /// Show times in UTC instead of local time
    #[arg(long, global = true)]
    pub utc: bool,
    /// When to use colours
    #[arg(long, global = true, value_enum, default_value = "auto", value_name = "WHEN")]
    pub color: Color,
    /// Print data and errors only
    #[arg(short, long, global = true)]
    pub quiet: bool,
    /// Print each request on standard error
    #[arg(short, long, global = true)]
    pub verbose: bool,
    /// Never ask
    #[arg(long, global = true)]
    pub no_input: bool,
    /// How long to wait for a response
    #[arg(long, global = true, value_parser = times::seconds, default_value = "30s", value_name = "DURATION")]
    pub request_timeout: u64,
    /// Do not send a request again
    #[arg(long, global = true)]
    pub no_retry: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// Columns; without a terminal, separated by tabs and without a header
    Table,
    /// The response of the API; a list as one array
    Json,
    /// The same data as YAML
    Yaml,
    /// One line of JSON for each item
    Ndjson,
    /// Only the ids or keys
    Id,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Color {
    Auto,
    Always,
    Never,
}

impl Color {
    /// Applies the choice to everything that the program prints.
    pub fn apply(self) {
        let choice = match self {
            Self::Auto => anstream::ColorChoice::Auto,
            Self::Always => anstream::ColorChoice::Always,
            Self::Never => anstream::ColorChoice::Never,
        };
        choice.write_global();
    }
}
