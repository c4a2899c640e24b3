//! docs/configuration.md is made from the default files. `make configuration` writes it.

use std::{fmt::Write, fs, path::Path};

const HEAD: &str = "# Configuration

<!-- Made by `make configuration` from crates/*/config.default.toml. Do not edit. -->

Every process has its defaults built in. A variable `TRIGRUN__SECTION__KEY` in the environment overrides one of them; a list is written
`[\"a\", \"b\"]`. A variable that no setting answers to, or a value that does not fit, keeps the process from starting, and all such
problems are reported at once.

Spans are exported by OTLP over gRPC when OpenTelemetry's own `OTEL_EXPORTER_OTLP_ENDPOINT` (or `OTEL_EXPORTER_OTLP_TRACES_ENDPOINT`) is
set; the other `OTEL_*` variables of the exporter, the sampler and the batches work as OpenTelemetry specifies them.
";

const PARTS: [(&str, &str); 3] = [
    ("trigrun-api", trigrun_api::DEFAULTS),
    ("trigrun-scheduler", trigrun_scheduler::DEFAULTS),
    ("trigrun-executor", trigrun_executor::DEFAULTS),
];

struct Setting {
    variable: String,
    default: String,
    comment: String,
}

/// Sections, settings and the comments above them, in order.
fn settings(defaults: &str) -> Vec<Setting> {
    let (mut section, mut comment, mut settings) = (String::new(), Vec::new(), Vec::new());
    // What the file says of itself stands before the first section.
    for line in defaults.lines().skip_while(|line| !line.starts_with('[')) {
        if let Some(text) = line.strip_prefix("# ") {
            comment.push(text);
        } else if let Some(name) = line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
            section = name.to_uppercase().replace('.', "__");
        } else if let Some((key, default)) = line.split_once(" = ") {
            let variable = format!("TRIGRUN__{section}__{}", key.to_uppercase());
            let comment = std::mem::take(&mut comment).join(" ");
            settings.push(Setting { variable, default: default.to_owned(), comment });
        } else {
            assert!(line.is_empty(), "a line of another form: {line}");
        }
    }
    settings
}

fn render() -> String {
    let mut page = HEAD.to_owned();
    for (process, defaults) in PARTS {
        write!(page, "\n## {process}\n\n| variable | default | meaning |\n|---|---|---|\n").unwrap();
        for Setting { variable, default, comment } in settings(defaults) {
            writeln!(page, "| `{variable}` | `{default}` | {} |", comment.replace('|', "\\|")).unwrap();
        }
    }
    page
}

#[test]
fn configuration_md_is_current() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/configuration.md");
    #[allow(clippy::disallowed_methods, reason = "asked for by `make configuration`")]
    if std::env::var("TRIGRUN_WRITE").is_ok() {
        fs::write(&path, render()).unwrap();
    }
    let written = fs::read_to_string(&path).unwrap_or_default();
    assert!(written == render(), "docs/configuration.md is not current: run `make configuration`");
}

#[test]
fn every_setting_is_explained() {
    for (process, defaults) in PARTS {
        let settings = settings(defaults);
        assert!(settings.len() > 5);
        for setting in settings {
            assert!(!setting.comment.is_empty(), "{process}: {}", setting.variable);
        }
    }
}
