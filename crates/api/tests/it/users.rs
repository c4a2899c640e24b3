//! Users, sessions, members, invitations and tokens.

use hyper::Method;
use serde_json::{Value, json};
use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};
use trigrun_api::SignUp;

use crate::app::{Api, App, PASSWORD};

fn signup(email: &str) -> Value {
    json!({ "email": email, "password": PASSWORD })
}

#[tokio::test]
async fn from_sign_up_to_log_out() {
    let app = App::new().await;
    let body = json!({ "email": "Ada@Example.com", "password": PASSWORD, "name": "Ada", "workspace_name": "engines" });
    let session = app.post("/v1/auth/signup", &body).await.expect(201);
    let token = session["token"].as_str().unwrap().to_owned();
    assert_eq!(
        (&session["user"]["email"], &session["user"]["name"]),
        (&json!("ada@example.com"), &json!("Ada"))
    );
    assert!(token.starts_with("trs_"));
    let get = async |token: &str, path: &str| app.send_as(token, Method::GET, path, &[], "").await;
    let me = get(&token, "/v1/me").await.expect(200);
    assert_eq!(
        (&me["role"], &me["workspace_id"], &me["token_id"]),
        (&json!("owner"), &session["workspace_id"], &Value::Null)
    );
    let workspaces = get(&token, "/v1/workspaces").await.expect(200);
    assert_eq!(
        workspaces["data"],
        json!([{ "id": session["workspace_id"], "name": "engines", "role": "owner", "suspended": null }])
    );
    let job = crate::app::job(&json!({})).to_string();
    app.send_as(&token, Method::POST, "/v1/jobs", &[], &job).await.expect(201);
    app.send_as(&token, Method::POST, "/v1/auth/logout", &[], "").await.expect(204);
    assert_eq!(get(&token, "/v1/me").await.problem(401), "unauthorized");
    let again = app.post("/v1/auth/login", &signup("ADA@example.com")).await.expect(200);
    get(again["token"].as_str().unwrap(), "/v1/me").await.expect(200);
    assert_eq!(app.post("/v1/auth/signup", &signup("ada@example.com")).await.problem(409), "email_taken");
    let dump = app.db.lines("select string_agg(u::text, '') from users u").await.join("");
    assert!(dump.contains("$argon2id$") && !dump.contains(PASSWORD));
}

#[tokio::test]
async fn an_unknown_address_and_a_wrong_password_get_the_same_response() {
    let app = App::new().await;
    app.post("/v1/auth/signup", &signup("ada@example.com")).await.expect(201);
    let failed_login = async |email: &str, password: &str| {
        let started = Instant::now();
        let request = [("x-request-id", "the-same")];
        let body = json!({ "email": email, "password": password }).to_string();
        let response = app.send_as("", Method::POST, "/v1/auth/login", &request, &body).await;
        assert_eq!(response.problem(401), "credentials_wrong");
        (response.text, started.elapsed())
    };
    failed_login("warm@example.com", PASSWORD).await;
    // The shortest of several, taken in turns: a busy machine then slows all three alike. Without hashing a password, a response takes a
    // fiftieth of the time.
    let attempts = [
        ("ada@example.com", "another password"),
        ("unknown@example.com", PASSWORD),
        ("not an address", PASSWORD),
    ];
    let mut shortest = [Duration::MAX; 3];
    let mut texts = BTreeSet::new();
    for _ in 0..5 {
        for (at, (email, password)) in attempts.iter().enumerate() {
            let (text, duration) = failed_login(email, password).await;
            shortest[at] = shortest[at].min(duration);
            texts.insert(text);
        }
    }
    assert_eq!(texts.len(), 1, "{texts:?}");
    assert!(shortest.iter().all(|duration| *duration > shortest[0] / 10), "{shortest:?}");
}

#[tokio::test]
async fn invalid_sign_ups() {
    let app = App::new().await;
    let cases = [
        (json!({}), vec![("/email", "required"), ("/password", "required")]),
        (
            json!({ "email": "x", "password": "short" }),
            vec![("/email", "email_invalid"), ("/password", "password_length")],
        ),
        (
            json!({ "email": "a@example.com", "password": PASSWORD, "invitation": "x" }),
            vec![("/invitation", "invitation_invalid")],
        ),
        (
            json!({ "email": "a@example.com", "password": PASSWORD, "role": "owner" }),
            vec![("/role", "unknown_field")],
        ),
        (json!({ "email": "a@example.com", "password": PASSWORD, "name": "" }), vec![("/name", "length")]),
    ];
    for (body, expected) in cases {
        let errors = app.post("/v1/auth/signup", &body).await.errors();
        let errors: Vec<_> = errors.iter().map(|(pointer, code)| (pointer.as_str(), code.as_str())).collect();
        assert_eq!(errors, expected, "{body}");
    }
    assert_eq!(app.db.count("select count(*) from users").await, 0);
}

#[tokio::test]
async fn sign_up_can_require_an_invitation_or_be_closed() {
    let app = App::new().await;
    let post = async |api: &Api, body: &Value| {
        let request = api.request(Method::POST, "/v1/auth/signup").header("content-type", "application/json");
        api.send(request.body(body.to_string().into()).unwrap()).await
    };
    let closed =
        Api::start_with(app.db.settings(), |settings| settings.server.sign_up = SignUp::Closed).await;
    assert_eq!(post(&closed, &signup("a@example.com")).await.problem(403), "sign_up_closed");
    let by_invitation =
        Api::start_with(app.db.settings(), |settings| settings.server.sign_up = SignUp::Invite).await;
    assert_eq!(post(&by_invitation, &signup("a@example.com")).await.problem(403), "sign_up_by_invitation");

    let invited =
        app.post("/v1/members", &json!({ "email": "A@example.com", "role": "admin" })).await.expect(201);
    let with =
        |email: &str| json!({ "email": email, "password": PASSWORD, "invitation": invited["invitation"] });
    let other = post(&by_invitation, &with("b@example.com")).await;
    assert_eq!(
        other.errors(),
        [("/invitation".to_owned(), "invitation_unknown".to_owned())],
        "the invitation is for another address"
    );
    let session = post(&by_invitation, &with("a@example.com")).await.expect(201);
    assert_eq!(session["workspace_id"], app.workspace.to_string());
    let me =
        app.send_as(session["token"].as_str().unwrap(), Method::GET, "/v1/me", &[], "").await.expect(200);
    assert_eq!(me["role"], "admin");
    let again = post(&by_invitation, &with("a@example.com")).await;
    assert_eq!(again.errors()[0].1, "invitation_unknown", "it is used, also for another address");
    let known = app.post("/v1/members", &json!({ "email": "a@example.com" })).await;
    assert_eq!(known.problem(409), "member_exists");
}

#[tokio::test]
async fn a_user_becomes_a_member_only_by_accepting() {
    let app = App::new().await;
    let ada = app.post("/v1/auth/signup", &signup("ada@example.com")).await.expect(201);
    let hers = ada["token"].as_str().unwrap();
    let invite = async |email: &str| {
        app.post("/v1/members", &json!({ "email": email, "role": "admin" })).await.expect(201)["invitation"]
            .clone()
    };
    let invitation = invite("ada@example.com").await;
    // Until then nothing changes for her: she does not have to select a workspace.
    let me = app.send_as(hers, Method::GET, "/v1/me", &[], "").await.expect(200);
    assert_eq!(me["workspace_id"], ada["workspace_id"]);
    let accept = async |session: &str, invitation: &Value| {
        let body = json!({ "invitation": invitation }).to_string();
        app.send_as(session, Method::POST, "/v1/invitations/accept", &[], &body).await
    };
    let for_another = invite("bob@example.com").await;
    for unknown in [&for_another, &json!(format!("tri_{}", "a".repeat(36)))] {
        assert_eq!(accept(hers, unknown).await.errors()[0].0, "/invitation", "{unknown}");
    }
    assert_eq!(accept(&app.token, &invitation).await.problem(403), "session_required");
    let joined = accept(hers, &invitation).await.expect(200);
    assert_eq!((&joined["id"], &joined["role"]), (&json!(app.workspace.to_string()), &json!("admin")));
    assert_eq!(accept(hers, &invitation).await.errors()[0].1, "invitation_unknown", "it can be used once");
    let again = app.post("/v1/members", &json!({ "email": "Ada@example.com" })).await;
    assert_eq!(again.problem(409), "member_exists");
}

#[tokio::test]
async fn invitations_end_when_their_author_leaves() {
    let app = App::new().await;
    let late = app.post("/v1/auth/signup", &signup("late@example.com")).await.expect(201);
    let session = app.session("admin").await;
    let me = app.send_as(&session, Method::GET, "/v1/me", &[], "").await.expect(200)["user"].clone();
    let invite = async |by: &str, email: &str| {
        let body = json!({ "email": email, "role": "admin" }).to_string();
        app.send_as(by, Method::POST, "/v1/members", &[], &body).await.expect(201)
    };
    let theirs = invite(&session, "late@example.com").await;
    assert_eq!(theirs["created_by"], me["id"]);
    let revoked = invite(&app.token, "other@example.com").await;
    let list = app.get("/v1/invitations").await.expect(200);
    assert_eq!(list["data"].as_array().unwrap().len(), 2);
    assert!(!list.to_string().contains("tri_"));
    app.delete(&format!("/v1/invitations/{}", revoked["id"].as_str().unwrap())).await.expect(204);
    app.delete(&format!("/v1/members/{}", me["id"].as_str().unwrap())).await.expect(204);
    assert_eq!(app.get("/v1/invitations").await.expect(200)["data"], json!([]));
    let deleted = "select target_name from audit_entries where action = 'invitation.deleted' order by id";
    assert_eq!(
        app.db.lines(deleted).await,
        ["other@example.com", "late@example.com"],
        "both are in the audit log"
    );
    let accept = json!({ "invitation": theirs["invitation"] }).to_string();
    let late = late["token"].as_str().unwrap();
    let accepted = app.send_as(late, Method::POST, "/v1/invitations/accept", &[], &accept).await;
    assert_eq!(accepted.errors()[0].1, "invitation_unknown");
}

#[tokio::test]
async fn an_invitation_ends_with_its_workspace() {
    let app = App::new().await;
    let owner = app.session("owner").await;
    let invite = async |email: &str| {
        app.post("/v1/members", &json!({ "email": email })).await.expect(201)["invitation"].clone()
    };
    let invitation = invite("ada@example.com").await;
    app.send_as(&owner, Method::DELETE, "/v1/workspace", &[], "").await.expect(204);
    let body = json!({ "email": "ada@example.com", "password": PASSWORD, "invitation": invitation });
    assert_eq!(app.post("/v1/auth/signup", &body).await.errors()[0].1, "invitation_unknown");
}

#[tokio::test]
async fn rotating_requires_all_scopes_of_the_token() {
    let app = App::new().await;
    let session = app.session("owner").await;
    let as_owner =
        async |method: Method, path: &str, body: &str| app.send_as(&session, method, path, &[], body).await;
    let all = as_owner(Method::POST, "/v1/tokens", r#"{"name":"all"}"#).await.expect(201);
    let admin = r#"{"name":"admin","scopes":["workspace:admin"]}"#;
    let admin = as_owner(Method::POST, "/v1/tokens", admin).await.expect(201);
    let rotate = format!("/v1/tokens/{}/rotate", all["id"].as_str().unwrap());
    let refused = app.send_as(admin["token"].as_str().unwrap(), Method::POST, &rotate, &[], "").await;
    assert_eq!(refused.problem(403), "scope_missing");
    // The user who rotates a token knows its secret, so the token ends with this user's membership.
    let other = app.session("admin").await;
    let rotated = app.send_as(&other, Method::POST, &rotate, &[], "").await.expect(200);
    let me = app.send_as(&other, Method::GET, "/v1/me", &[], "").await.expect(200)["user"]["id"].clone();
    assert_eq!(rotated["created_by"], me);
    app.delete(&format!("/v1/members/{}", me.as_str().unwrap())).await.expect(204);
    let removed = app.send_as(rotated["token"].as_str().unwrap(), Method::GET, "/v1/me", &[], "").await;
    assert_eq!(removed.problem(401), "unauthorized");
}

#[tokio::test]
async fn roles_limit_what_members_can_do() {
    let app = App::new().await;
    let (owner, admin, member) =
        (app.session("owner").await, app.session("admin").await, app.session("member").await);
    let job = app.job(&json!({})).await;
    let send = async |token: &str, method: Method, path: &str, body: &str| {
        app.send_as(token, method, path, &[], body).await
    };
    send(&member, Method::GET, &format!("/v1/jobs/{job}"), "").await.expect(200);
    send(&member, Method::GET, "/v1/executions", "").await.expect(200);
    let list = send(&admin, Method::GET, "/v1/members", "").await.expect(200);
    let id_of = |role: &str| {
        let all = list["data"].as_array().unwrap();
        all.iter().find(|member| member["role"] == role).unwrap()["user"]["id"].as_str().unwrap().to_owned()
    };
    let (the_owner, the_member) =
        (format!("/v1/members/{}", id_of("owner")), format!("/v1/members/{}", id_of("member")));
    let role = |role: &str| json!({ "role": role }).to_string();
    send(&admin, Method::PATCH, &the_member, &role("admin")).await.expect(200);
    for (path, body) in [(&the_member, role("owner")), (&the_owner, role("member"))] {
        assert_eq!(send(&admin, Method::PATCH, path, &body).await.problem(403), "owner_required");
    }
    assert_eq!(send(&owner, Method::DELETE, &the_owner, "").await.problem(409), "last_owner");
    send(&owner, Method::PATCH, &the_member, &role("owner")).await.expect(200);
    send(&owner, Method::DELETE, &the_owner, "").await.expect(204);
    assert_eq!(send(&owner, Method::GET, "/v1/jobs", "").await.problem(403), "no_workspace", "immediately");
}

#[tokio::test]
async fn members_of_several_workspaces_select_one() {
    let app = App::new().await;
    let session = app.session("admin").await;
    let made =
        app.send_as(&session, Method::POST, "/v1/workspaces", &[], "{\"name\":\"second\"}").await.expect(201);
    let jobs =
        async |headers: &[(&str, &str)]| app.send_as(&session, Method::GET, "/v1/jobs", headers, "").await;
    assert_eq!(jobs(&[]).await.problem(400), "workspace_ambiguous");
    jobs(&[("trigrun-workspace", made["id"].as_str().unwrap())]).await.expect(200);
}

#[tokio::test]
async fn tokens_are_created_rotated_and_revoked() {
    let app = App::new().await;
    let body = json!({ "name": "ci", "scopes": ["jobs:read"], "expires_at": "2999-01-01T00:00:00Z" });
    let made = app.post("/v1/tokens", &body).await.expect(201);
    let (id, secret) = (made["id"].as_str().unwrap(), made["token"].as_str().unwrap().to_owned());
    let jobs = async |token: &str| app.send_as(token, Method::GET, "/v1/jobs", &[], "").await;
    jobs(&secret).await.expect(200);
    assert_eq!((&made["scopes"], &made["last_used_at"]), (&json!(["jobs:read"]), &Value::Null));
    let used = async {
        while app.db.count("select count(*) from tokens where name = 'ci' and last_used_at is not null").await
            == 0
        {}
    };
    tokio::time::timeout(Duration::from_secs(60), used).await.expect("its use is recorded");
    let list = app.get("/v1/tokens").await.expect(200);
    assert!(list["data"][0]["last_used_at"].is_string() && list["data"][0].get("token").is_none(), "{list}");
    let rotated = app.send(Method::POST, &format!("/v1/tokens/{id}/rotate"), &[], "").await.expect(200);
    assert_eq!(jobs(&secret).await.problem(401), "unauthorized");
    jobs(rotated["token"].as_str().unwrap()).await.expect(200);
    app.delete(&format!("/v1/tokens/{id}")).await.expect(204);
    assert_eq!(jobs(rotated["token"].as_str().unwrap()).await.problem(401), "unauthorized");

    let invalid = json!({ "name": "", "scopes": ["jobs:read", "all"], "expires_at": "2020-01-01T00:00:00Z" });
    let errors: Vec<String> =
        app.post("/v1/tokens", &invalid).await.errors().into_iter().map(|(pointer, _)| pointer).collect();
    assert_eq!(errors, ["/expires_at", "/name", "/scopes/1"]);
}

#[tokio::test]
async fn a_deleted_workspace_is_gone_immediately() {
    let app = App::new().await;
    let job = app.job(&json!({})).await;
    app.send(Method::POST, &format!("/v1/jobs/{job}/run-now"), &[], "").await.expect(202);
    assert_eq!(app.delete("/v1/workspace").await.problem(403), "owner_required");
    let owner = app.session("owner").await;
    app.send_as(&owner, Method::DELETE, "/v1/workspace", &[], "").await.expect(204);
    assert_eq!(app.get("/v1/jobs").await.problem(401), "unauthorized");
    assert_eq!(app.send_as(&owner, Method::GET, "/v1/jobs", &[], "").await.problem(403), "no_workspace");
    for table in ["job_timers", "tokens", "executions"] {
        assert_eq!(app.db.count(&format!("select count(*) from {table}")).await, 0, "{table}");
    }
}

#[tokio::test]
async fn one_user_creates_a_limited_number_of_workspaces() {
    let app = App::new().await;
    let session = app.session("owner").await;
    let make = async || {
        let body = json!({ "name": "more" }).to_string();
        app.send_as(&session, Method::POST, "/v1/workspaces", &[], &body).await
    };
    let responses = futures_util::future::join_all((0..30).map(|_| make())).await;
    // The operator created the app's workspace, and the one from sign-up.
    assert_eq!(responses.iter().filter(|response| response.status == 201).count(), 20);
    assert_eq!(make().await.problem(409), "too_many_workspaces");

    // Handing workspaces over and leaving them makes no room; deleting one does.
    app.db
        .execute(
            "delete from members using workspaces w where w.id = workspace_id and w.created_by is not null",
        )
        .await;
    assert_eq!(make().await.problem(409), "too_many_workspaces");
    app.db
        .execute("update workspaces set deleted_at = now() where id = (select min(id::text)::uuid from workspaces where created_by is not null)")
        .await;
    make().await.expect(201);
    assert_eq!(make().await.problem(409), "too_many_workspaces");
}

#[tokio::test]
async fn tokens_end_when_their_author_loses_the_right_to_create_them() {
    let app = App::new().await;
    for role in [Some("member"), None] {
        let session = app.session("admin").await;
        let send = async |token: &str, method: Method, path: &str, body: &str| {
            app.send_as(token, method, path, &[], body).await
        };
        let me = send(&session, Method::GET, "/v1/me", "").await.expect(200)["user"]["id"].clone();
        let made = send(&session, Method::POST, "/v1/tokens", r#"{"name":"a"}"#).await.expect(201);
        let theirs = made["token"].as_str().unwrap().to_owned();
        let of_token = send(&theirs, Method::POST, "/v1/tokens", r#"{"name":"b"}"#).await.expect(201);
        assert_eq!(
            (&made["created_by"], &of_token["created_by"]),
            (&me, &me),
            "also for a token created by a token"
        );
        let path = format!("/v1/members/{}", me.as_str().unwrap());
        match role {
            Some(role) => app.patch(&path, &json!({ "role": role })).await.expect(200),
            None => app.delete(&path).await.expect(204),
        };
        for token in [&theirs, of_token["token"].as_str().unwrap()] {
            assert_eq!(send(token, Method::GET, "/v1/jobs", "").await.problem(401), "unauthorized");
        }
        app.get("/v1/jobs").await.expect(200);
    }
}
