//! Settings: one commented default file per process, environment on top, every problem reported at once.
//!
//! The default file is part of the binary. `TRIGRUN__SECTION__KEY` overrides `key` of `[section]`. A section with a table `default` can have
//! further tables with any name: `TRIGRUN__SECTION__NAME__KEY` sets `key` of `[section.name]`, which inherits its other keys from
//! `[section.default]`. This is the only place that reads the environment.

use figment::{
    Figment,
    error::{Actual, Kind},
    providers::{Format, Serialized, Toml},
    value::{Dict, Value},
};
use serde::de::DeserializeOwned;
use std::fmt;

const PREFIX: &str = "TRIGRUN__";

/// All invalid settings, one line each.
#[derive(Debug, thiserror::Error)]
pub struct ConfigError(Vec<String>);

impl ConfigError {
    pub fn problems(&self) -> &[String] {
        &self.0
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "the settings are invalid:")?;
        self.0.iter().try_for_each(|problem| writeln!(f, "  - {problem}"))
    }
}

/// The settings of this process: its defaults with the environment on top.
pub fn load<T: DeserializeOwned>(defaults: &str) -> Result<T, ConfigError> {
    #[allow(clippy::disallowed_methods, reason = "this is the only place")]
    let environment = std::env::vars_os();
    let mut problems = Vec::new();
    let mut readable = Vec::new();
    for (name, value) in environment {
        let Some(name) = name.into_string().ok().filter(|name| name.starts_with(PREFIX)) else { continue };
        match value.into_string() {
            Ok(value) => readable.push((name, value)),
            Err(_) => problems.push(format!("{name}: is not UTF-8")),
        }
    }
    match load_from(defaults, readable) {
        Ok(settings) if problems.is_empty() => Ok(settings),
        Ok(_) => Err(ConfigError(problems)),
        Err(ConfigError(others)) => Err(ConfigError([problems, others].concat())),
    }
}

/// [`load`] with a given environment: for tests, and for programs that run several processes' parts.
pub fn load_from<T: DeserializeOwned>(
    defaults: &str,
    environment: impl IntoIterator<Item = (String, String)>,
) -> Result<T, ConfigError> {
    let defaults = Figment::from(Toml::string(defaults));
    let known = keys(&defaults);
    let mut problems = Vec::new();
    let mut figment = defaults.clone();
    // Default tables first, because the named tables copy them with their overrides.
    let depth = |(name, _): &(String, String)| name.matches("__").count();
    let is_model = |(name, _): &(String, String)| name.contains("__DEFAULT__");
    let mut environment: Vec<(String, String)> = environment.into_iter().collect();
    environment.sort_by_key(|variable| (depth(variable), !is_model(variable)));
    for (name, text) in environment {
        let Some(path) = name.strip_prefix(PREFIX).map(|rest| rest.to_lowercase().replace("__", ".")) else {
            continue;
        };
        match named(&path) {
            _ if known.contains(&path) => {}
            Some((table, model, key)) if known.contains(&format!("{model}.{key}")) => {
                if figment.find_value(&table).is_err()
                    && let Ok(others) = figment.find_value(&model)
                {
                    figment = figment.merge(Serialized::global(&table, others));
                }
            }
            _ => {
                problems.push(unknown(&name, &path, &known));
                continue;
            }
        }
        figment = figment.merge(Serialized::global(&path, value(&text)));
    }
    // Each round finds one invalid value. It is replaced by its default, so that the next round finds the next one.
    loop {
        match figment.extract() {
            Ok(settings) if problems.is_empty() => return Ok(settings),
            Ok(_) => return Err(ConfigError(problems)),
            Err(error) => {
                // Without the number of an element: only the whole list can be set.
                let names = error.path.iter().filter(|name| name.parse::<usize>().is_err());
                let path = names.map(String::as_str).collect::<Vec<_>>().join(".");
                let given = figment.find_value(&path).ok();
                problems.push(format!("{}: {}", variable(&path), problem(&error.kind, given.as_ref())));
                let model = named(&path).map_or(String::new(), |(_, model, key)| format!("{model}.{key}"));
                let default = defaults.find_value(&path).ok();
                match default.or_else(|| defaults.find_value(&model).ok()) {
                    Some(default) if figment.find_value(&path).ok().as_ref() != Some(&default) => {
                        figment = figment.merge(Serialized::global(&path, default));
                    }
                    _ => return Err(ConfigError(problems)),
                }
            }
        }
    }
}

/// What is wrong, without the value: it may be a secret, whichever setting it was given for, and this text goes to the log.
fn problem(kind: &Kind, given: Option<&Value>) -> String {
    match kind {
        Kind::InvalidType(actual, expected) if expected == "a sequence" => {
            format!("found {}, expected a list, like [\"a\", \"b\"]", type_name(actual))
        }
        Kind::InvalidType(actual, expected) | Kind::InvalidValue(actual, expected) => {
            format!("found {}, expected {expected}", type_name(actual))
        }
        Kind::InvalidLength(count, expected) => format!("found {count} elements, expected {expected}"),
        Kind::UnknownVariant(_, known) => format!("must be one of {}", known.join(", ")),
        Kind::UnknownField(_, known) => format!("has an unknown key; known are {}", known.join(", ")),
        Kind::MissingField(name) => format!("{name} is missing"),
        Kind::DuplicateField(name) => format!("{name} is given twice"),
        Kind::Message(text) => given.map_or_else(|| "is invalid".to_owned(), |value| without(text, value)),
        _ => "is not a value of this setting".to_owned(),
    }
}

const fn type_name(actual: &Actual) -> &'static str {
    match actual {
        Actual::Bool(_) => "true or false",
        Actual::Unsigned(_) | Actual::Signed(_) | Actual::Float(_) => "a number",
        Actual::Char(_) | Actual::Str(_) => "a text",
        Actual::Seq => "a list",
        Actual::Map => "a table",
        _ => "something else",
    }
}

/// The text, unless it repeats some of the value.
fn without(text: &str, value: &Value) -> String {
    let repeats = match value {
        Value::String(_, given) => {
            let escaped = format!("{given:?}");
            [given.as_str(), escaped.trim_matches('"')].iter().any(|given| text.contains(given))
        }
        Value::Array(_, given) => given.iter().any(|given| without(text, given) != text),
        Value::Dict(..) => true,
        other => other.to_i128().is_some_and(|number| text.contains(&number.to_string())),
    };
    if repeats { "is invalid".to_owned() } else { text.to_owned() }
}

/// `a.b` as the name of the variable that sets it.
fn variable(path: &str) -> String {
    format!("{PREFIX}{}", path.to_uppercase().replace('.', "__"))
}

/// `section.name.key` as its table, the default table of that section, and the key.
fn named(path: &str) -> Option<(String, String, &str)> {
    let (table, key) = path.rsplit_once('.')?;
    let (section, name) = table.split_once('.')?;
    if name.contains('.') {
        return None;
    }
    Some((table.to_owned(), format!("{section}.default"), key))
}

/// The text as a list or a number if it is one; otherwise as text.
fn value(text: &str) -> Value {
    text.parse().unwrap_or_else(|_| Value::from(text.to_owned()))
}

fn keys(figment: &Figment) -> Vec<String> {
    let sections: Dict = figment.extract().unwrap_or_default();
    let mut keys = Vec::new();
    for (section, value) in &sections {
        for (key, value) in value.as_dict().into_iter().flatten() {
            match value.as_dict() {
                Some(table) => keys.extend(table.keys().map(|inner| format!("{section}.{key}.{inner}"))),
                None => keys.push(format!("{section}.{key}")),
            }
        }
    }
    keys
}

fn unknown(name: &str, path: &str, known: &[String]) -> String {
    let nearest =
        known.iter().max_by(|a, b| strsim::jaro_winkler(path, a).total_cmp(&strsim::jaro_winkler(path, b)));
    let hint = nearest.map(|path| format!("; did you mean {}?", variable(path))).unwrap_or_default();
    format!("{name}: there is no such setting{hint}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use secrecy::SecretString;
    use serde::Deserialize;
    use std::{collections::BTreeMap, net::SocketAddr};

    #[derive(Debug, Deserialize, PartialEq)]
    #[serde(deny_unknown_fields)]
    struct Settings {
        server: Server,
        plans: BTreeMap<String, Plan>,
    }

    #[derive(Debug, Deserialize, PartialEq)]
    #[serde(deny_unknown_fields)]
    struct Plan {
        jobs: u32,
        tokens: u32,
    }

    #[derive(Debug, Deserialize, PartialEq)]
    #[serde(deny_unknown_fields)]
    struct Server {
        address: SocketAddr,
        workers: u16,
        allow: Vec<String>,
    }

    const DEFAULTS: &str = "[server]\naddress = \"127.0.0.1:1\"\nworkers = 2\nallow = []\n
[plans.default]\njobs = 0\ntokens = 7\n";

    fn load(environment: &[(&str, &str)]) -> Result<Settings, ConfigError> {
        load_from(DEFAULTS, environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())))
    }

    #[test]
    fn the_environment_overrides() {
        let settings = load(&[
            ("TRIGRUN__SERVER__ADDRESS", "0.0.0.0:80"),
            ("TRIGRUN__SERVER__ALLOW", "[\"10.0.0.0/8\"]"),
            ("OTHER", "x"),
        ])
        .unwrap();
        assert_eq!(settings.server.address.port(), 80);
        assert_eq!((settings.server.workers, settings.server.allow), (2, vec!["10.0.0.0/8".to_owned()]));
    }

    #[test]
    fn every_named_plan_inherits_from_the_default() {
        let settings = load(&[
            ("TRIGRUN__PLANS__PRO__JOBS", "1000"),
            ("TRIGRUN__PLANS__BIG_ONE__TOKENS", "9"),
            ("TRIGRUN__PLANS__DEFAULT__JOBS", "5"),
        ])
        .unwrap();
        let plans: Vec<_> =
            settings.plans.iter().map(|(name, plan)| (name.as_str(), plan.jobs, plan.tokens)).collect();
        assert_eq!(plans, [("big_one", 5, 9), ("default", 5, 7), ("pro", 1000, 7)]);
        let error = load(&[
            ("TRIGRUN__PLANS__PRO__JOB", "1"),
            ("TRIGRUN__PLANS__PRO__JOBS", "many"),
            ("TRIGRUN__PLANS__A__B__JOBS", "1"),
            ("TRIGRUN__SERVER__WORKERS", "many"),
        ])
        .unwrap_err();
        assert_eq!(error.problems().len(), 4, "{error}");
        assert!(load(&[("TRIGRUN__SERVER__A__WORKERS", "1")]).is_err());
    }

    #[test]
    fn every_problem_is_reported_at_once() {
        let error = load(&[
            ("TRIGRUN__SERVER__ADDRESS", "nonsense"),
            ("TRIGRUN__SERVER__WORKERS", "many"),
            ("TRIGRUN__SERVER__WORKER", "1"),
        ])
        .unwrap_err();
        let problems = error.problems().join("\n");
        assert_eq!(error.problems().len(), 3, "{problems}");
        assert!(
            problems.contains("TRIGRUN__SERVER__ADDRESS: ")
                && problems.contains("TRIGRUN__SERVER__WORKERS: "),
            "{problems}"
        );
        assert!(problems.contains("did you mean TRIGRUN__SERVER__WORKERS?"), "{problems}");
    }

    /// Settings of every shape, each of them a secret.
    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[allow(dead_code, reason = "only their types matter")]
    struct Secrets {
        all: All,
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[allow(dead_code, reason = "only their types matter")]
    struct All {
        text: SecretString,
        list: Vec<SecretString>,
        number: u16,
        flag: bool,
        address: SocketAddr,
        networks: Vec<ipnet::IpNet>,
        word: Word,
        checked: Checked,
    }

    #[derive(Debug, Deserialize)]
    #[serde(rename_all = "snake_case")]
    enum Word {
        One,
    }

    /// With an error that repeats the value.
    #[derive(Debug, Deserialize)]
    #[serde(try_from = "String")]
    struct Checked;

    impl TryFrom<String> for Checked {
        type Error = String;

        fn try_from(text: String) -> Result<Self, String> {
            if text.is_empty() { Ok(Self) } else { Err(format!("{text:?} is not valid")) }
        }
    }

    #[test]
    fn no_problem_repeats_a_value() {
        const DEFAULTS: &str =
            "[all]\ntext = \"\"\nlist = []\nnumber = 1\nflag = true\naddress = \"127.0.0.1:1\"
networks = []\nword = \"one\"\nchecked = \"\"\n";
        // What stands for a secret, and its quoting, its type or its list are wrong in one way each.
        let given = [
            "s3cr\u{e9}t-canary",
            "\"s3cr\u{e9}t-canary",
            "[s3cr\u{e9}t-canary",
            "[\"s3cr\u{e9}t-canary\", 1]",
            "[[\"s3cr\u{e9}t-canary\"]]",
            "{ s3cret-canary = 1 }",
            "{ a = \"s3cr\u{e9}t-canary\" }",
            "[{ a = \"s3cr\u{e9}t-canary\" }]",
            "82734615",
            "-82734615",
            "8.2734615",
            "[82734615]",
            "k:s3cr\u{e9}t \"canary\"\n",
            "postgres://u:s3cr\u{e9}t-canary@",
        ];
        let mut refused = 0;
        for key in ["text", "list", "number", "flag", "address", "networks", "word", "checked"] {
            for value in given {
                let variable = (format!("TRIGRUN__ALL__{}", key.to_uppercase()), value.to_owned());
                // A text and a list of texts may be what they are.
                let Err(error) = load_from::<Secrets>(DEFAULTS, [variable.clone()]) else { continue };
                refused += 1;
                for text in [error.to_string(), format!("{error:?}")] {
                    assert!(text.contains(&variable.0), "{text}");
                    for part in ["canary", "s3cr", "82734615", "8.27"] {
                        assert!(!text.contains(part), "{variable:?}: {text}");
                    }
                }
            }
        }
        assert!(refused > 90, "{refused}");
    }
}
