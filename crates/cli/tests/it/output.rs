//! Formats, help, completion and manual pages.

use std::fs;

use crate::system::{Workspace, trigrun};

#[test]
fn the_version_a_completion_script_and_manual_pages_need_no_server() {
    let directory = crate::system::directory("man");
    assert_eq!(trigrun("", "").args(["--version"]).ok(), format!("trigrun {}\n", env!("CARGO_PKG_VERSION")));
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        assert!(trigrun("", "").args(["completion", shell]).ok().contains("executions"), "{shell}");
    }
    trigrun("", "").args(["man"]).args([&directory]).ok();
    assert!(fs::read_to_string(directory.join("trigrun-apply.1")).unwrap().contains("max\\-deletes"));
    fs::remove_dir_all(directory).unwrap();
}

#[test]
fn every_command_has_help_and_a_mistake_is_no_pending_change() {
    for command in [
        "",
        "login",
        "logout",
        "whoami",
        "jobs",
        "jobs list",
        "jobs get",
        "jobs create",
        "jobs update",
        "jobs delete",
        "jobs pause",
        "jobs resume",
        "jobs run",
        "jobs test",
        "jobs next",
        "jobs ledger",
        "jobs explain",
        "executions",
        "executions list",
        "executions get",
        "executions tail",
        "executions wait",
        "executions replay",
        "executions cancel",
        "apply",
        "diff",
        "export",
        "import",
        "schema",
        "schedule explain",
        "secrets",
        "secrets set",
        "channels",
        "channels create",
        "tokens",
        "tokens create",
        "api",
        "completion",
    ] {
        let run = trigrun("", "").args(command.split_whitespace()).args(["--help"]);
        let help = run.ok();
        assert!(help.contains("Usage: trigrun") && help.contains("--output"), "{command}: {help}");
    }
    trigrun("", "").args(["jobs", "lst"]).ends_with(1).reports(&["lst"]);
    trigrun("", "").args(["diff", "--nonsense"]).ends_with(1);
}

#[test]
fn the_formats_have_the_same_data() {
    let workspace = Workspace::new();
    for key in ["a", "b"] {
        workspace
            .run(&format!(
                "jobs create {key} --cron @daily --url https://example.com/{key} --name 'Job {key}'"
            ))
            .ok();
    }
    let rows = workspace.run("jobs list --sort name").ok();
    let fields: Vec<Vec<&str>> = rows.lines().map(|line| line.split('\t').collect()).collect();
    assert_eq!(fields.len(), 2);
    assert_eq!(&fields[0][..4], ["a", "Job a", "active", "at 00:00, UTC"]);
    assert!(fields[0][4].ends_with("T00:00:00Z"), "{rows}");
    assert_eq!(workspace.run("jobs list --sort name -o id").ok(), "a\nb\n");
    let json: serde_json::Value =
        serde_json::from_str(&workspace.run("jobs list --sort name -o json").ok()).unwrap();
    let lines = workspace.run("jobs list --sort name -o ndjson").ok();
    let lines: Vec<serde_json::Value> =
        lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(json, serde_json::Value::Array(lines));
    assert!(workspace.run("jobs list --sort name -o yaml").ok().contains("\n- id: job_"));
    assert_eq!(workspace.run("jobs list --limit 1 -o id").ok().lines().count(), 1);
    let colours = workspace.run("jobs list --color always").ok();
    let by_variable = workspace.run("jobs list").env("CLICOLOR_FORCE", "1").env("NO_COLOR", "1").ok();
    assert!(
        !colours.contains("\u{1b}[") && !by_variable.contains("\u{1b}["),
        "without a terminal, a table has no styles"
    );
    workspace.run("jobs list -v").ends_with(0).reports(&["GET /v1/jobs?limit=50 200 req_"]);
}

#[test]
fn any_operation_can_be_called() {
    let workspace = Workspace::new();
    let created = workspace.run("api POST /v1/jobs -f name=x -f schedule.cron=@daily -f request.url=https://example.com/ -f concurrency_limit=2");
    assert!(created.ok().contains("\"concurrency_limit\": 2"));
    for number in 0..3 {
        workspace.run(&format!("jobs create j{number} --cron @daily --url https://example.com/")).ok();
    }
    let all: serde_json::Value =
        serde_json::from_str(&workspace.run("api GET /v1/jobs --paginate").ok()).unwrap();
    assert_eq!(all.as_array().unwrap().len(), 4);
    assert_eq!(workspace.run("api GET /v1/jobs -f q=x -o ndjson").ok().matches("\"name\":\"x\"").count(), 1);
    workspace.run("api GET /v1/nothing").ends_with(4);
    assert!(workspace.run("schema").ok().contains("\"title\": \"TrigRun jobs\""));
}

#[test]
fn secrets_channels_and_tokens_are_managed_without_a_value_in_an_argument() {
    let workspace = Workspace::new();
    workspace
        .run("secrets set key")
        .stdin("s3cr3t-value\n")
        .ends_with(0)
        .reports(&["version 1", "secret://key"]);
    workspace
        .run("secrets set key --from-env VALUE")
        .env("VALUE", "other-value")
        .ends_with(0)
        .reports(&["version 2"]);
    workspace.write("value", "third-value\n");
    workspace.run("secrets set key --from-file value").ends_with(0).reports(&["version 3"]);
    workspace.run("secrets set key --from-env UNSET").ends_with(1).reports(&["UNSET is not set"]);
    workspace.run("jobs create a --cron @daily --url https://example.com/ -H 'X-Key: secret://key'").ok();
    workspace.run("secrets get key").ends_with(0).prints(&["used by\ta (job_"]);
    workspace.run("secrets delete key").ends_with(5).reports(&["secret_in_use", "--force"]);
    workspace.run("secrets delete key --force").ok();

    let id =
        workspace.run("channels create hook --type webhook").stdin("http://127.0.0.1:9/x?key=t0p\n").ok();
    assert!(!workspace.run("channels list").ok().contains("t0p"));
    workspace.run("channels test hook").ok();
    assert_eq!(workspace.run("channels delete hook").ok(), id);
    workspace.run("channels delete hook").ends_with(4);

    let token = workspace.run("tokens create ci --scope jobs:read,jobs:write --expires 90d").ends_with(0);
    assert!(token.stdout.starts_with("trg_") && token.stdout.lines().count() == 1);
    let list = workspace.run("tokens list").ok();
    let row = list.lines().find(|line| line.contains("\tci\t")).unwrap();
    let id = row.split('\t').next().unwrap();
    let rotated = workspace.run(&format!("tokens rotate {id}")).ok();
    trigrun(&workspace.url, token.stdout.trim()).args(["jobs", "list"]).ends_with(3);
    trigrun(&workspace.url, rotated.trim()).args(["jobs", "list"]).ok();
    workspace.run(&format!("tokens revoke {id}")).ok();
    trigrun(&workspace.url, rotated.trim()).args(["jobs", "list"]).ends_with(3);
}
