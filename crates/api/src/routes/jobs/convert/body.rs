//! The body of a conversion.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::collections::BTreeMap;
use trigrun_core::domain::{
    convert::{AUTO, Format},
    invalid::{Checked, FieldErrors, Invalid},
    schedule::check_zone,
    target::template,
};
use utoipa::ToSchema;

use crate::{
    enums,
    extract::{
        body::required,
        json::escape,
        values::{each_once, object},
    },
    state::State,
};

const MAX_PREFIX_CHARS: usize = 50;
const MAX_MAPPED: usize = 1000;

/// A text or a JSON document of another scheduler or tool.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
#[schema(as = ConversionInput)]
pub struct ConversionBody {
    /// `auto` recognises the format by its content.
    #[schema(value_type = Option<enums::WantedFormat>, default = "auto")]
    pub format: Option<String>,
    /// A text, or the JSON itself for formats that are JSON.
    #[schema(required, value_type = Value)]
    pub source: Option<Box<RawValue>>,
    #[serde(deserialize_with = "object")]
    pub options: Option<ConversionOptionsBody>,
}

/// What the source does not say.
#[derive(Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
#[schema(as = ConversionOptionsInput)]
pub struct ConversionOptionsBody {
    /// The time zone of crontab lines before the first `CRON_TZ=`, an IANA name.
    #[schema(default = "UTC", example = "Europe/Berlin")]
    pub timezone: Option<String>,
    /// For vercel: the URL of the deployment, to which the paths belong.
    #[schema(max_length = 2048, example = "https://app.example.com")]
    pub base_url: Option<String>,
    /// The beginning of all keys.
    #[schema(max_length = 50, example = "shop-")]
    pub prefix: Option<String>,
    /// For eventbridge: the URL to call for each ARN.
    #[serde(deserialize_with = "each_once")]
    #[schema(value_type = Option<BTreeMap<String, String>>)]
    pub map: Option<indexmap::IndexMap<String, String>>,
}

/// The checked options.
pub struct Checks {
    pub format: Option<Format>,
    pub source: Box<RawValue>,
    pub timezone: String,
    pub base_url: Option<String>,
    pub prefix: String,
    pub map: BTreeMap<String, String>,
}

impl ConversionBody {
    pub fn check(self, state: &State, errors: &mut FieldErrors) -> Checked<Checks> {
        let format = self.format.as_deref().unwrap_or(AUTO);
        let format = errors.take("/format", read_format(format));
        let source = required(errors, "/source", self.source).and_then(|source| {
            let is_source = source.get().starts_with(['"', '{', '[']);
            let wrong = || Invalid::new("wrong_type", "must be a string, an object or an array");
            errors.take("/source", if is_source { Ok(source) } else { Err(wrong()) })
        });
        let options = self.options.unwrap_or_default();
        let timezone = options.timezone.unwrap_or_else(|| "UTC".to_owned());
        errors.check("/options/timezone", check_zone(&timezone));
        if let Some(url) = &options.base_url {
            errors.check("/options/base_url", template::check(url, &state.policy));
        }
        let prefix = options.prefix.unwrap_or_default();
        errors.check("/options/prefix", check_prefix(&prefix));
        let map = options.map.unwrap_or_default();
        if map.len() > MAX_MAPPED {
            let detail = format!("has {} entries; at most {MAX_MAPPED} are allowed", map.len());
            errors.push("/options/map", Invalid::new("too_many", detail));
        }
        for (arn, url) in map.iter().take(MAX_MAPPED) {
            let place = format!("/options/map/{}", escape(arn));
            errors.check(&place, template::check(url, &state.policy));
        }
        let map = map.into_iter().collect();
        Ok(Checks { format: format?, source: source?, timezone, base_url: options.base_url, prefix, map })
    }
}

fn read_format(name: &str) -> Result<Option<Format>, Invalid> {
    if name == AUTO { Ok(None) } else { name.parse().map(Some) }
}

fn check_prefix(prefix: &str) -> Result<(), Invalid> {
    let is_valid = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"._-".contains(&byte);
    let starts = prefix.bytes().next().is_none_or(|first| first.is_ascii_alphanumeric());
    if prefix.len() <= MAX_PREFIX_CHARS && prefix.bytes().all(is_valid) && starts {
        return Ok(());
    }
    let detail = format!(
        "must have at most {MAX_PREFIX_CHARS} lower-case letters, digits, `.`, `_` and `-`, and begin with a letter or digit"
    );
    Err(Invalid::new("key_invalid", detail))
}
