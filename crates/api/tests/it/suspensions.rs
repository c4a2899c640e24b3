//! A suspended workspace: its members read and delete, and do nothing else.

use hyper::Method;
use serde_json::{Value, json};
use trigrun_core::store::tenants;
use trigrun_testkit::jobs::by_operator;

use crate::{
    app::App,
    authorization::{Seeds, TABLE, operations},
};

impl App {
    async fn suspend(&self) {
        let mut conn = self.db.conn().await;
        assert!(tenants::suspend(&mut conn, self.workspace, &by_operator("unpaid")).await.unwrap());
    }
}

#[tokio::test]
async fn every_change_is_refused_until_the_workspace_is_resumed() {
    let app = App::new().await;
    let seeds = Seeds::new(&app).await;
    app.suspend().await;
    let (mut refused, mut allowed) = (0, 0);
    let mut operations = operations();
    // What is deleted cannot be read any more.
    operations.sort_by_key(|operation| operation.method == Method::DELETE);
    for operation in operations {
        let Some((_, scope, _)) = TABLE.iter().find(|(id, ..)| *id == operation.id) else { continue };
        let (path, body) = (operation.path_to(&seeds), operation.body(&seeds));
        let response = app.send(operation.method.clone(), &path, &[], &body).await;
        let is_suspended = response.status == 403 && response.problem(403) == "workspace_suspended";
        let changes = !scope.ends_with(":read") && !matches!(operation.method, Method::GET | Method::DELETE);
        assert_eq!(is_suspended, changes, "{}: {}", operation.id, response.text);
        *(if changes { &mut refused } else { &mut allowed }) += 1;
    }
    assert!(refused >= 30 && allowed >= 40, "{refused} and {allowed}");

    assert!(tenants::resume(&mut *app.db.conn().await, app.workspace, &by_operator("paid")).await.unwrap());
    app.job(&json!({})).await;
}

#[tokio::test]
async fn members_see_the_reason_and_cannot_evade_it() {
    let app = App::new().await;
    let owner = app.session("owner").await;
    let read = async |path: &str| app.send_as(&owner, Method::GET, path, &[], "").await.expect(200);
    assert_eq!(read("/v1/workspace").await["suspended"], Value::Null);
    app.suspend().await;
    let suspended = read("/v1/workspace").await["suspended"].clone();
    assert_eq!(suspended["reason"], "unpaid");
    assert!(suspended["since"].is_string());
    assert_eq!(read("/v1/workspaces").await["data"][0]["suspended"], suspended);
    let rename = json!({ "name": "other" }).to_string();
    let response = app.send_as(&owner, Method::PATCH, "/v1/workspace", &[], &rename).await;
    assert_eq!(response.problem(403), "workspace_suspended");
    assert!(response.json()["detail"].as_str().unwrap().contains("\"unpaid\""), "{}", response.text);

    // The operator created the app's workspace.
    let make = async || app.send_as(&owner, Method::POST, "/v1/workspaces", &[], &rename).await;
    make().await.expect(201);
    let own = "update workspaces set created_by = (select min(id::text)::uuid from users) where suspended_at is not null";
    app.db.execute(own).await;
    assert_eq!(make().await.problem(403), "workspace_suspended");
    app.send_as(
        &owner,
        Method::DELETE,
        "/v1/workspace",
        &[("TrigRun-Workspace", &app.workspace.to_string())],
        "",
    )
    .await
    .expect(204);
}
