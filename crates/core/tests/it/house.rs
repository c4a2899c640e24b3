//! The rules of the house that imports can break: who may know whom. A wrong import fails with its file and line.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// Under this path (from the repository's top), none of these may be named.
const FORBIDDEN: &[(&str, &[&str])] = &[
    (
        "crates/core/src/domain",
        &["crate::store", "crate::stream", "crate::runtime", "crate::telemetry", "crate::config"],
    ),
    (
        "crates/core/src/domain",
        &[
            "tokio",
            "diesel",
            "redis::",
            "actix",
            "hyper",
            "async fn",
            "Utc::now",
            "Instant::now",
            "SystemTime",
        ],
    ),
    ("crates/core/src/store", &["crate::stream", "redis::", "actix", "hyper"]),
    ("crates/core/src/stream", &["crate::store", "diesel", "tokio_postgres", "actix", "hyper"]),
    (
        "crates/api/src",
        &[
            "trigrun_scheduler",
            "trigrun_executor",
            "Producer",
            "Consumer",
            "redis::",
            "use diesel",
            "tokio_postgres",
        ],
    ),
    (
        "crates/scheduler/src",
        &["trigrun_api", "trigrun_executor", "redis::", "diesel", "tokio_postgres", "actix", "hyper"],
    ),
    (
        "crates/executor/src",
        &["trigrun_api", "trigrun_scheduler", "redis::", "diesel", "tokio_postgres", "actix"],
    ),
    ("crates/executor/src/intake.rs", &["hyper"]),
    // What proves the promise shares nothing with what keeps it.
    ("crates/chaos/src/oracle.rs", &["trigrun_core", "croner"]),
    ("crates/chaos/src/proof", &["trigrun_core", "trigrun_scheduler", "trigrun_executor", "trigrun_api"]),
    ("crates/embed/src", &["trigrun_core", "trigrun_api", "trigrun_scheduler", "trigrun_executor"]),
    (
        "crates",
        &["mod utils", "mod common", "mod helpers", "mod misc", "mod prelude", "todo!(", "unimplemented!("],
    ),
];

/// The one place for each of these.
const ONLY_IN: &[(&str, &[&str])] = &[
    ("diesel::", &["crates/core/src/store", "crates/core/tests/it/schema.rs", "crates/core/tests/it/plans/"]),
    (
        "redis::cmd",
        &[
            "crates/core/src/stream",
            "crates/core/tests",
            "crates/testkit",
            "crates/embed",
            "crates/scheduler/tests",
            "crates/executor/tests",
            "crates/chaos",
            "crates/bench",
        ],
    ),
    (
        "hyper::client",
        &[
            "crates/executor/src/egress",
            "crates/executor/tests",
            "crates/testkit",
            "crates/api/src/client.rs",
            "crates/bench",
            "crates/api/tests",
        ],
    ),
];

#[test]
fn nobody_imports_what_is_not_theirs() {
    let mut wrong = Vec::new();
    for (path, line_number, line) in source_lines() {
        for (place, words) in FORBIDDEN {
            if path.starts_with(place) {
                wrong.extend(
                    words
                        .iter()
                        .filter(|word| line.contains(**word))
                        .map(|word| format!("{path}:{line_number}: {word}")),
                );
            }
        }
        for (word, places) in ONLY_IN {
            if line.contains(word) && !places.iter().any(|place| path.starts_with(place)) {
                wrong.push(format!("{path}:{line_number}: {word}"));
            }
        }
    }
    assert!(wrong.is_empty(), "these do not belong there:\n{}", wrong.join("\n"));
}

#[test]
fn there_is_no_mod_rs() {
    let found: Vec<PathBuf> = sources().into_iter().filter(|path| path.ends_with("mod.rs")).collect();
    assert!(found.is_empty(), "{found:?}");
}

/// Path, number and text of every line of code that is neither a comment nor this table.
fn source_lines() -> Vec<(String, usize, String)> {
    let top = top();
    let mut lines = Vec::new();
    for path in sources() {
        let name = path.strip_prefix(&top).unwrap().to_str().unwrap().to_owned();
        // Tests may look at a clock.
        if name == "crates/core/tests/it/house.rs" || name.ends_with("/tests.rs") {
            continue;
        }
        let text = fs::read_to_string(&path).unwrap();
        let code = text.lines().enumerate().filter(|(_, line)| !line.trim_start().starts_with("//"));
        lines.extend(code.map(|(at, line)| (name.clone(), at + 1, line.to_owned())));
    }
    assert!(lines.len() > 1000, "the sources were not found under {}", top.display());
    lines
}

fn sources() -> Vec<PathBuf> {
    fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(&path, found);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(path);
            }
        }
    }
    let mut found = Vec::new();
    walk(&top().join("crates"), &mut found);
    found
}

fn top() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}
