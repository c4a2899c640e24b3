//! `/livez`, `/readyz` and `/metrics` on a separate port, for every process.

use http_body_util::Full;
use hyper::{
    Request, Response, StatusCode,
    body::Bytes,
    header::{CONTENT_TYPE, HeaderValue},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use std::{convert::Infallible, net::SocketAddr, time::Duration};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

use super::{hold::HoldWatch, tasks};
use crate::{
    domain::hold::Hold,
    store::{
        self, Db,
        migrate::{self, SchemaError},
    },
    telemetry::metrics,
};

const TEXT: &str = "text/plain; charset=utf-8";
const READINESS_TIMEOUT: Duration = Duration::from_secs(2);
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);

/// Serves until shutdown; returns the address that it is bound to.
pub async fn serve(
    address: SocketAddr,
    db: Db,
    hold: HoldWatch,
    shutdown: CancellationToken,
) -> std::io::Result<SocketAddr> {
    let listener = TcpListener::bind(address).await?;
    let bound = listener.local_addr()?;
    tasks::spawn(
        "probes",
        async move { shutdown.run_until_cancelled(accept(listener, db, Some(hold))).await },
    );
    Ok(bound)
}

/// Serves while `work` runs, if the port is free. The port is released when `work` ends.
pub async fn serve_during<T>(address: SocketAddr, db: Db, work: impl Future<Output = T>) -> T {
    let Ok(listener) = TcpListener::bind(address).await else { return work.await };
    tokio::select! {
        done = work => done,
        never = accept(listener, db, None) => match never {},
    }
}

async fn accept(listener: TcpListener, db: Db, hold: Option<HoldWatch>) -> Infallible {
    loop {
        match listener.accept().await {
            Ok((socket, _)) => {
                drop(tasks::spawn("probe", serve_connection(socket, db.clone(), hold.clone())))
            }
            // No file descriptor is left: wait for one.
            Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
        }
    }
}

async fn serve_connection(socket: TcpStream, db: Db, hold: Option<HoldWatch>) {
    let service = service_fn(move |request: Request<hyper::body::Incoming>| {
        let (db, hold) = (db.clone(), hold.clone());
        async move { Ok::<_, Infallible>(respond(request.uri().path(), &db, hold.as_ref()).await) }
    });
    let connection =
        http1::Builder::new().timer(TokioTimer::new()).serve_connection(TokioIo::new(socket), service);
    // A prober that hangs or disconnects is ignored.
    let _ = tokio::time::timeout(REQUEST_TIMEOUT, connection).await;
}

async fn respond(path: &str, db: &Db, hold: Option<&HoldWatch>) -> Response<Full<Bytes>> {
    let mut content_type = TEXT;
    let (status, text) = match path {
        "/livez" => (StatusCode::OK, "ok\n".to_owned()),
        "/metrics" => {
            let (used, idle, max) = db.usage();
            metrics::pool(used, idle, max);
            content_type = metrics::CONTENT_TYPE;
            (StatusCode::OK, metrics::render())
        }
        "/readyz" => match ready(db).await {
            // A process that is held is ready: it must not be restarted or taken out of service.
            Ok(()) => match hold.and_then(HoldWatch::get) {
                Some(Hold { since, reason }) => {
                    (StatusCode::OK, format!("ok\nheld since {since}: {reason}\n"))
                }
                None => (StatusCode::OK, "ok\n".to_owned()),
            },
            Err(NotReady { part, why }) => (StatusCode::SERVICE_UNAVAILABLE, format!("{part}: {why}\n")),
        },
        _ => (StatusCode::NOT_FOUND, "there are /livez, /readyz and /metrics\n".to_owned()),
    };
    let mut response = Response::new(Full::new(Bytes::from(text)));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

/// Which part is down, and why, for the operator.
pub struct NotReady {
    /// `postgres` or `schema`.
    pub part: &'static str,
    pub why: String,
}

impl NotReady {
    fn postgres(error: impl std::fmt::Display) -> Self {
        Self { part: "postgres", why: error.to_string() }
    }
}

impl From<SchemaError> for NotReady {
    fn from(error: SchemaError) -> Self {
        match error {
            SchemaError::TooOld { .. } | SchemaError::NoCollation => {
                Self { part: "schema", why: error.to_string() }
            }
            SchemaError::Store(error) => Self::postgres(error),
        }
    }
}

/// Postgres responds and has the schema that this binary needs.
pub async fn ready(db: &Db) -> Result<(), NotReady> {
    let check = async {
        let mut conn = db.conn().await.map_err(NotReady::postgres)?;
        store::clock::now(&mut conn).await.map_err(NotReady::postgres)?;
        migrate::check(&mut conn).await.map_err(NotReady::from)
    };
    tokio::time::timeout(READINESS_TIMEOUT, check)
        .await
        .unwrap_or_else(|_| Err(NotReady::postgres(format!("no response within {READINESS_TIMEOUT:?}"))))
}
