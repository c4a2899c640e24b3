//! The commands of `trigrun-api`, as an operator runs them.

use std::{
    ffi::OsStr,
    os::unix::ffi::OsStrExt,
    process::{Command, Output},
};
use trigrun_core::{crypto::seal, store::workspace_keys};
use trigrun_testkit::{TestDb, db, keys as master, process::command};

fn run(command: &mut Command) -> Output {
    command.output().expect("the binary can be run")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("text")
}

#[tokio::test]
async fn commands_lead_from_an_empty_database_to_a_token() {
    let db = TestDb::new().await;
    db.execute("drop schema public cascade; create schema public").await;
    let api = |arguments: &[&str]| {
        let output = run(command("api", &db.settings()).args(arguments));
        assert!(output.status.success(), "{arguments:?}: {}", text(&output.stderr));
        text(&output.stdout)
    };
    let migrated = api(&["migrate"]);
    assert!(migrated.starts_with("ran ") && migrated.ends_with("the schema is up to date\n"), "{migrated}");
    assert_eq!(api(&["migrate"]), "the schema is up to date\n", "it can be repeated");
    let workspace = api(&["workspace", "create", "--name", "billing"]);
    let workspace = workspace.trim();
    assert!(workspace.starts_with("ws_"), "{workspace}");
    assert_eq!(api(&["workspace", "list"]), format!("{workspace}  billing  default\n"));
    let token = api(&["token", "create", "--workspace", workspace, "--name", "ci", "--scope", "jobs:read"]);
    assert!(token.starts_with("trg_") && token.trim().len() == 40, "{token}");
    assert_eq!(db.lines("select scopes from tokens").await, ["{jobs:read}"]);
    assert_eq!(
        db.count(&format!("select count(*) from tokens where hash::text like '%{}%'", token.trim())).await,
        0
    );
    assert!(api(&["openapi"]).contains("\"openapi\": \"3.1"));
    let plan = ["workspace", "plan", "--workspace", workspace, "--plan", "default", "--reason", "a trial"];
    assert_eq!(api(&plan), format!("{workspace} has the plan default\n"));
    let key = api(&["keys", "generate"]);
    assert!(key.trim().split_once(':').is_some_and(|(id, key)| id.len() == 8 && key.len() == 44), "{key}");
}

#[tokio::test]
async fn error_messages_say_what_to_do() {
    let db = TestDb::new().await;
    let api = |arguments: &[&str]| {
        let output = run(command("api", &db.settings()).args(arguments));
        assert!(!output.status.success(), "{arguments:?}");
        text(&output.stderr)
    };
    assert!(
        api(&["token", "create", "--workspace", "nonsense", "--name", "x"])
            .contains("must be an id like ws_")
    );
    let absent = "ws_01h455vb4pex5vsknk084sn02q";
    assert!(api(&["token", "create", "--workspace", absent, "--name", "x"]).contains(absent));
    assert!(
        api(&["token", "create", "--workspace", absent, "--name", "x", "--scope", "all"])
            .contains("jobs:read")
    );
    let plan =
        |plan| api(&["workspace", "plan", "--workspace", absent, "--plan", plan, "--reason", "a trial"]);
    assert!(plan("pro").contains("there is no plan pro; the settings have: default"));
    assert!(plan("default").contains(absent));
    assert!(api(&["sing"]).contains("Usage"));
    assert!(api(&["serve"]).contains("trigrun-api keys generate"), "without a key");
    assert!(api(&["keys", "rewrap"]).contains("trigrun-api keys generate"));
}

/// Whatever is wrong with it: the message goes to the log.
#[tokio::test]
async fn no_message_contains_the_value_of_a_wrong_setting() {
    let db = TestDb::new().await;
    let values: [&[u8]; 7] = [
        b"s3cret-canary",
        b"[\"s3cret-canary",
        b"[\"s3cret-canary\"]",
        b"[\"k:s3cret-canary\"]",
        b"[\"s3cretcanary0123456789abcdefcanary:k\"]",
        b"[[\"s3cret-canary\"]]",
        b"s3cret-canary\xff",
    ];
    for (name, settings) in [
        ("api", &["KEYS__MASTER", "POSTGRES__URL", "REDIS__URL", "SMTP__URL"][..]),
        ("scheduler", &["POSTGRES__URL", "REDIS__URL"]),
        ("executor", &["KEYS__MASTER", "SMTP__URL", "REDIS__URL"]),
    ] {
        for setting in settings {
            for value in values {
                let mut command = command(name, &db.settings());
                command.env("TRIGRUN__REDIS__URL", "redis://127.0.0.1:1");
                if name != "scheduler" {
                    command.env("TRIGRUN__KEYS__MASTER", format!("[\"{}\"]", master::master()));
                    command.env("TRIGRUN__SMTP__FROM", "a@example.com");
                }
                command.env(format!("TRIGRUN__{setting}"), OsStr::from_bytes(value));
                let output = run(&mut command);
                let all = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
                assert!(!output.status.success(), "{name} {setting}: {all}");
                assert!(!all.contains("canary") && !all.contains("s3cret"), "{name} {setting}: {all}");
            }
        }
    }
}

#[tokio::test]
async fn a_new_master_key_replaces_the_old_one() {
    let db = TestDb::new().await;
    let workspace = db.workspace("a").await;
    let old = master::keys();
    workspace_keys::data_key(&mut *db.conn().await, workspace, &old).await.unwrap();
    let new = seal::new_master_key().unwrap();
    let id = |key: &str| key.split(':').next().unwrap().to_owned();
    let api = |keys: String, arguments: &[&str]| {
        run(command("api", &db.settings()).env("TRIGRUN__KEYS__MASTER", keys).args(arguments))
    };
    let new_only = api(format!("[\"{new}\"]"), &["serve"]);
    assert!(
        !new_only.status.success()
            && text(&new_only.stderr)
                .contains(&format!("the master key {}, which is not in", id(master::master()))),
        "{}",
        text(&new_only.stderr)
    );
    let both = format!("[\"{new}\", \"{}\"]", master::master());
    for _ in 0..2 {
        let rewrapped = api(both.clone(), &["keys", "rewrap"]);
        assert!(
            text(&rewrapped.stdout).ends_with(&format!("all keys are wrapped by {}\n", id(&new))),
            "{}",
            text(&rewrapped.stderr)
        );
    }
    assert_eq!(db.lines("select distinct master_key from workspace_keys").await, [id(&new)]);
}

#[test]
fn every_binary_rejects_invalid_settings_and_reports_all_of_them() {
    for name in ["api", "scheduler", "executor"] {
        let mut command = command(name, &db::settings("postgres"));
        command
            .env("TRIGRUN__POSTGRES__MAX_CONNECTIONS", "many")
            .env("TRIGRUN__TELEMETRY__LOG_FORMATT", "json");
        let output = run(&mut command);
        let errors = text(&output.stderr);
        assert!(
            !output.status.success() && errors.contains("TRIGRUN__POSTGRES__MAX_CONNECTIONS"),
            "{name}: {errors}"
        );
        assert!(errors.contains("did you mean TRIGRUN__TELEMETRY__LOG_FORMAT?"), "{name}: {errors}");
    }
}
