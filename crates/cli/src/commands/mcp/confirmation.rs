//! Confirmations: a change happens only if the caller names the plan that it has seen.
//!
//! Nothing is kept between two calls. A confirmation is the time of the plan with a digest of what the plan is about; the second call computes
//! the plan again and compares.

use ring::digest::{SHA256, digest};
use serde_json::{Value, json};
use std::fmt::Write;

use super::Tool;
use crate::{
    context::Context,
    exit::{Failure, OrFail},
};

/// How long a plan can be confirmed.
const MAX_AGE_SECONDS: i64 = 900;
/// Of the digest. It guards against mistakes, not against an attacker, who could compute it.
const DIGEST_BYTES: usize = 8;

/// What a tool would do.
pub struct Plan {
    /// What the user is shown.
    pub shown: Value,
    /// What must be the same when the plan is confirmed: the arguments, and the versions of what they are about.
    pub basis: Value,
}

pub enum Decision {
    /// Nothing happens: this is the answer.
    Planned(Value),
    /// The caller has seen the plan. The confirmation is also its idempotency key.
    Confirmed(String),
}

impl Plan {
    pub async fn decide(
        self,
        context: &Context,
        tool: Tool,
        confirm: Option<String>,
    ) -> Result<Decision, Failure> {
        let now = context.client.now().await.or_fail("the plan cannot be made")?.as_second();
        let reason = match confirm {
            Some(confirm) if self.is_meant_by(&confirm, tool, now) => {
                return Ok(Decision::Confirmed(confirm));
            }
            Some(_) => {
                "Nothing has changed: the plan is another than the confirmed one, or older than 15 minutes."
            }
            None => "Nothing has changed.",
        };
        let confirm = self.confirmation(tool, now);
        let next = format!(
            "{reason} Show the plan to the user, and call {} again with `confirm` to do it.",
            tool.name()
        );
        Ok(Decision::Planned(json!({ "done": false, "next": next, "plan": self.shown, "confirm": confirm })))
    }

    fn is_meant_by(&self, confirm: &str, tool: Tool, now: i64) -> bool {
        let at = confirm.split_once('-').and_then(|(at, _)| i64::from_str_radix(at, 16).ok());
        at.is_some_and(|at| {
            (0..=MAX_AGE_SECONDS).contains(&now.saturating_sub(at)) && self.confirmation(tool, at) == confirm
        })
    }

    fn confirmation(&self, tool: Tool, at: i64) -> String {
        let text = format!("{at}\n{}\n{}", tool.name(), self.basis);
        let digest = digest(&SHA256, text.as_bytes());
        let mut confirm = format!("{at:x}-");
        for byte in digest.as_ref().iter().take(DIGEST_BYTES) {
            // It only fails without memory.
            let _ = write!(confirm, "{byte:02x}");
        }
        confirm
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(version: u32) -> Plan {
        Plan { shown: Value::Null, basis: json!({ "job": "a", "version": version }) }
    }

    #[test]
    fn a_confirmation_is_of_one_plan_one_tool_and_fifteen_minutes() {
        let confirm = plan(1).confirmation(Tool::RunJob, 1_700_000_000);
        let is_good = |plan: Plan, tool, now| plan.is_meant_by(&confirm, tool, now);
        assert!(is_good(plan(1), Tool::RunJob, 1_700_000_000));
        assert!(is_good(plan(1), Tool::RunJob, 1_700_000_900));
        assert!(!is_good(plan(1), Tool::RunJob, 1_700_000_901), "too old");
        assert!(!is_good(plan(1), Tool::RunJob, 1_699_999_999), "from the future");
        assert!(!is_good(plan(2), Tool::RunJob, 1_700_000_000), "another version");
        assert!(!is_good(plan(1), Tool::SetJobState, 1_700_000_000), "another tool");
        for wrong in ["", "-", "zz-00", "ffffffffffffffffffff-00", &confirm[1..]] {
            assert!(!plan(1).is_meant_by(wrong, Tool::RunJob, 1_700_000_000), "{wrong}");
        }
    }
}
