//! Settings: one commented default file per process, environment on top, every problem reported at once.
//!
//! The default file is part of the binary. `TRIGRUN__SECTION__KEY` overrides `key` of `[section]`. A section with a table `default` can have
//! further tables with any name: `TRIGRUN__SECTION__NAME__KEY` sets `key` of `[section.name]`, which inherits its other keys from
//! `[section.default]`. This is the only place that reads the environment.

use figment::{
    Figment,
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
    let environment = std::env::vars().filter(|(name, _)| name.starts_with(PREFIX));
    load_from(defaults, environment)
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
                let path = error.path.join(".");
                problems.push(format!("{}: {}", variable(&path), error.kind));
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
}
