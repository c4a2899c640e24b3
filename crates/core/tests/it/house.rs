//! Which module may import which. A wrong import fails with its file and line, a cycle with its edges.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

/// Under this path (from the top of the repository), none of these may be named.
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
    // The proof of the promise shares nothing with the product.
    ("crates/chaos/src/oracle.rs", &["trigrun_core", "croner"]),
    ("crates/chaos/src/proof", &["trigrun_core", "trigrun_scheduler", "trigrun_executor", "trigrun_api"]),
    ("crates/embed/src", &["trigrun_core", "trigrun_api", "trigrun_scheduler", "trigrun_executor"]),
    // They know the API as any user does.
    ("crates/client/src", &["trigrun_core", "diesel", "redis", "actix", "trigrun_api"]),
    ("crates/cli/src", &["trigrun_core", "diesel", "redis", "actix", "trigrun_api"]),
    ("crates/console/src", &["trigrun_core", "diesel", "redis", "trigrun_api"]),
    (
        "crates",
        &["mod utils", "mod common", "mod helpers", "mod misc", "mod prelude", "todo!(", "unimplemented!("],
    ),
];

/// The only places for each of these.
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
            "crates/bench",
            "crates/api/tests",
        ],
    ),
];

/// Otherwise a renamed file would escape its rule.
#[test]
fn every_path_in_the_tables_exists() {
    let places =
        FORBIDDEN.iter().map(|(place, _)| place).chain(ONLY_IN.iter().flat_map(|(_, places)| *places));
    let missing: Vec<_> = places.filter(|place| !top().join(place).exists()).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn modules_import_only_what_they_may() {
    let mut forbidden = Vec::new();
    for (path, line_number, line) in source_lines() {
        for (place, words) in FORBIDDEN {
            if path.starts_with(place) {
                forbidden.extend(
                    words
                        .iter()
                        .filter(|word| line.contains(**word))
                        .map(|word| format!("{path}:{line_number}: {word}")),
                );
            }
        }
        for (word, places) in ONLY_IN {
            if line.contains(word) && !places.iter().any(|place| path.starts_with(place)) {
                forbidden.push(format!("{path}:{line_number}: {word}"));
            }
        }
    }
    assert!(forbidden.is_empty(), "forbidden imports:\n{}", forbidden.join("\n"));
}

/// The modules of a crate, and those inside each of its modules, import each other in one direction only.
#[test]
fn modules_form_no_cycle() {
    let mut cycles = Vec::new();
    for name in crates() {
        let modules = Modules::read(&top().join("crates").join(&name).join("src"));
        for (folder, edges) in modules.edges() {
            let place = std::iter::once(name.as_str()).chain(folder.iter().map(String::as_str));
            let place = place.collect::<Vec<_>>().join("/");
            for ((from, to), import) in &edges {
                if reachable(&edges, to, from) {
                    cycles.push(format!("{place}: {from} → {to} ({import})"));
                }
            }
        }
    }
    assert!(cycles.is_empty(), "these imports form cycles:\n{}", cycles.join("\n"));
}

#[test]
fn a_cycle_of_modules_is_found() {
    let modules = |files: &[(&[&str], &str)]| Modules {
        files: files
            .iter()
            .map(|(path, code)| (path.iter().map(|name| (*name).to_owned()).collect(), Source::new(code)))
            .collect(),
    };
    let is_cyclic = |modules: &Modules| {
        modules.edges().values().any(|edges| edges.keys().any(|(from, to)| reachable(edges, to, from)))
    };
    let through_a_group: &[(&[&str], &str)] = &[
        (&["a"], "use crate::{\n    b::{self, B},\n};"),
        (&["b", "inner"], "use crate::a::A;"),
        (&["b"], ""),
    ];
    assert!(is_cyclic(&modules(through_a_group)));
    let through_a_reexport: &[(&[&str], &str)] = &[
        (&["f"], "pub use one::One;"),
        (&["f", "one"], "use super::two::Two;"),
        (&["f", "two"], "fn f() { super::One::new() }"),
    ];
    assert!(is_cyclic(&modules(through_a_reexport)));
    let one_way: &[(&[&str], &str)] = &[
        (&["a"], "use crate::b::B; // use crate::c::C;"),
        (&["b"], "#[cfg(test)]\nmod tests {\n    use crate::a::A;\n}"),
        (&["b", "inner"], "use super::B;"),
    ];
    assert!(!is_cyclic(&modules(one_way)));
}

/// From module to module of the same folder, with the first import that says so.
type Edges = BTreeMap<(String, String), String>;

/// The source files of a crate, by their module path; the root has an empty one.
struct Modules {
    files: BTreeMap<Vec<String>, Source>,
}

struct Source {
    /// Every path that starts with `crate` or `super`, and those of `use` statements.
    paths: BTreeSet<Vec<String>>,
    /// The paths of `pub use` statements.
    reexports: Vec<Vec<String>>,
}

impl Modules {
    fn read(src: &Path) -> Self {
        let files = rust_files(src).into_iter().filter_map(|path| {
            let module = path.strip_prefix(src).unwrap().with_extension("");
            let module: Vec<String> = module.iter().map(|part| part.to_str().unwrap().to_owned()).collect();
            let is_test = module.iter().any(|name| name == "tests" || name == "bin");
            let module = if module == ["lib"] { Vec::new() } else { module };
            (!is_test).then(|| (module, Source::new(&fs::read_to_string(&path).unwrap())))
        });
        Self { files: files.collect() }
    }

    /// The edges inside each folder.
    fn edges(&self) -> BTreeMap<Vec<String>, Edges> {
        let mut edges: BTreeMap<Vec<String>, Edges> = BTreeMap::new();
        for (module, source) in &self.files {
            for path in &source.paths {
                let Some(target) = self.resolve(module, path, 0) else { continue };
                let common = module.iter().zip(&target).take_while(|(a, b)| a == b).count();
                let (Some(from), Some(to)) = (module.get(common), target.get(common)) else { continue };
                edges
                    .entry(module[..common].to_vec())
                    .or_default()
                    .entry((from.clone(), to.clone()))
                    .or_insert_with(|| format!("{}: {}", module.join("::"), path.join("::")));
            }
        }
        edges
    }

    /// The module that a path of `module` leads to, through re-exports; `None` for other crates.
    fn resolve(&self, module: &[String], path: &[String], depth: usize) -> Option<Vec<String>> {
        let mut at = module.to_vec();
        let mut names = path.iter().peekable();
        match names.peek()?.as_str() {
            "crate" => at.clear(),
            "self" | "super" => {}
            name if self.is_module(&at, name) => {}
            _ => return None,
        }
        for name in names {
            match name.as_str() {
                "crate" | "self" => {}
                "super" => drop(at.pop()?),
                name if self.is_module(&at, name) => at.push(name.to_owned()),
                name => {
                    let reexport = self.files.get(&at).and_then(|source| {
                        source.reexports.iter().find(|path| path.last().is_some_and(|last| last == name))
                    });
                    return match reexport {
                        Some(path) if depth < 8 => self.resolve(&at, path, depth + 1).or(Some(at)),
                        _ => Some(at),
                    };
                }
            }
        }
        Some(at)
    }

    fn is_module(&self, parent: &[String], name: &str) -> bool {
        let path: Vec<String> = parent.iter().cloned().chain([name.to_owned()]).collect();
        self.files.contains_key(&path)
    }
}

impl Source {
    fn new(text: &str) -> Self {
        let code = without_tests(&without_comments(text));
        let mut paths = BTreeSet::new();
        let mut reexports = Vec::new();
        for statement in code.split(';') {
            let Some(at) = statement.rfind("use ").filter(|at| is_statement(&statement[..*at])) else {
                continue;
            };
            let mut tree = Vec::new();
            expand(&mut words(&statement[at + 4..]).into_iter().peekable(), &[], &mut tree);
            if statement[..at].trim_end().ends_with("pub") {
                reexports.extend(tree.iter().cloned());
            }
            paths.extend(tree);
        }
        let words = words(&code);
        for (at, word) in words.iter().enumerate() {
            let starts = matches!(word.as_str(), "crate" | "super") && (at == 0 || words[at - 1] != "::");
            if starts {
                let mut path = vec![word.clone()];
                let mut rest = words[at + 1..].iter();
                while let (Some("::"), Some(name)) = (rest.next().map(String::as_str), rest.next()) {
                    if !name.starts_with(|c: char| c.is_alphabetic() || c == '_') {
                        break;
                    }
                    path.push(name.clone());
                }
                paths.insert(path);
            }
        }
        Self { paths, reexports }
    }
}

/// Whether a `use` after this text is a statement: after another one, a block, an attribute, or `pub`.
fn is_statement(before: &str) -> bool {
    let before = before.trim_end();
    let before = before.strip_suffix("pub").or_else(|| before.strip_suffix("pub(crate)")).unwrap_or(before);
    let before = before.strip_suffix("pub(super)").unwrap_or(before).trim_end();
    before.is_empty() || before.ends_with(['{', '}', ']'])
}

/// `a::{b, c as d}` as `a::b` and `a::c`.
fn expand(
    words: &mut std::iter::Peekable<std::vec::IntoIter<String>>,
    prefix: &[String],
    found: &mut Vec<Vec<String>>,
) {
    let mut path = prefix.to_vec();
    while let Some(word) = words.next() {
        match word.as_str() {
            "::" => {}
            "{" => {
                let prefix = std::mem::take(&mut path);
                while words.peek().is_some_and(|word| word != "}") {
                    expand(words, &prefix, found);
                    words.next_if(|word| word == ",");
                }
                words.next();
                return;
            }
            "as" => drop(words.next()),
            _ => path.push(word),
        }
        if words.peek().is_none_or(|word| matches!(word.as_str(), "," | "}")) {
            break;
        }
    }
    if path.len() > 1 && path.last().is_some_and(|last| last == "self") {
        path.pop();
    }
    if !path.is_empty() {
        found.push(path);
    }
}

/// Names, `::`, and every other character as a word.
fn words(code: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let mut is_name = false;
    for c in code.chars() {
        let in_name = c.is_alphanumeric() || c == '_';
        match words.last_mut() {
            Some(last) if in_name && is_name => last.push(c),
            Some(last) if c == ':' && last == ":" => last.push(c),
            _ if c.is_whitespace() => {}
            _ => words.push(c.to_string()),
        }
        is_name = in_name;
    }
    words
}

fn without_comments(text: &str) -> String {
    text.lines().map(|line| line.split("//").next().unwrap_or_default()).collect::<Vec<_>>().join("\n")
}

/// Unit tests are at the end of their file and may import anything.
fn without_tests(code: &str) -> String {
    code.split("#[cfg(test)]\nmod tests").next().unwrap_or_default().to_owned()
}

fn reachable(edges: &Edges, from: &str, to: &str) -> bool {
    let mut seen = BTreeSet::from([from]);
    let mut open = vec![from];
    while let Some(at) = open.pop() {
        if at == to {
            return true;
        }
        open.extend(
            edges
                .keys()
                .filter(|(start, _)| start == at)
                .map(|(_, end)| end.as_str())
                .filter(|end| seen.insert(*end)),
        );
    }
    false
}

fn crates() -> Vec<String> {
    let folders = fs::read_dir(top().join("crates")).unwrap().map(|entry| entry.unwrap());
    let folders = folders.filter(|entry| entry.path().join("src").is_dir());
    folders.map(|entry| entry.file_name().to_str().unwrap().to_owned()).collect()
}

#[test]
fn no_file_is_named_mod_rs() {
    let found: Vec<PathBuf> = sources().into_iter().filter(|path| path.ends_with("mod.rs")).collect();
    assert!(found.is_empty(), "{found:?}");
}

/// Path, number and text of every line of code, without comments and these tables.
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
    assert!(lines.len() > 1000, "no sources under {}", top.display());
    lines
}

fn sources() -> Vec<PathBuf> {
    rust_files(&top().join("crates"))
}

fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(rust_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found
}

fn top() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}
