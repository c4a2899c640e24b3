//! A database per test, copied from a migrated template in some ten milliseconds.

use secrecy::{ExposeSecret, SecretString};
use std::{path::PathBuf, time::Duration};
use tokio::sync::OnceCell;
use tokio_postgres::{NoTls, Row};
use trigrun_core::{
    crypto,
    domain::{
        access::{Scope, TokenKind, TokenSecret},
        audit::Author,
        execution::Status,
        id::{TokenId, WorkspaceId},
        job::JobState,
        notification::NotificationStatus,
        rights::Giver,
        workspace::Workspace,
    },
    store::{self, Db, PostgresSettings, migrate, tokens},
    stream::RedisSettings,
};
use uuid::Uuid;

/// The URL of Postgres; `trigrun-embed exec` sets it.
const POSTGRES: &str = "TRIGRUN_TEST_POSTGRES";
const TEMPLATE: &str = "trigrun_template";

/// The changes of a state that the domain's state machine has, as pairs of SQL literals.
fn allowed<S: Copy>(states: &[S], as_str: fn(S) -> &'static str, may_become: fn(S, S) -> bool) -> String {
    let pairs = states.iter().flat_map(|from| states.iter().map(move |to| (*from, *to)));
    let allowed: Vec<String> = pairs
        .filter(|(from, to)| may_become(*from, *to))
        .map(|(from, to)| format!("('{}', '{}')", as_str(from), as_str(to)))
        .collect();
    allowed.join(", ")
}

/// A trigger that rejects every other change of `column`.
fn state_machine((table, column): (&str, &str), allowed: &str) -> String {
    format!(
        "create function {table}_{column}_changes() returns trigger language plpgsql as $$
         begin
             raise exception '% %: its {column} cannot become % from %', tg_table_name, old.id, new.{column}, old.{column};
         end $$;
         create trigger {column}_changes before update on {table} for each row
             when (old.{column} <> new.{column} and (old.{column}, new.{column}) not in ({allowed}))
             execute function {table}_{column}_changes();"
    )
}

/// Terminal states are final, whatever column a statement changes.
const FINAL_IS_FINAL: &str = "
    create function final_is_final() returns trigger language plpgsql as $$
    begin
        raise exception '% % is % and cannot change', tg_table_name, old.id, old.status;
    end $$;
    create trigger final_is_final before update on executions for each row execute function final_is_final();
    create trigger final_is_final before update on notifications for each row
        when (old.finished_at is not null) execute function final_is_final();";

/// At every commit, an id is in one of the tables `runs` and `executions`, and what left `runs` ended as the state machine allows. (A fire that
/// was planned again leaves it because it has ended earlier.)
fn one_of_two_tables(allowed: &str) -> String {
    format!(
        "create function is_in_one_table() returns trigger language plpgsql as $$
         begin
             if exists (select from runs r join executions e on e.id = r.id where r.id = new.id and e.id = new.id) then
                 raise exception 'execution % is open and has ended', new.id;
             end if;
             return null;
         end $$;
         create constraint trigger is_in_one_table after insert on runs deferrable initially deferred for each row
             execute function is_in_one_table();
         create constraint trigger is_in_one_table after insert on executions deferrable initially deferred for each row
             execute function is_in_one_table();
         create function ended_as_allowed() returns trigger language plpgsql as $$
         begin
             if exists (select from executions e where e.id = old.id and (old.status, e.status) not in ({allowed})
                            and e.xmin = pg_current_xact_id()::xid) then
                 raise exception 'execution % cannot end as it did from %', old.id, old.status;
             end if;
             return null;
         end $$;
         create constraint trigger ended_as_allowed after delete on runs deferrable initially deferred for each row
             execute function ended_as_allowed();"
    )
}

/// What Postgres checks in tests, on every statement.
fn checks() -> String {
    let of_execution = allowed(Status::ALL, Status::as_str, Status::may_become);
    let of_notification =
        allowed(NotificationStatus::ALL, NotificationStatus::as_str, NotificationStatus::may_become);
    let of_job = allowed(JobState::ALL, JobState::as_str, JobState::may_become);
    [
        FINAL_IS_FINAL.to_owned(),
        one_of_two_tables(&of_execution),
        state_machine(("runs", "status"), &of_execution),
        state_machine(("notifications", "status"), &of_notification),
        state_machine(("jobs", "state"), &of_job),
    ]
    .concat()
}

/// A database of one test. It is dropped with this value.
pub struct TestDb {
    name: String,
    db: Db,
    settings: PostgresSettings,
}

impl TestDb {
    pub async fn new() -> Self {
        static MIGRATED: OnceCell<()> = OnceCell::const_new();
        MIGRATED.get_or_init(make_template).await;
        let name = format!("test_{}", Uuid::new_v4().simple());
        create_from_template(&name).await;
        let settings = settings(&name);
        let db = Db::new(&settings).expect("valid settings");
        Self { name, db, settings }
    }

    pub fn settings(&self) -> PostgresSettings {
        self.settings.clone()
    }

    pub fn db(&self) -> &Db {
        &self.db
    }

    pub async fn conn(&self) -> store::pool::PooledConn {
        self.db.conn().await.expect("the test's database responds")
    }

    pub async fn workspace(&self, name: &str) -> WorkspaceId {
        let workspace = Workspace { id: WorkspaceId::from_uuid(Uuid::now_v7()), name: name.to_owned() };
        let by = Author::operator(self.now().await);
        store::workspaces::insert(&mut *self.conn().await, &workspace, &by)
            .await
            .expect("a workspace can be created");
        workspace.id
    }

    pub async fn token(&self, workspace: WorkspaceId, scopes: &[Scope]) -> TokenSecret {
        let secret = crypto::new_token(TokenKind::Api).expect("a token can be created");
        let hash = crypto::token_hash(&secret);
        let token = tokens::NewToken {
            id: TokenId::from_uuid(Uuid::now_v7()),
            name: "test",
            hash: &hash,
            scopes,
            expires_at: None,
            giver: &Giver::Operator,
        };
        let by = Author::operator(self.now().await);
        tokens::insert(&mut *self.conn().await, workspace, token, &by, None)
            .await
            .expect("a token can be created");
        secret
    }

    /// The rows of a query, to check what the store wrote.
    pub async fn query(&self, sql: &str) -> Vec<Row> {
        query(&self.name, sql).await
    }

    /// The first column of the last statement's rows, as text.
    pub async fn lines(&self, sql: &str) -> Vec<String> {
        use tokio_postgres::SimpleQueryMessage::Row;
        let messages = connect(&self.name).await.simple_query(sql).await.expect("valid statements");
        let rows =
            messages.iter().filter_map(|message| if let Row(row) = message { row.get(0) } else { None });
        rows.map(str::to_owned).collect()
    }

    /// The single number that a query returns.
    pub async fn count(&self, sql: &str) -> i64 {
        self.query(sql).await[0].get(0)
    }

    /// The settings of the keys that the processes on this database use.
    pub async fn redis(&self, shared: &RedisSettings) -> RedisSettings {
        let id =
            store::installation::id(&mut *self.conn().await).await.expect("the migrated database has one");
        shared.of_installation(id)
    }

    /// A connection for explicit transactions.
    pub async fn session(&self) -> tokio_postgres::Client {
        connect(&self.name).await
    }

    /// Runs statements.
    pub async fn execute(&self, sql: &str) {
        execute(&self.name, sql).await.expect("a valid statement");
    }
}

impl Drop for TestDb {
    fn drop(&mut self) {
        let drop_it = format!("drop database if exists {} with (force)", self.name);
        // A separate runtime, because the runtime of the test may be shutting down.
        let dropped = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(execute("postgres", &drop_it)).map_err(std::io::Error::other)
        });
        // A database that remains is removed with the server's directory.
        let _ = dropped.join();
    }
}

/// Settings for the database of this name.
pub fn settings(database: &str) -> PostgresSettings {
    PostgresSettings {
        url: SecretString::from(url(database)),
        ca_file: PathBuf::new(),
        max_connections: 8,
        acquire_timeout_ms: 60_000,
        statement_timeout_ms: 30_000,
        lock_timeout_ms: 10_000,
        idle_in_transaction_timeout_ms: 20_000,
    }
}

#[allow(clippy::disallowed_methods, reason = "set by the test runner")]
fn url(database: &str) -> String {
    let url = std::env::var(POSTGRES).unwrap_or_else(|_| {
        panic!("{POSTGRES} is not set: run the tests with `make test`, or under `trigrun-embed exec -- …`")
    });
    let (server, _) = url.rsplit_once('/').expect("the URL names a database");
    format!("{server}/{database}")
}

async fn connect(database: &str) -> tokio_postgres::Client {
    let (client, connection) =
        tokio_postgres::connect(&url(database), NoTls).await.expect("the test server responds");
    trigrun_core::runtime::tasks::spawn("test connection", connection);
    client
}

async fn execute(database: &str, sql: &str) -> Result<(), tokio_postgres::Error> {
    connect(database).await.batch_execute(sql).await
}

async fn query(database: &str, sql: &str) -> Vec<Row> {
    connect(database).await.query(sql, &[]).await.expect("a valid query")
}

/// Created by the first test of all binaries, while the others wait for the lock.
async fn make_template() {
    let admin = connect("postgres").await;
    admin.batch_execute("select pg_advisory_lock(7)").await.expect("the lock can be had");
    let exists =
        admin.query("select from pg_database where datname = $1 and datistemplate", &[&TEMPLATE]).await;
    if exists.expect("databases can be listed").is_empty() {
        let fresh = format!("drop database if exists {TEMPLATE} with (force)");
        admin.batch_execute(&fresh).await.expect("an unfinished template can be dropped");
        admin.batch_execute(&format!("create database {TEMPLATE}")).await.expect("a database can be created");
        let settings = settings(TEMPLATE);
        // The migrator needs the multi-thread runtime, which a test need not have.
        let migrated = std::thread::spawn(move || {
            tokio::runtime::Runtime::new().map(|runtime| runtime.block_on(migrate::run(&settings)))
        });
        migrated.join().expect("no panic").expect("a runtime").expect("the migrations run");
        execute(TEMPLATE, &checks()).await.expect("the triggers can be created");
        admin
            .batch_execute(&format!("alter database {TEMPLATE} is_template true"))
            .await
            .expect("a template");
    }
}

async fn create_from_template(name: &str) {
    let create = format!("create database {name} template {TEMPLATE}");
    // A session on the template that is ending blocks this for some milliseconds.
    for _ in 0..100 {
        match execute("postgres", &create).await {
            Ok(()) => return,
            Err(error) if error.code().is_some_and(|code| code.code() == "55006") => {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            Err(error) => panic!("{}: {error:?}", settings(name).url.expose_secret()),
        }
    }
    panic!("the template stayed in use");
}
