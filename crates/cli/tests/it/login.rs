//! Profiles and tokens.

use std::{fs, os::unix::fs::PermissionsExt};

use crate::system::{System, Workspace, trigrun};

#[test]
fn a_token_is_stored_for_its_user_only_and_never_printed() {
    let workspace = Workspace::new();
    let file = workspace.directory.join("config/trigrun/config.toml");
    let run = trigrun("", "").args(["login", "--with-token", "--url", &workspace.url]);
    let ended =
        run.env("XDG_CONFIG_HOME", workspace.directory.join("config")).stdin(&workspace.token).ends_with(0);
    ended.prints(&[&workspace.name, "jobs:write"]).reports(&[file.to_str().unwrap()]);
    assert!(!ended.stdout.contains(&workspace.token) && !ended.stderr.contains(&workspace.token));
    let mode = |path: &std::path::Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&file), mode(file.parent().unwrap())), (0o600, 0o700));

    let with_file = |args: &[&str]| trigrun("", "").args(args).env("TRIGRUN_CONFIG", &file);
    with_file(&["whoami"]).ends_with(0).prints(&[&workspace.name, "the profile default"]);
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    with_file(&["whoami"]).ends_with(0).reports(&["other users can read the tokens", "chmod 600"]);
}

#[test]
fn a_token_is_not_sent_to_another_server() {
    let workspace = Workspace::new();
    let file = workspace.directory.join("config.toml");
    let with_file = |args: &[&str]| trigrun("", "").args(args).env("TRIGRUN_CONFIG", &file);
    with_file(&["login", "--with-token", "--url", &workspace.url]).stdin(&workspace.token).ok();
    let other = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
    other.set_nonblocking(true).unwrap();
    let url = format!("http://{}", other.local_addr().unwrap());
    with_file(&["jobs", "list", "--server", &url]).ends_with(3).reports(&["belongs to", &workspace.url]);
    with_file(&["jobs", "list"]).env("TRIGRUN_URL", &url).ends_with(3).reports(&["belongs to"]);
    assert_eq!(other.accept().unwrap_err().kind(), std::io::ErrorKind::WouldBlock);
}

#[test]
fn a_token_is_not_sent_without_encryption() {
    trigrun("http://192.0.2.1", "trg_x").args(["whoami"]).ends_with(3).reports(&["is not encrypted"]);
}

#[test]
fn a_wrong_token_is_refused_with_a_way_out() {
    let url = &System::shared().url;
    trigrun(url, "trg_bad").args(["whoami"]).ends_with(3).reports(&[
        "401 unauthorized",
        "trigrun login",
        "TRIGRUN_TOKEN",
    ]);
    trigrun("", "").args(["whoami"]).ends_with(3).reports(&["there is no server", "trigrun login"]);
    trigrun(url, "").args(["whoami"]).ends_with(3).reports(&["there is no token"]);
}

#[test]
fn log_out_ends_the_token_on_the_server() {
    let workspace = Workspace::new();
    let file = workspace.directory.join("config.toml");
    let with_file = |args: &[&str]| trigrun("", "").args(args).env("TRIGRUN_CONFIG", &file);
    with_file(&["login", "--with-token", "--url", &workspace.url]).stdin(&workspace.token).ok();
    with_file(&["logout"]).ok();
    workspace.run("whoami").ends_with(3);
    assert!(!fs::read_to_string(&file).unwrap().contains("trg_"));
    with_file(&["logout"]).ends_with(1).reports(&["no profile"]);
}

#[test]
fn without_a_terminal_the_ways_to_log_in_are_named() {
    trigrun("", "")
        .args(["login", "--url", "https://example.com"])
        .ends_with(1)
        .reports(&["--with-token", "TRIGRUN_TOKEN"]);
}

#[test]
fn a_missing_scope_is_named_with_the_command_that_helps() {
    let workspace = Workspace::new();
    let token = workspace.run("tokens create reader --scope jobs:read --expires 1d").ok();
    let run = trigrun(&workspace.url, token.trim()).args(["jobs", "run", "x"]);
    run.ends_with(3).reports(&["scope_missing", "trigrun tokens create NAME --scope jobs:run"]);
}
