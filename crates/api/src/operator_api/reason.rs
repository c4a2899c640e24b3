//! Why an operator does something: in the body of a request, or in its query if it has none.

use serde::Deserialize;
use trigrun_core::domain::{
    invalid::{Checked, FieldErrors},
    operator,
};
use utoipa::ToSchema;

use crate::{
    extract::{
        body::{JsonText, required},
        query::{Parameters, query},
    },
    result::ApiResult,
};

/// Why an operator does something.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
#[schema(as = ReasonInput)]
pub struct ReasonBody {
    /// For the audit log of the operators: a line.
    #[schema(required, min_length = 1, max_length = 500, example = "unpaid since October")]
    reason: Option<String>,
}

impl ReasonBody {
    pub async fn read(text: JsonText) -> ApiResult<String> {
        let mut errors = FieldErrors::default();
        let Self { reason } = text.read(&mut errors).await?;
        let reason = check_reason(&mut errors, reason);
        Ok(errors.finish(reason)?)
    }
}

pub fn check_reason(errors: &mut FieldErrors, reason: Option<String>) -> Checked<String> {
    required(errors, "/reason", reason).and_then(|reason| errors.take("/reason", operator::reason(&reason)))
}

query! {
    /// Of an operation without a body.
    pub struct Because {
        /// Why, for the audit log of the operators: a line.
        #[param(min_length = 1, max_length = 500)]
        pub reason: String = Parameters::reason,
    }
}
