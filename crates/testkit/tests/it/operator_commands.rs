//! What an operator does to an installation, its workspaces and its users, with the commands of `trigrun-api`.

use trigrun_testkit::{TestDb, jobs::every_seconds};

use crate::operator::{Operator, due_run};

#[tokio::test]
async fn an_operator_suspends_and_resumes_a_workspace() {
    let db = TestDb::new().await;
    let operator = Operator::of(&db);
    let id = db.workspace("a").await.to_string();
    let run = |words: &[&str]| operator.run(&[&["workspace"], words].concat());
    let suspend = ["suspend", "--workspace", &id, "--reason", "unpaid"];
    for expected in ["is suspended: nothing of it begins", "was suspended already"] {
        let (success, text) = run(&suspend);
        assert!(success && text.contains(expected), "{text}");
    }
    let (_, text) = run(&["list"]);
    assert!(text.contains("  a  default  (suspended since 2") && text.contains(": unpaid)"), "{text}");
    for expected in ["is resumed", "was not suspended"] {
        let (success, text) = run(&["resume", "--workspace", &id, "--reason", "paid"]);
        assert!(success && text.contains(expected), "{text}");
    }
    let limits = ["limits", "--workspace", &id, "--jobs", "5", "--channels", "0", "--reason", "a trial"];
    let (success, text) = run(&limits);
    assert!(success && text.contains("has limits of its own: jobs=5 channels=0"), "{text}");
    let stored = "select concat_ws(' ', max_jobs, max_channels, coalesce(max_members, -1)) from workspaces";
    assert_eq!(db.lines(stored).await, ["5 0 -1"]);
    assert!(run(&["list"]).1.contains("  a  default jobs=5 channels=0\n"), "{:?}", run(&["list"]));
    let (_, text) = run(&["limits", "--workspace", &id, "--reason", "the trial is over"]);
    assert!(text.contains("has the limits of its plan"), "{text}");
    let absent = "ws_01h455vb4pex5vsknk084sn02q";
    for wrong in
        [&["suspend", "--workspace", &id][..], &["resume", "--workspace", absent, "--reason", "paid"]]
    {
        let (success, text) = run(wrong);
        assert!(!success && (text.contains("--reason") || text.contains(absent)), "{text}");
    }
}

#[tokio::test]
async fn an_operator_helps_users() {
    let db = TestDb::new().await;
    let operator = Operator::of(&db);
    let run = |words: &[&str], input: &str| operator.run_with(words, input);
    let create = ["admin", "create", "--email", "ada@example.com", "--workspace", "billing"];
    let (success, text) = run(&create, "a good password\n");
    assert!(success, "{text}");
    db.execute(
        "insert into sessions (id, user_id, hash, kind, created_at, expires_at, confirmed_until, last_seen_at, address)
         select gen_random_uuid(), id, 'h', 'token', now(), now() + interval '1 day', now(), now(), '192.0.2.7' from users",
    )
    .await;
    let of_ada =
        |command| ["user", command, "--email", "ada@example.com", "--reason", "asked", "--by", "bob"];
    let show = ["user", "show", "--email", "ada@example.com"];
    let (success, text) = run(&show, "");
    assert!(success && text.contains("ada@example.com  ada\n"), "{text}");
    assert!(text.contains("  owner  billing\n") && text.contains(" from 192.0.2.7\n"), "{text}");
    assert!(run(&of_ada("end-sessions"), "").1.contains("ended 1 sessions"));
    let before = db.lines("select password_hash from users").await;
    let (success, text) = run(&of_ada("password"), "short\n");
    assert!(!success && text.contains("the password"), "{text}");
    assert!(run(&of_ada("password"), "another good password\n").0);
    assert_ne!(db.lines("select password_hash from users").await, before);
    let (success, text) = run(&of_ada("delete"), "");
    assert!(!success && text.contains("is the only owner of a workspace"), "{text}");
    let written = "select action || ' ' || array_to_string(details, ' ') from audit_entries where actor = 'operator' and action ~ 'user' order by id";
    let expected = ["user.session_ended session all", "user.password_changed by operator"];
    assert_eq!(db.lines(written).await, expected);
    db.execute("update workspaces set deleted_at = now()").await;
    assert!(run(&of_ada("delete"), "").1.contains("deleted ada@example.com"));
    let by_operators = "select operator || ' ' || action || ' ' || reason || ' ' || target_name from operator_entries order by id";
    let expected = [
        "command line workspace.created created by a command billing",
        "command line user.created created by a command ada@example.com",
        "bob user.sessions_ended asked ada@example.com",
        "bob user.password_changed asked ada@example.com",
        "bob user.deleted asked ada@example.com",
    ];
    assert_eq!(db.lines(by_operators).await, expected);
    let (success, text) = run(&show, "");
    assert!(!success && text.contains("no user has the address ada@example.com"), "{text}");
}

#[tokio::test]
async fn an_operator_holds_and_releases_the_installation() {
    let db = TestDb::new().await;
    let operator = Operator::of(&db);
    let workspace = db.workspace("a").await;
    let job = db.job(workspace, &every_seconds(60, "http://192.0.2.1/")).await;
    assert!(operator.run(&["release", "--missed", "run", "--reason", "none"]).1.contains("not held"));
    let (success, text) = operator.run(&["hold", "--reason", "restored backup"]);
    assert!(success && text.starts_with("held: within a second"), "{text}");
    let (success, text) = operator.run(&["hold", "--reason", "another reason"]);
    assert!(success && text.starts_with("already held since") && text.contains("restored backup"), "{text}");
    let (_, text) = operator.run(&["doctor"]);
    assert!(text.contains("warn   hold") && text.contains("nothing is sent: restored backup"), "{text}");
    for wrong in [
        &["hold", "--reason", ""][..],
        &["hold"],
        &["release"],
        &["release", "--missed", "later"],
        &["release", "--missed", "run"],
    ] {
        let (success, text) = operator.run(wrong);
        assert!(!success && (text.contains("--reason") || text.contains("--missed")), "{text}");
    }
    // The timer has missed fires for ten minutes, and an execution waits.
    let late = format!(
        "update job_timers set next_run_at = now() - interval '10 minutes', anchor_at = now() - interval '11 minutes' where job_id = '{}'",
        job.uuid()
    );
    db.execute(&late).await;
    db.execute(&due_run(job)).await;
    let (_, text) = operator.run(&["doctor"]);
    assert!(text.contains("ok     schedulers   fires wait for the release"), "{text}");
    assert!(text.contains("ok     work         1 executions wait"), "{text}");
    let (success, text) = operator.run(&["release", "--missed", "skip", "--reason", "checked"]);
    assert!(success, "{text}");
    let done = "cancelled 1 executions that were waiting, and skipped the missed fires of 1 timers";
    for line in [done, "released: "] {
        assert!(text.contains(line), "{line}: {text}");
    }
    let ended = "select status || ' ' || coalesce(skip_count::text, '-') from executions order by status";
    assert_eq!(db.lines(ended).await, ["cancelled -", "skipped 11"]);
    assert_eq!(db.count("select count(*) from job_timers where next_run_at > now()").await, 1);
    assert_eq!(db.lines("select reason || ', ' || missed from holds").await, ["restored backup, skip"]);
    let (_, text) = operator.run(&["doctor"]);
    assert!(text.contains("ok     hold         none"), "{text}");
}

#[tokio::test]
async fn operators_are_created_listed_and_deleted() {
    let db = TestDb::new().await;
    let operator = Operator::of(&db);
    let create = ["operator", "create", "--name", "ada", "--expires-in-days", "90"];
    let (success, token) = operator.run(&create);
    assert!(success && token.starts_with("tro_") && token.trim().len() == 40, "{token}");
    assert_eq!(db.count("select count(*) from operators where length(hash) = 32").await, 1);
    let (success, text) = operator.run(&create);
    assert!(!success && text.contains("there is an operator ada"), "{text}");
    let (_, text) = operator.run(&["operator", "list"]);
    assert!(
        text.starts_with("opr_") && text.contains("  ada  created at 2") && text.contains("expires at"),
        "{text}"
    );
    for (arguments, succeeds, expected) in [
        (&["operator", "delete", "--name", "ada"][..], false, "--reason"),
        (&["operator", "delete", "--name", "bob", "--reason", "left"], false, "the operator bob"),
        (&["operator", "delete", "--name", "ada", "--reason", "left"], true, "deleted ada"),
        (&["operator", "create", "--name", ""], false, "--name"),
    ] {
        let (success, text) = operator.run(arguments);
        assert!(success == succeeds && text.contains(expected), "{arguments:?}: {text}");
    }
    assert_eq!(
        db.lines("select action || ' ' || reason from operator_entries order by id").await,
        ["operator.created created by a command", "operator.deleted left",]
    );
}
