//! Fields that the server sets. A client may send a thing back as it has received it: then they say nothing new.

use chrono::{DateTime, FixedOffset};
use serde::Serialize;
use serde_json::Value;
use trigrun_core::domain::invalid::{FieldErrors, Invalid};

use super::body::JsonText;

/// The read-only fields of a thing.
#[derive(Clone, Copy)]
pub struct ReadOnly {
    /// A change may repeat them.
    pub fixed: &'static [&'static str],
    /// They change by themselves, so a change may also have an earlier value.
    pub moving: &'static [&'static str],
    /// Written, but shown with a mask: what is shown means no change.
    pub masked: &'static [&'static str],
}

impl ReadOnly {
    /// The body of a change without these fields. Of the fixed ones, one that differs from `own` is an error.
    pub fn leave_out<const MAX: usize>(
        self,
        text: JsonText<MAX>,
        own: &impl Serialize,
        errors: &mut FieldErrors,
    ) -> JsonText<MAX> {
        text.without(|object| {
            let own = serde_json::to_value(own).unwrap_or_default();
            let before = object.len();
            for name in self.fixed {
                let Some(given) = object.remove(*name) else { continue };
                if !is_same(&given, &own[*name]) {
                    errors.push(format!("/{name}"), differs());
                }
            }
            self.moving.iter().for_each(|name| drop(object.remove(*name)));
            for name in self.masked {
                if object.get(*name) == Some(&own[*name]) {
                    object.remove(*name);
                }
            }
            object.len() < before
        })
    }

    /// The body of a new thing without these fields: a copy gets its own.
    pub fn leave_out_of_copy<const MAX: usize>(self, text: JsonText<MAX>) -> JsonText<MAX> {
        text.without(|object| {
            let before = object.len();
            let names = self.fixed.iter().chain(self.moving);
            names.for_each(|name| drop(object.remove(*name)));
            object.len() < before
        })
    }
}

/// Clients may write a number or an instant in another way than they have read it.
pub fn is_same(given: &Value, own: &Value) -> bool {
    given == own
        || instant(given).is_some_and(|at| instant(own) == Some(at))
        || given.as_f64().is_some_and(|number| own.as_f64() == Some(number))
}

pub fn instant(value: &Value) -> Option<DateTime<FixedOffset>> {
    value.as_str().and_then(|at| DateTime::parse_from_rfc3339(at).ok())
}

pub fn differs() -> Invalid {
    Invalid::new("read_only", "is read-only, and differs from the present value")
        .hint("Read it again, or leave the field out.")
}
