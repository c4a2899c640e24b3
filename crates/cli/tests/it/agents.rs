//! `trigrun mcp` as an agent uses it: lines of JSON on its standard input and output.

use serde_json::{Value, json};
use std::{
    io::{BufRead, BufReader, Write},
    process::{Child, ChildStdin, Stdio},
    sync::mpsc::{self, Receiver},
    thread,
    time::Duration,
};

use crate::{system::Workspace, target::Target};

/// Only ends a test that hangs.
const TIMEOUT: Duration = Duration::from_secs(600);
const INITIALIZE: &str = r#"{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-06-18","capabilities":{},"clientInfo":{"name":"recorded","version":"1"}}}"#;
const INITIALIZED: &str = r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#;
const READ_TOOLS: [&str; 8] = [
    "list_jobs",
    "get_job",
    "list_executions",
    "get_execution",
    "explain_job",
    "explain_schedule",
    "check_ledger",
    "convert",
];
const WRITE_TOOLS: [&str; 4] = ["apply_jobs", "run_job", "set_job_state", "replay_execution"];

struct Agent {
    child: Child,
    stdin: ChildStdin,
    lines: Receiver<String>,
    next_id: u64,
}

impl Agent {
    /// Starts `trigrun mcp`, without a session.
    fn start(workspace: &Workspace, arguments: &str) -> Self {
        let mut command = workspace.run(&format!("mcp {arguments}")).command;
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let (sender, lines) = mpsc::channel();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        thread::spawn(move || stdout.lines().map_while(Result::ok).try_for_each(|line| sender.send(line)));
        let stdin = child.stdin.take().unwrap();
        Self { child, stdin, lines, next_id: 1 }
    }

    /// With a session that began with `initialize`.
    fn new(workspace: &Workspace, arguments: &str) -> Self {
        let mut agent = Self::start(workspace, arguments);
        let welcome = agent.ask(INITIALIZE);
        assert_eq!(welcome["result"]["protocolVersion"], "2025-06-18", "{welcome}");
        assert_eq!(welcome["result"]["serverInfo"]["name"], "trigrun");
        agent.tell(INITIALIZED);
        agent
    }

    fn tell(&mut self, line: &str) {
        writeln!(self.stdin, "{line}").unwrap();
    }

    fn ask(&mut self, line: &str) -> Value {
        self.tell(line);
        serde_json::from_str(&self.lines.recv_timeout(TIMEOUT).unwrap()).unwrap()
    }

    fn request(&mut self, method: &str, params: Value) -> Value {
        let id = self.next_id;
        self.next_id += 1;
        let line = json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params }).to_string();
        let answer = self.ask(&line);
        assert_eq!(answer["id"], id, "{answer}");
        answer
    }

    fn tools(&mut self) -> Vec<String> {
        let answer = self.request("tools/list", json!({}));
        names(&answer)
    }

    /// The structured result of a tool that succeeds.
    fn call(&mut self, tool: &str, arguments: Value) -> Value {
        let answer = self.request("tools/call", json!({ "name": tool, "arguments": arguments }));
        assert_eq!(answer["result"]["isError"], false, "{answer}");
        answer["result"]["structuredContent"].clone()
    }

    /// The text of a tool that fails.
    fn fail(&mut self, tool: &str, arguments: Value) -> String {
        let answer = self.request("tools/call", json!({ "name": tool, "arguments": arguments }));
        assert_eq!(answer["result"]["isError"], true, "{answer}");
        answer["result"]["content"][0]["text"].as_str().unwrap().to_owned()
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        // A test that failed has no use for it.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn names(answer: &Value) -> Vec<String> {
    let tools = answer["result"]["tools"].as_array().unwrap_or_else(|| panic!("{answer}"));
    tools.iter().map(|tool| tool["name"].as_str().unwrap().to_owned()).collect()
}

fn jobs(url: &str) -> Value {
    json!({ "hello": { "name": "hello", "schedule": { "cron": "0 9 * * MON" }, "request": { "url": format!("{url}/ok") } } })
}

#[test]
fn both_ways_to_begin_a_session_are_understood() {
    let workspace = Workspace::new();
    let mut agent = Agent::new(&workspace, "");
    assert_eq!(agent.tools(), [&READ_TOOLS[..], &WRITE_TOOLS[..]].concat());
    let mut agent = Agent::start(&workspace, "");
    let meta = r#""_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientInfo":{"name":"recorded","version":"1"},"io.modelcontextprotocol/clientCapabilities":{}}"#;
    let found =
        agent.ask(&format!(r#"{{"jsonrpc":"2.0","id":1,"method":"server/discover","params":{{{meta}}}}}"#));
    assert!(found["result"]["capabilities"]["tools"].is_object(), "{found}");
    let listed =
        agent.ask(&format!(r#"{{"jsonrpc":"2.0","id":2,"method":"tools/list","params":{{{meta}}}}}"#));
    assert_eq!(names(&listed).len(), READ_TOOLS.len() + WRITE_TOOLS.len());
    let called = agent.ask(&format!(
        r#"{{"jsonrpc":"2.0","id":3,"method":"tools/call","params":{{"name":"list_jobs","arguments":{{}},{meta}}}}}"#
    ));
    assert_eq!(called["result"]["structuredContent"], json!({ "data": [], "next_cursor": null }), "{called}");
}

#[test]
fn only_tools_that_the_token_may_use_are_offered() {
    let workspace = Workspace::new();
    assert_eq!(Agent::new(&workspace, "--read-only").tools(), READ_TOOLS);
    let token = workspace.run("tokens create reader --scope jobs:read --expires 1d -o json").ok();
    let mut reader = Workspace::new();
    reader.token = crate::system::text(&token, "/token");
    let mut agent = Agent::new(&reader, "");
    assert_eq!(agent.tools(), ["list_jobs", "get_job", "explain_schedule", "convert"]);
    // A tool that is not offered is refused by the server, too.
    let refused = agent.fail("apply_jobs", json!({ "stack": "web", "jobs": jobs("https://example.com") }));
    assert!(refused.contains("jobs:write"), "{refused}");
    let mut agent = Agent::new(&workspace, "--read-only");
    let unknown = agent.request("tools/call", json!({ "name": "apply_jobs", "arguments": {} }));
    assert_eq!(unknown["error"]["message"], "there is no tool apply_jobs");
}

#[test]
fn jobs_are_applied_only_with_the_confirmation_of_the_same_plan() {
    let workspace = Workspace::new();
    let mut agent = Agent::new(&workspace, "");
    let arguments = |confirm: Option<&Value>| {
        let mut arguments = json!({ "stack": "web", "jobs": jobs("https://example.com") });
        if let Some(confirm) = confirm {
            arguments["confirm"] = confirm.clone();
        }
        arguments
    };
    let planned = agent.call("apply_jobs", arguments(None));
    assert_eq!(
        (&planned["done"], &planned["plan"]["summary"]["create"]),
        (&json!(false), &json!(1)),
        "{planned}"
    );
    assert_eq!(workspace.job_count(), 0, "a plan changes nothing");

    let mut others = arguments(Some(&planned["confirm"]));
    others["jobs"]["hello"]["name"] = json!("other");
    let refused = agent.call("apply_jobs", others);
    assert_eq!(refused["done"], false);
    assert!(refused["next"].as_str().unwrap().contains("another than the confirmed one"), "{refused}");
    assert_eq!(workspace.job_count(), 0, "the confirmation is of other jobs");

    let done = agent.call("apply_jobs", arguments(Some(&planned["confirm"])));
    assert_eq!((&done["done"], &done["result"]["summary"]["create"]), (&json!(true), &json!(1)), "{done}");
    assert_eq!(workspace.job("hello", "/name"), "hello");
    let again = agent.call("apply_jobs", arguments(None));
    assert_eq!(again["done"], true, "nothing is left to do: {again}");

    // Another client changes the job between the plan and the confirmation.
    let mut change = arguments(None);
    change["jobs"]["hello"]["name"] = json!("changed");
    change["confirm"] = agent.call("apply_jobs", change.clone())["confirm"].clone();
    workspace.run("jobs update hello --name theirs").ok();
    assert_eq!(agent.call("apply_jobs", change)["done"], false);
    assert_eq!(workspace.job("hello", "/name"), "theirs");
}

#[test]
fn a_run_is_made_once_for_each_confirmation() {
    let target = Target::start();
    let workspace = Workspace::new();
    workspace.run(&format!("jobs create hello --cron '0 9 * * MON' --url {}/ok", target.url)).ok();
    let mut agent = Agent::new(&workspace, "");
    let planned = agent.call("run_job", json!({ "job": "hello" }));
    assert_eq!(planned["plan"]["request"]["url"], format!("{}/ok", target.url));
    assert_eq!(target.hits("/ok"), 0);
    let confirmed = json!({ "job": "hello", "confirm": planned["confirm"] });
    let first = agent.call("run_job", confirmed.clone());
    assert_eq!(first["execution"]["status"], "succeeded", "{first}");
    let second = agent.call("run_job", confirmed);
    assert_eq!(first["execution"]["id"], second["execution"]["id"]);
    assert_eq!(target.hits("/ok"), 1, "the second call is the same run");

    let execution = first["execution"]["id"].clone();
    let attempt = agent.call("get_execution", json!({ "execution": execution }))["attempts"][0].clone();
    for absent in ["body_preview", "response_headers", "untrusted_body"] {
        assert!(attempt.get(absent).is_none(), "{attempt}");
    }
    let shown = agent.call("get_execution", json!({ "execution": execution, "include_body": true }));
    assert!(shown["attempts"][0]["untrusted_body"]["text"].is_string(), "{shown}");

    let planned = agent.call("replay_execution", json!({ "execution": execution }));
    assert_eq!(planned["plan"]["replay_of"]["id"], execution);
    let replayed =
        agent.call("replay_execution", json!({ "execution": execution, "confirm": planned["confirm"] }));
    assert_eq!(replayed["execution"]["replay_of"], execution, "{replayed}");
    assert_eq!(target.hits("/ok"), 2);
    let listed = agent.call("list_executions", json!({ "job": "hello" }));
    assert_eq!(listed["data"].as_array().unwrap().len(), 2);
}

#[test]
fn a_job_is_paused_and_resumed() {
    let workspace = Workspace::new();
    workspace.run("jobs create hello --every 15m --url https://example.com/ok").ok();
    let mut agent = Agent::new(&workspace, "");
    for state in ["paused", "active"] {
        let planned = agent.call("set_job_state", json!({ "job": "hello", "state": state }));
        assert_eq!(planned["plan"]["state"]["after"], state);
        assert_ne!(workspace.job("hello", "/state"), state);
        let done = agent
            .call("set_job_state", json!({ "job": "hello", "state": state, "confirm": planned["confirm"] }));
        assert_eq!(done["job"]["state"], state, "{done}");
        assert_eq!(workspace.job("hello", "/state"), state);
    }
}

#[test]
fn questions_are_answered_and_mistakes_explained() {
    let workspace = Workspace::new();
    workspace.run("jobs create hello --every 15m --url https://example.com/ok").ok();
    let mut agent = Agent::new(&workspace, "");
    let listed = agent.call("list_jobs", json!({ "host": "example.com" }));
    assert_eq!(listed["data"][0]["key"], "hello");
    assert_eq!(
        agent.call("get_job", json!({ "job": "hello" }))["schedule"],
        json!({ "every_n_minutes": 15 })
    );
    let explained = agent.call(
        "explain_schedule",
        json!({ "kind": "cron", "schedule": { "cron": "30 2 * * *", "timezone": "Europe/Berlin" }, "count": 1 }),
    );
    assert_eq!(explained["schedule_in_words"], "at 02:30, Europe/Berlin time");
    let why = agent.call("explain_job", json!({ "job": "hello", "at": "2020-01-01T00:00:00Z" }));
    assert!(why["sentence"].is_string(), "{why}");
    for ledger in [json!({}), json!({ "job": "hello" })] {
        assert_eq!(agent.call("check_ledger", ledger.clone())["gaps"], 0, "{ledger}");
    }
    let converted = agent.call(
        "convert",
        json!({ "source": "0 9 * * * curl -H 'Authorization: Bearer stranger-than-fiction' https://example.com/report" }),
    );
    assert_eq!(converted["jobs"].as_object().unwrap().len(), 1, "{converted}");
    assert_eq!(converted["secrets"].as_array().unwrap().len(), 1);
    assert!(!converted.to_string().contains("stranger-than-fiction"), "{converted}");

    let unknown = agent.fail("get_job", json!({ "job": "helo" }));
    assert!(unknown.contains("there is no job helo") && unknown.contains("Did you mean hello?"), "{unknown}");
    let wrong = agent.fail("get_job", json!({ "name": "hello" }));
    assert!(wrong.starts_with("the arguments are wrong: unknown field `name`"), "{wrong}");
    let wrong =
        agent.fail("explain_schedule", json!({ "kind": "cron", "schedule": { "cron": "61 * * * *" } }));
    assert!(wrong.contains("/schedule/cron"), "{wrong}");
}
