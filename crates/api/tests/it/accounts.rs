//! What people without a session can learn and prevent; log-ins in the audit log; the end of an account.

use futures_util::future::join_all;
use hyper::Method;
use serde_json::{Value, json};
use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};
use trigrun_api::SignUp;

use crate::app::{App, PASSWORD, Response};

async fn sign_up(app: &App, email: &str) -> Value {
    app.post("/v1/auth/signup", &json!({ "email": email, "password": PASSWORD })).await.expect(201)
}

async fn log_in(app: &App, email: &str, password: &str) -> Response {
    app.post("/v1/auth/login", &json!({ "email": email, "password": password })).await
}

async fn as_user(app: &App, session: &Value, method: Method, path: &str) -> Response {
    app.send_as(session["token"].as_str().unwrap(), method, path, &[], "").await
}

#[tokio::test]
async fn another_users_invitation_does_not_show_which_addresses_have_an_account() {
    for mode in [SignUp::Open, SignUp::Invite, SignUp::Closed] {
        let app = App::start_with(|settings| settings.server.sign_up = mode).await;
        let member = app.member("member").await.parse::<trigrun_core::domain::id::UserId>().unwrap();
        let taken = format!("select email from users where id = '{}'", member.uuid());
        let taken = app.db.lines(&taken).await.remove(0);
        let invite = async |email: &str| {
            app.post("/v1/members", &json!({ "email": email })).await.expect(201)["invitation"].clone()
        };
        let of_another = invite("another@example.com").await;
        let invitations = [json!(format!("tri_{}", "a".repeat(36))), json!("tri_none"), of_another];
        for (number, invitation) in invitations.iter().enumerate() {
            let mut responses = BTreeSet::new();
            let mut shortest = [Duration::MAX; 2];
            // In turns, as for log-ins: a busy machine slows both alike.
            for _ in 0..3 {
                for (at, email) in [taken.as_str(), "free@example.com"].iter().enumerate() {
                    let body = json!({ "email": email, "password": PASSWORD, "invitation": invitation });
                    let id = [("x-request-id", "the-same")];
                    let started = Instant::now();
                    let response =
                        app.send_as("", Method::POST, "/v1/auth/signup", &id, &body.to_string()).await;
                    shortest[at] = shortest[at].min(started.elapsed());
                    responses.insert((response.status, response.text));
                }
            }
            assert_eq!(responses.len(), 1, "{mode:?} {invitation}: {responses:?}");
            let (status, _) = responses.first().unwrap();
            assert_eq!(status.as_u16(), if mode == SignUp::Closed { 403 } else { 422 });
            // The password of a well-formed request is hashed in either case.
            if number == 2 && mode != SignUp::Closed {
                assert!(shortest[0] > shortest[1] / 10 && shortest[1] > shortest[0] / 10, "{shortest:?}");
            }
        }
    }
}

/// Five wrong passwords at a time for one address, from the network of its owner, who logs in between them.
#[tokio::test]
async fn wrong_passwords_do_not_keep_a_user_out_of_a_known_network() {
    let app = App::new().await;
    sign_up(&app, "ada@example.com").await;
    let guess = async |email: &str| {
        let started = Instant::now();
        let response = log_in(&app, email, "not the password").await;
        // A refusal is late: guessing one after another takes a second each.
        assert!(response.status != 429 || started.elapsed() > Duration::from_millis(900));
        response.problem(response.status.as_u16())
    };
    let mut guesses = Vec::new();
    for _ in 0..7 {
        let wrong = join_all((0..5).map(|_| guess("ada@example.com")));
        let (wrong, right) =
            futures_util::future::join(wrong, log_in(&app, "ada@example.com", PASSWORD)).await;
        right.expect(200);
        guesses.extend(wrong);
    }
    let count = |code: &str, guesses: &[String]| guesses.iter().filter(|guess| *guess == code).count();
    assert!(count("rate_limited", &guesses) > 15, "{guesses:?}");
    // It looks the same for an address without a user: the limit does not show who has logged in from here.
    let mut of_unknown = Vec::new();
    for _ in 0..7 {
        of_unknown.extend(join_all((0..5).map(|_| guess("nobody@example.com"))).await);
    }
    for code in ["credentials_wrong", "rate_limited"] {
        let (ada, unknown) = (count(code, &guesses), count(code, &of_unknown));
        // Two at a time are verified, and neither knows yet that the other is wrong; one more is allowed each minute.
        assert!(ada.abs_diff(unknown) <= 4, "{code}: {ada} {unknown}");
    }
    assert_eq!(guesses.len(), count("credentials_wrong", &guesses) + count("rate_limited", &guesses));
}

#[tokio::test]
async fn log_ins_are_in_the_audit_log_of_every_workspace_of_the_user() {
    let app = App::new().await;
    let ada = sign_up(&app, "ada@example.com").await;
    let invited = app.post("/v1/members", &json!({ "email": "ada@example.com" })).await.expect(201);
    let accept = json!({ "invitation": invited["invitation"] }).to_string();
    let session = ada["token"].as_str().unwrap();
    app.send_as(session, Method::POST, "/v1/invitations/accept", &[], &accept).await.expect(200);
    log_in(&app, "ada@example.com", "not the password").await.expect(401);
    log_in(&app, "nobody@example.com", "not the password").await.expect(401);
    log_in(&app, "ADA@example.com", PASSWORD).await.expect(200);
    let failed = async {
        while app.db.count("select count(*) from audit_entries where action = 'user.log_in_failed'").await < 2
        {
        }
    };
    tokio::time::timeout(Duration::from_secs(60), failed).await.expect("failed log-ins are recorded");
    for action in ["user.logged_in", "user.log_in_failed"] {
        let log = app.get(&format!("/v1/audit-log?action={action}")).await.expect(200);
        assert_eq!(log["data"].as_array().unwrap().len(), 1, "{log}");
        let entry = &log["data"][0];
        assert_eq!((&entry["actor"]["id"], &entry["address"]), (&ada["user"]["id"], &json!("127.0.0.1")));
        let home = [("trigrun-workspace", ada["workspace_id"].as_str().unwrap())];
        let path = format!("/v1/audit-log?action={action}");
        let home = app.send_as(session, Method::GET, &path, &home, "").await.expect(200);
        assert_eq!(home["data"].as_array().unwrap().len(), 1, "{home}");
    }
}

#[tokio::test]
async fn users_delete_their_accounts() {
    let app = App::new().await;
    let ada = sign_up(&app, "ada@example.com").await;
    let other = log_in(&app, "ada@example.com", PASSWORD).await.expect(200);
    let delete = async |session: &Value| as_user(&app, session, Method::DELETE, "/v1/me").await;
    assert_eq!(delete(&json!({ "token": app.token })).await.problem(403), "session_required");
    assert_eq!(delete(&ada).await.problem(409), "last_owner");
    // A member, who may not even list the members, has a token and an invitation from better days.
    app.db
        .execute(&format!(
            "insert into members (workspace_id, user_id, role, created_at) select '{}', id, 'admin', now() from users
             where email = 'ada@example.com'",
            app.workspace.uuid()
        ))
        .await;
    let ours = app.workspace.to_string();
    let (ours, hers) = ([("trigrun-workspace", ours.as_str())], ada["workspace_id"].as_str().unwrap());
    let hers = [("trigrun-workspace", hers)];
    let session = ada["token"].as_str().unwrap();
    let token =
        app.send_as(session, Method::POST, "/v1/tokens", &ours, r#"{"name":"hers"}"#).await.expect(201);
    let invite = r#"{"email":"grace@example.com"}"#;
    app.send_as(session, Method::POST, "/v1/members", &ours, invite).await.expect(201);
    assert_eq!(delete(&ada).await.problem(409), "last_owner");
    as_user(&app, &token, Method::GET, "/v1/me").await.expect(200);
    app.send_as(session, Method::DELETE, "/v1/workspace", &hers, "").await.expect(204);
    as_user(&app, &other, Method::GET, "/v1/workspaces").await.expect(200);
    delete(&ada).await.expect(204);
    for gone in [&ada, &other, &token] {
        assert_eq!(as_user(&app, gone, Method::GET, "/v1/me").await.problem(401), "unauthorized");
    }
    assert_eq!(log_in(&app, "ada@example.com", PASSWORD).await.problem(401), "credentials_wrong");
    for table in ["users", "sessions", "members", "invitations"] {
        assert_eq!(app.db.count(&format!("select count(*) from {table}")).await, 0, "{table}");
    }
    let log = app.get("/v1/audit-log").await.expect(200).to_string();
    assert!(log.contains("member.removed") && log.contains("token.deleted"), "{log}");
    sign_up(&app, "ada@example.com").await;
}
