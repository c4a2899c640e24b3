//! Tests the guides in docs/: runs their commands, in order, against the whole system.
//!
//! Blocks tagged `bash` run in order, in one shell per page, which stops at the first command that fails. A `text` block directly
//! after one is its expected output. A block with a file name after its language (`python verify.py`) is first written to that
//! file. Other blocks do not run. The first block of the quickstart, which defines the helpers, runs before each page.

use std::{
    fmt::Write,
    fs,
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use crate::run::{Directory, Running};

/// Only ends a page that hangs.
const PAGE_TIMEOUT_SECONDS: &str = "600";
const PAGES: [&str; 19] = [
    "quickstart.md",
    "jobs.md",
    "cli.md",
    "agents.md",
    "apply.md",
    "walkthrough.md",
    "schedules.md",
    "import.md",
    "forecast.md",
    "executions.md",
    "statistics.md",
    "secrets.md",
    "signing.md",
    "notifications.md",
    "people.md",
    "sessions.md",
    "api.md",
    "promise.md",
    // Last, because it holds the installation.
    "operators.md",
];

/// The variables of the environment that the system prints, in this order.
const VARIABLES: [&str; 4] =
    ["TRIGRUN_URL", "TRIGRUN_TOKEN", "TRIGRUN_OPERATOR_URL", "TRIGRUN_OPERATOR_TOKEN"];

struct Block {
    /// The text after the three backticks.
    tag: String,
    text: String,
    /// The line of the fence, counted from 1.
    line: usize,
    /// The line after the last.
    end: usize,
}

fn docs() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs")
}

fn blocks(page: &str) -> Vec<Block> {
    let text = fs::read_to_string(docs().join(page)).unwrap();
    let (mut blocks, mut open): (Vec<Block>, Option<Block>) = (Vec::new(), None);
    for (line, content) in (1..).zip(text.lines()) {
        match (content.strip_prefix("```"), &mut open) {
            (Some(tag), None) => {
                open = Some(Block { tag: tag.to_owned(), text: String::new(), line, end: line })
            }
            (Some(_), Some(block)) => {
                block.end = line + 1;
                blocks.extend(open.take());
            }
            (None, Some(block)) => {
                block.text.push_str(content);
                block.text.push('\n');
            }
            (None, None) => {}
        }
    }
    assert!(open.is_none(), "{page}: a block does not end");
    blocks
}

/// A step of the script of a page, and its expected output.
struct Step {
    line: usize,
    commands: String,
    expected: Option<String>,
}

fn steps(page: &str) -> Vec<Step> {
    let blocks = blocks(page);
    let step = |(at, block): (usize, &Block)| {
        let after = blocks.get(at + 1).filter(|after| after.tag == "text" && after.line == block.end);
        Step {
            line: block.line,
            commands: block.text.clone(),
            expected: after.map(|after| after.text.clone()),
        }
    };
    blocks.iter().enumerate().filter(|(_, block)| block.tag == "bash").map(step).collect()
}

/// The page as a script. Before each step it writes the number of the step to a file; the output of each step goes to its own file.
fn script(page: &str, steps: &[Step]) -> String {
    let mut script =
        "set -euo pipefail\nexport PATH=$PROGRAMS:$PATH\ntrap 'kill $(jobs -p) 2>/dev/null || true' EXIT\n"
            .to_owned();
    if page != PAGES[0] {
        script.push_str(&blocks(PAGES[0]).into_iter().find(|block| block.tag == "bash").unwrap().text);
    }
    for (at, Step { commands, .. }) in steps.iter().enumerate() {
        write!(script, "echo {at} > at\n{{\n{commands}}} > printed.{at}\n").unwrap();
    }
    script + "echo > at\n"
}

fn is_installed(program: &str) -> bool {
    Command::new(program).arg("--version").output().is_ok_and(|output| output.status.success())
}

/// Runs a page. The error says which step failed, and how.
fn run(page: &str, dir: &Path, variables: &[(&str, String)]) -> Result<(), String> {
    fs::create_dir_all(dir).unwrap();
    fs::write(dir.join(".curlrc"), "fail-with-body\nshow-error\nmax-time = 120\n").unwrap();
    for block in blocks(page) {
        if let Some((_, file)) = block.tag.split_once(' ') {
            fs::write(dir.join(file), &block.text).unwrap();
        }
    }
    let steps = steps(page);
    fs::write(dir.join("script"), script(page, &steps)).unwrap();
    let free = TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port();
    let Output { status, stderr, .. } = Command::new("timeout")
        .args([PAGE_TIMEOUT_SECONDS, "bash", "script"])
        .current_dir(dir)
        // Of the command line, which is built beside `trigrun-dev`.
        .env("PROGRAMS", Path::new(env!("CARGO_BIN_EXE_trigrun-dev")).parent().unwrap())
        .env("CURL_HOME", dir)
        .envs(variables.iter().map(|(name, value)| (name, value)))
        .env("PORT", free.to_string())
        .output()
        .unwrap();
    let printed = |at: usize| fs::read_to_string(dir.join(format!("printed.{at}"))).unwrap_or_default();
    let at = fs::read_to_string(dir.join("at")).unwrap_or_default().trim().parse().ok();
    if !status.success() {
        let (at, stderr) = (at.unwrap_or(0), String::from_utf8_lossy(&stderr));
        let Some(Step { line, commands, .. }) = steps.get(at) else {
            return Err(format!("{page}: {stderr}"));
        };
        return Err(format!("docs/{page}:{line} failed ({status}):\n{commands}{}\n{stderr}", printed(at)));
    }
    for (at, step) in steps.iter().enumerate() {
        if let Some(expected) = step.expected.as_ref().filter(|expected| **expected != printed(at)) {
            let (line, commands) = (step.line, &step.commands);
            return Err(format!(
                "docs/{page}:{line}:\n{commands}prints\n{}instead of\n{expected}",
                printed(at)
            ));
        }
    }
    Ok(())
}

#[test]
fn the_commands_of_the_guides_work() {
    for program in ["curl", "python3", "bash", "timeout"] {
        assert!(is_installed(program), "{program} is missing: apt-get install curl python3 bash coreutils");
    }
    let cli = Path::new(env!("CARGO_BIN_EXE_trigrun-dev")).with_file_name("trigrun");
    assert!(cli.exists(), "{} is missing: make build", cli.display());
    let directory = Directory::new("guides");
    let mut running = Running::start(&directory, "run");
    let variables = VARIABLES.map(|name| (name, running.exported(name)));
    let pages = PAGES.iter().map(|page| run(page, &directory.0.join("pages").join(page), &variables));
    let failures: Vec<String> = pages.filter_map(Result::err).collect();
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
    check_readme(&variables);
}

/// The command in the README gets the response that it shows, except for ids and times.
fn check_readme(variables: &[(&str, String)]) {
    let readme = fs::read_to_string(docs().join("../README.md")).unwrap();
    let block = readme.split("```console\n").find(|block| block.starts_with("$ curl")).unwrap();
    let (command, response) = block.split("```").next().unwrap().split_once("\n{\"id\"").unwrap();
    let output = Command::new("bash")
        .args(["-c", command.strip_prefix("$ ").unwrap()])
        .envs(variables.iter().map(|(name, value)| (name, value)))
        .output()
        .unwrap();
    let without_ids_and_times = |text: &str| {
        let mut job: serde_json::Value =
            serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"));
        for field in ["id", "next_run_at", "created_at", "updated_at"] {
            job[field] = serde_json::Value::Bool(job[field].is_string());
        }
        job
    };
    let printed = String::from_utf8(output.stdout).unwrap();
    assert_eq!(
        without_ids_and_times(&printed),
        without_ids_and_times(&format!("{{\"id\"{response}")),
        "README.md"
    );
}

#[test]
fn every_page_but_the_guarantees_has_commands() {
    for page in PAGES {
        assert!(page == "promise.md" || !steps(page).is_empty(), "{page}");
    }
}

/// The same verification in Node, if it is installed: CI has it, and development does not require it.
#[test]
fn the_snippet_for_node_verifies() {
    if !is_installed("node") {
        eprintln!("node is not installed: its snippet was not run");
        return;
    }
    let directory = Directory::new("guides-node");
    let snippet = blocks("signing.md").into_iter().find(|block| block.tag == "js verify.mjs").unwrap();
    fs::write(directory.0.join("verify.mjs"), snippet.text).unwrap();
    // Id, time, body and signature are those of the example in the Standard Webhooks specification.
    let check = r#"
        import { verify } from "./verify.mjs";
        const secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
        const signed = (signature) => ({
            "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek", "webhook-timestamp": "1614265330", "webhook-signature": signature,
        });
        const right = signed("v1,AAAA v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
        const body = Buffer.from('{"test": 2432232314}');
        console.log([
            verify(secret, right, body, Infinity), verify(secret, right, body), verify(secret, right, Buffer.from("x"), Infinity),
            verify(secret, signed("v1,AAAA"), body, Infinity), verify(secret, {}, body, Infinity),
        ].join());
    "#;
    fs::write(directory.0.join("check.mjs"), check).unwrap();
    let output = Command::new("node").arg("check.mjs").current_dir(&directory.0).output().unwrap();
    let printed = String::from_utf8_lossy(&output.stdout);
    assert_eq!(printed.trim(), "true,false,false,false,false", "{}", String::from_utf8_lossy(&output.stderr));
}

/// Checks the links between pages, with their headings.
#[test]
fn links_have_targets() {
    let anchor = |heading: &str| {
        let kept = heading.trim_start_matches('#').trim().to_lowercase();
        kept.chars()
            .filter(|c| c.is_alphanumeric() || " -_".contains(*c))
            .collect::<String>()
            .replace(' ', "-")
    };
    for page in PAGES {
        let text = fs::read_to_string(docs().join(page)).unwrap();
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            if link.starts_with("https://") {
                continue;
            }
            let (file, heading) = link.split_once('#').unwrap_or((link, ""));
            let target = if file.is_empty() { page } else { file };
            let linked = fs::read_to_string(docs().join(target)).unwrap_or_else(|_| panic!("{page}: {link}"));
            let has = |line: &str| line.starts_with('#') && anchor(line) == heading;
            assert!(heading.is_empty() || linked.lines().any(has), "{page}: {link}");
        }
    }
}

/// The guides explain every error class in the code.
#[test]
fn every_error_class_is_explained() {
    let [page, notifications] =
        ["executions.md", "notifications.md"].map(|page| fs::read_to_string(docs().join(page)).unwrap());
    let sources = docs().join("../crates");
    let of = |file: &str, before: &str| {
        let text = fs::read_to_string(sources.join(file)).unwrap();
        let after: Vec<String> = text
            .split(before)
            .skip(1)
            .filter_map(|rest| rest.trim_start().strip_prefix('"')?.split('"').next().map(str::to_owned))
            .collect();
        after
    };
    let egress = ["failure", "dial", "resolve", "tls", "exchange"]
        .map(|file| format!("executor/src/egress/{file}.rs"));
    let starts = ["Failure::timeout(", "Failure::connection(", "class: ", "class = "];
    let mut classes: Vec<String> =
        egress.iter().flat_map(|file| starts.iter().flat_map(|start| of(file, start))).collect();
    classes.extend(of("executor/src/request.rs", "refused("));
    classes.extend(of("executor/src/egress/response.rs", "=> "));
    let is_class = |class: &String| {
        class.bytes().all(|byte| byte.is_ascii_lowercase() || b"_0123456789x".contains(&byte))
    };
    classes.retain(is_class);
    assert!(classes.len() > 20, "{classes:?}");
    let mut delivery_classes = of("executor/src/notify.rs", "refused(");
    let email = ["AttemptStatus::Blocked,", "AttemptStatus::ConnectionError,", "AttemptStatus::Timeout,"];
    delivery_classes.extend(email.iter().flat_map(|status| of("executor/src/notify/email.rs", status)));
    delivery_classes.retain(|class| is_class(class) && !classes.contains(class));
    assert!(delivery_classes.len() > 6, "{delivery_classes:?}");
    for class in delivery_classes {
        assert!(
            notifications.contains(&format!("`{class}`")),
            "docs/notifications.md does not explain {class}"
        );
    }
    for class in classes {
        assert!(page.contains(&format!("`{class}`")), "docs/executions.md does not explain {class}");
    }
}

/// docs/api.md lists every operation with its scope. The API's own tests check its table of codes.
#[test]
fn the_api_page_is_complete() {
    let page = fs::read_to_string(docs().join("api.md")).unwrap();
    let document: serde_json::Value = serde_json::from_str(trigrun_api::openapi::json()).unwrap();
    let rows: Vec<&str> = page.lines().filter(|line| line.starts_with("| `")).collect();
    for (path, operations) in document["paths"].as_object().unwrap() {
        for (method, operation) in operations.as_object().unwrap() {
            let name = format!("`{} {path}`", method.to_uppercase());
            let row =
                rows.iter().find(|row| row.contains(&name)).unwrap_or_else(|| panic!("docs/api.md: {name}"));
            if let Some(scope) = operation["security"][0]["token"][0].as_str() {
                assert!(row.contains(&format!("| `{scope}` |")), "docs/api.md: {name} needs {scope}");
            }
        }
    }
}
