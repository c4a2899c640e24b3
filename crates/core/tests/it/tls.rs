//! Postgres and Redis over TLS, with the URLs that clouds hand out: which server is trusted, and what the error says.

use secrecy::{ExposeSecret, SecretString};
use std::path::PathBuf;
use tokio_postgres::config::Host;
use trigrun_core::{
    store::{Db, PostgresSettings, clock},
    stream::{RedisSettings, server},
};
use trigrun_testkit::{
    TestDb, redis,
    tls_front::{Clients, Negotiation, TlsFront},
};

/// The socket of the tests' Postgres.
fn postgres_socket(db: &TestDb) -> PathBuf {
    let config: tokio_postgres::Config = db.settings().url.expose_secret().parse().unwrap();
    let Some(Host::Unix(dir)) = config.get_hosts().first() else { panic!("the tests use a unix socket") };
    dir.join(format!(".s.PGSQL.{}", config.get_ports().first().unwrap_or(&5432)))
}

async fn front(db: &TestDb, name: &str, clients: Clients) -> TlsFront {
    TlsFront::start(&postgres_socket(db), Negotiation::Postgres, name, clients).await.unwrap()
}

/// Connects with these options in the URL.
async fn connect(
    db: &TestDb,
    front: &TlsFront,
    options: &str,
    ca_file: Option<PathBuf>,
) -> Result<(), String> {
    let config: tokio_postgres::Config = db.settings().url.expose_secret().parse().unwrap();
    let (user, database) = (config.get_user().unwrap(), config.get_dbname().unwrap());
    let url = format!("postgres://{user}@{}/{database}?{options}", front.address());
    let settings = PostgresSettings {
        url: SecretString::from(url),
        ca_file: ca_file.unwrap_or_default(),
        ..db.settings()
    };
    let db = Db::new(&settings).map_err(|error| error.to_string())?;
    let mut conn = db.conn().await.map_err(|error| error.to_string())?;
    clock::now(&mut conn).await.map(drop).map_err(|error| error.to_string())
}

fn assert_refused(result: Result<(), String>, expected: &str) {
    let error = result.expect_err(expected);
    assert!(error.contains(expected), "{error}");
}

#[tokio::test]
async fn postgres_is_trusted_if_the_given_authority_signed_its_certificate() {
    let db = TestDb::new().await;
    let (front, other) =
        (front(&db, "127.0.0.1", Clients::Any).await, front(&db, "127.0.0.1", Clients::Any).await);
    let root = |front: &TlsFront| format!("sslrootcert={}", front.authority_file().display());
    for options in ["sslmode=require", "sslmode=verify-full", "sslmode=verify-ca", "sslmode=prefer", ""] {
        connect(&db, &front, options, Some(front.authority_file())).await.unwrap();
        connect(&db, &front, &format!("{options}&{}", root(&front)), None).await.unwrap();
        let unknown = connect(&db, &front, options, None).await;
        assert_refused(unknown, "UnknownIssuer; postgres.ca_file names the file");
        let unknown = connect(&db, &front, &format!("{options}&{}", root(&other)), None).await;
        assert_refused(unknown, "UnknownIssuer");
    }
}

#[tokio::test]
async fn verify_ca_accepts_any_name_and_the_other_modes_do_not() {
    let db = TestDb::new().await;
    let front = front(&db, "project:instance.test", Clients::Any).await;
    for options in ["sslmode=require", "sslmode=verify-full"] {
        let refused = connect(&db, &front, options, Some(front.authority_file())).await;
        assert_refused(refused, "sslmode=verify-ca accepts a certificate for any name");
    }
    connect(&db, &front, "sslmode=verify-ca", Some(front.authority_file())).await.unwrap();
    assert_refused(connect(&db, &front, "sslmode=verify-ca", None).await, "UnknownIssuer");
}

#[tokio::test]
async fn a_client_certificate_is_presented() {
    let db = TestDb::new().await;
    let front = front(&db, "127.0.0.1", Clients::WithCertificate).await;
    let (certificate, key) = front.client_files();
    let identity = format!("sslcert={}&sslkey={}", certificate.display(), key.display());
    let required = connect(&db, &front, "sslmode=require", Some(front.authority_file())).await;
    assert!(required.is_err());
    connect(&db, &front, &format!("sslmode=require&{identity}"), Some(front.authority_file())).await.unwrap();
}

#[tokio::test]
async fn redis_is_trusted_if_the_given_authority_signed_its_certificate() {
    let url = redis::settings().url;
    let socket = url.expose_secret().split_once("unix://").expect("the tests use a unix socket").1;
    let socket = PathBuf::from(socket.split('?').next().unwrap());
    let front = TlsFront::start(&socket, Negotiation::Direct, "127.0.0.1", Clients::Any).await.unwrap();
    let settings = |scheme: &str, options: &str, ca_file| RedisSettings {
        url: SecretString::from(format!("{scheme}://{}/{options}", front.address())),
        ca_file,
        ..redis::settings()
    };
    let authority = front.authority_file();
    server::info(&settings("rediss", "", authority.clone())).await.unwrap();
    for (settings, expected) in [
        (settings("rediss", "", PathBuf::new()), "UnknownIssuer"),
        (settings("redis", "", authority.clone()), "redis.ca_file needs a redis.url with rediss://"),
        (
            settings("rediss", "", PathBuf::from("/nowhere/ca.pem")),
            "redis.ca_file: /nowhere/ca.pem: No such file",
        ),
        (
            settings("rediss", "?ssl_cert_reqs=none", authority.clone()),
            "the option ssl_cert_reqs is not supported",
        ),
    ] {
        let error = server::info(&settings).await.expect_err(expected).to_string();
        assert!(error.contains(expected), "{error}");
    }
}
