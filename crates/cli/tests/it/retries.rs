//! What happens when connections break, or a part of the system is away.

use std::{net::TcpListener, process::Command};

use crate::{
    proxy::Proxy,
    system::{System, Workspace, trigrun},
    target::{Request, Target},
};

#[test]
fn a_request_whose_response_is_lost_takes_effect_once() {
    let (workspace, target) = (Workspace::new(), Target::start());
    let by = |proxy: &Proxy, line: &str| workspace.run(line).env("TRIGRUN_URL", &proxy.url);

    let proxy = Proxy::cutting_the_first(&workspace.url, "POST", "/v1/jobs");
    by(&proxy, &format!("jobs create a --cron @daily --url {}/ok", target.url)).ok();
    assert_eq!((proxy.cuts(), workspace.job_count()), (1, 1));

    let proxy = Proxy::cutting_the_first(&workspace.url, "POST", "/v1/jobs/a/run-now");
    by(&proxy, "jobs run a --wait").ok();
    assert_eq!((proxy.cuts(), target.hits("/ok")), (1, 1));

    workspace.write(
        "jobs.yaml",
        "stack: s\njobs:\n  b: {schedule: {cron: '@daily'}, request: {url: https://example.com/}}\n",
    );
    let proxy = Proxy::cutting_the_first(&workspace.url, "POST", "/v1/jobs/apply");
    by(&proxy, "apply -f jobs.yaml --yes").ok();
    assert_eq!((proxy.cuts(), workspace.job_count(), workspace.job("b", "/version")), (1, 2, 1.into()));

    let proxy = Proxy::cutting_the_first(&workspace.url, "DELETE", "/v1/jobs/a");
    by(&proxy, "jobs delete a --yes").ok();
    assert_eq!((proxy.cuts(), workspace.job_count()), (1, 1));

    let proxy = Proxy::cutting_the_first(&workspace.url, "GET", "/v1/jobs");
    by(&proxy, "jobs list --no-retry").ends_with(6).reports(&["broke"]);
}

#[test]
fn without_a_server_the_command_line_says_so() {
    trigrun("http://127.0.0.1:1", "trg_x")
        .args(["jobs", "list", "--no-retry"])
        .ends_with(6)
        .reports(&["cannot connect"]);
}

#[test]
fn an_unavailable_database_is_waited_for() {
    let system = System::start("database");
    let workspace = system.workspace();
    let processes = system.postgres();
    let signal = |signal: &str| {
        // A process of a connection may have ended in between.
        let _ = Command::new("kill").arg(signal).args(&processes).output().unwrap();
    };
    signal("-STOP");
    let ended = workspace.run("jobs list").output();
    signal("-CONT");
    assert_eq!(ended.code, 6, "{}", ended.stderr);
    ended.reports(&["unavailable, trying again", "503 unavailable"]);
    crate::system::until("the database is back", || workspace.run("jobs list").output().code == 0);
}

#[test]
fn an_encrypted_server_is_reached_by_the_proxy_of_the_environment() {
    let proxy = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let address = format!("http://{}", proxy.local_addr().unwrap());
    let run = trigrun("https://trigrun.example", "trg_x")
        .args(["whoami", "--no-retry"])
        .env("HTTPS_PROXY", &address);
    let seen = std::thread::spawn(move || {
        let request = Request::read(&proxy.accept().unwrap().0).unwrap();
        format!("{} {}", request.method, request.path)
    });
    run.ends_with(6);
    assert_eq!(seen.join().unwrap(), "CONNECT trigrun.example:443");
    let run = trigrun("https://trigrun.example", "trg_x")
        .args(["whoami", "--no-retry"])
        .env("HTTPS_PROXY", "http://127.0.0.1:1");
    run.env("NO_PROXY", "trigrun.example").ends_with(6).reports(&["cannot connect"]);
}
