//! Who gives a command, and why: for the audit log of the operators.

use chrono::{DateTime, Utc};
use clap::Args;
use trigrun_core::domain::operator::{self, OperatorAuthor};

#[derive(Args)]
pub struct ByArguments {
    /// Why, for the audit log of the operators
    #[arg(long, value_parser = operator::reason)]
    reason: String,
    #[command(flatten)]
    operator: NameArguments,
}

impl ByArguments {
    pub fn author(self, now: DateTime<Utc>) -> OperatorAuthor {
        self.operator.because(self.reason, now)
    }
}

/// For commands that create something, which is reason enough.
#[derive(Args)]
pub struct NameArguments {
    /// Your name, for the audit log of the operators
    #[arg(long = "by", env = "TRIGRUN_OPERATOR", default_value = "command line", value_parser = operator::name)]
    operator: String,
}

impl NameArguments {
    pub fn author(self, now: DateTime<Utc>) -> OperatorAuthor {
        self.because("created by a command".to_owned(), now)
    }

    fn because(self, reason: String, now: DateTime<Utc>) -> OperatorAuthor {
        OperatorAuthor {
            operator_id: None,
            operator: self.operator,
            reason,
            at: now,
            request_id: None,
            address: None,
        }
    }
}
