//! A user or token grants only rights that it has, and what it granted ends with its own rights. `core/tests/it/rights.rs` has the rule itself.

use hyper::Method;
use serde_json::{Value, json};

use crate::app::{App, PASSWORD, Response};

async fn call(app: &App, token: &str, method: Method, path: &str, body: &Value) -> Response {
    let body = if body.is_null() { String::new() } else { body.to_string() };
    app.send_as(token, method, path, &[], &body).await
}

async fn create(app: &App, by: &str, body: &Value) -> (String, String) {
    let created = call(app, by, Method::POST, "/v1/tokens", body).await.expect(201);
    (created["id"].as_str().unwrap().to_owned(), created["token"].as_str().unwrap().to_owned())
}

async fn invite(app: &App, by: &str, email: &str, role: &str) -> Response {
    call(app, by, Method::POST, "/v1/members", &json!({ "email": email, "role": role })).await
}

async fn sign_up(app: &App, email: &str, invitation: &Value) -> Response {
    let body = json!({ "email": email, "password": PASSWORD, "invitation": invitation });
    app.post("/v1/auth/signup", &body).await
}

async fn id_of(app: &App, session: &str) -> String {
    call(app, session, Method::GET, "/v1/me", &Value::Null).await.expect(200)["user"]["id"]
        .as_str()
        .unwrap()
        .to_owned()
}

async fn set_role(app: &App, by: &str, user: &str, role: &str) -> Response {
    call(app, by, Method::PATCH, &format!("/v1/members/{user}"), &json!({ "role": role })).await
}

async fn role(app: &App, session: &str) -> Value {
    let me = call(app, session, Method::GET, "/v1/me", &Value::Null).await;
    if me.status == 200 { me.json()["role"].clone() } else { Value::Null }
}

#[tokio::test]
async fn a_demoted_owner_does_not_come_back_by_an_accomplice() {
    let app = App::new().await;
    let (owner, demoted) = (app.session("owner").await, app.session("owner").await);
    let id = id_of(&app, &demoted).await;
    let to_owner = invite(&app, &demoted, "accomplice@example.com", "owner").await.expect(201);
    let to_admin = invite(&app, &demoted, "colleague@example.com", "admin").await.expect(201);
    let other = invite(&app, &owner, "other@example.com", "owner").await.expect(201);
    // One who has accepted already.
    let joined = invite(&app, &demoted, "joined@example.com", "owner").await.expect(201);
    let joined = sign_up(&app, "joined@example.com", &joined["invitation"]).await.expect(201);
    let joined = joined["token"].as_str().unwrap();
    assert_eq!(role(&app, joined).await, "owner");
    set_role(&app, &owner, &id, "admin").await.expect(200);
    assert_eq!(role(&app, joined).await, "admin", "as much as an admin could have given");
    let refused = sign_up(&app, "accomplice@example.com", &to_owner["invitation"]).await;
    assert_eq!(refused.errors()[0].1, "invitation_unknown");
    sign_up(&app, "colleague@example.com", &to_admin["invitation"]).await.expect(201);
    sign_up(&app, "other@example.com", &other["invitation"]).await.expect(201);
    set_role(&app, &owner, &id, "member").await.expect(200);
    assert_eq!(role(&app, joined).await, "member");
    let open = app.get("/v1/invitations").await.expect(200);
    assert_eq!(open["data"], json!([]));
}

#[tokio::test]
async fn members_keep_their_roles_when_the_one_who_gave_them_leaves() {
    let app = App::new().await;
    let (first, leaving) = (app.session("owner").await, app.session("owner").await);
    let invited = invite(&app, &leaving, "next@example.com", "owner").await.expect(201);
    let next = sign_up(&app, "next@example.com", &invited["invitation"]).await.expect(201);
    let next = next["token"].as_str().unwrap();
    let leave = format!("/v1/members/{}", id_of(&app, &leaving).await);
    call(&app, &leaving, Method::DELETE, &leave, &Value::Null).await.expect(204);
    assert_eq!(role(&app, next).await, "owner");
    // The member who removes another keeps the role, also if the removed one gave it.
    let invited = invite(&app, next, "third@example.com", "owner").await.expect(201);
    let third = sign_up(&app, "third@example.com", &invited["invitation"]).await.expect(201);
    let third = third["token"].as_str().unwrap();
    let remove = format!("/v1/members/{}", id_of(&app, next).await);
    call(&app, third, Method::DELETE, &remove, &Value::Null).await.expect(204);
    assert_eq!(role(&app, third).await, "owner");
    // A role that has stood for a week is its holder's.
    app.db.execute("update members set given_at = given_at - interval '8 days'").await;
    let invited = invite(&app, third, "fourth@example.com", "admin").await.expect(201);
    let fourth = sign_up(&app, "fourth@example.com", &invited["invitation"]).await.expect(201);
    app.db.execute("update members set given_at = given_at - interval '8 days'").await;
    let remove = format!("/v1/members/{}", id_of(&app, third).await);
    call(&app, &first, Method::DELETE, &remove, &Value::Null).await.expect(204);
    assert_eq!(role(&app, fourth["token"].as_str().unwrap()).await, "admin");
}

#[tokio::test]
async fn a_token_gives_no_more_than_it_has() {
    let app = App::new().await;
    let member = app.member("member").await;
    let tokens = [
        (json!(["workspace:admin"]), ["scope_missing", "scope_missing", "owner_required"]),
        (json!(["workspace:admin", "jobs:read"]), ["scope_missing", "scope_missing", "owner_required"]),
        (json!(["workspace:admin", "jobs:read", "executions:read"]), ["", "scope_missing", "owner_required"]),
        (Value::Null, ["", "", "owner_required"]),
    ];
    for (number, (scopes, codes)) in tokens.into_iter().enumerate() {
        let (_, token) = create(&app, &app.token, &json!({ "name": "a", "scopes": scopes })).await;
        for (role, code) in ["member", "admin", "owner"].into_iter().zip(codes) {
            let response = invite(&app, &token, &format!("{role}-{number}@example.com"), role).await;
            match code {
                "" => drop(response.expect(201)),
                code => assert_eq!(response.problem(403), code, "{scopes} {role}"),
            }
            if !code.is_empty() && role != "member" {
                assert_eq!(set_role(&app, &token, &member, role).await.problem(403), code, "{scopes} {role}");
            }
        }
    }
    assert_eq!(app.db.lines("select distinct role from members").await, ["member"]);
}

#[tokio::test]
async fn what_a_token_gave_falls_with_it() {
    let app = App::new().await;
    let owner = app.session("owner").await;
    for how in ["delete", "rotate", "demote"] {
        let admin = app.session("admin").await;
        let by = if how == "demote" { &admin } else { &owner };
        let (id, token) = create(&app, by, &json!({ "name": "parent" })).await;
        let (_, child) = create(&app, &token, &json!({ "name": "child" })).await;
        let (_, grandchild) = create(&app, &child, &json!({ "name": "grandchild" })).await;
        let (_, sibling) = create(&app, &owner, &json!({ "name": "sibling" })).await;
        let email = |who: &str| format!("{who}-{how}@example.com");
        let open = invite(&app, &grandchild, &email("open"), "admin").await.expect(201);
        let accepted = invite(&app, &child, &email("accepted"), "admin").await.expect(201);
        let accepted = sign_up(&app, &email("accepted"), &accepted["invitation"]).await.expect(201);
        match how {
            "delete" => {
                call(&app, &owner, Method::DELETE, &format!("/v1/tokens/{id}"), &Value::Null)
                    .await
                    .expect(204);
            }
            "rotate" => {
                let path = format!("/v1/tokens/{id}/rotate");
                call(&app, &owner, Method::POST, &path, &Value::Null).await.expect(200);
            }
            _ => drop(set_role(&app, &owner, &id_of(&app, &admin).await, "member").await.expect(200)),
        }
        for token in [&token, &child, &grandchild] {
            let refused = call(&app, token, Method::GET, "/v1/me", &Value::Null).await;
            assert_eq!(refused.problem(401), "unauthorized", "{how}");
        }
        call(&app, &sibling, Method::GET, "/v1/me", &Value::Null).await.expect(200);
        let refused = sign_up(&app, &email("open"), &open["invitation"]).await;
        assert_eq!(refused.errors()[0].1, "invitation_unknown", "{how}");
        assert_eq!(role(&app, accepted["token"].as_str().unwrap()).await, "member", "{how}");
        let log = "select action || ' ' || target_name from audit_entries where created_at >=
            (select max(created_at) - interval '1 ms' from audit_entries) order by 1";
        let log = app.db.lines(log).await.join("; ");
        assert!(log.contains("token.deleted child") && log.contains("token.deleted grandchild"), "{log}");
    }
}

#[tokio::test]
async fn nothing_outlives_the_token_that_gave_it() {
    let app = App::new().await;
    let soon = "2098-01-01T00:00:00.000Z";
    let (_, token) = create(&app, &app.token, &json!({ "name": "a", "expires_at": soon })).await;
    let child = call(&app, &token, Method::POST, "/v1/tokens", &json!({ "name": "child" })).await.expect(201);
    assert_eq!(child["expires_at"], soon);
    let later = json!({ "name": "child", "expires_at": "2099-01-01T00:00:00Z" });
    let refused = call(&app, &token, Method::POST, "/v1/tokens", &later).await;
    assert_eq!(refused.errors(), [("/expires_at".to_owned(), "expires_too_late".to_owned())]);
    let (lasting, _) = create(&app, &app.token, &json!({ "name": "lasting" })).await;
    let rotate = format!("/v1/tokens/{lasting}/rotate");
    let refused = call(&app, &token, Method::POST, &rotate, &Value::Null).await;
    assert_eq!(refused.problem(403), "expires_too_early");
    app.db.execute("update tokens set expires_at = now() + interval '1 hour' where name = 'a'").await;
    let invited = invite(&app, &token, "ada@example.com", "admin").await.expect(201);
    let earlier =
        "select (i.expires_at <= t.expires_at)::text from invitations i, tokens t where t.name = 'a'";
    assert_eq!(app.db.lines(earlier).await, ["true"], "{invited}");
}
