//! The target: an HTTP/1.1 server on one thread that records what arrives, when, and when it should have.
//!
//! The product, the prototype and the peers call `/hook/…`. The benchmark uses `GET /count`, `GET /dump` (24 bytes for each arrival)
//! and `POST /reset`; after `POST /reset?<end>`, requests that are intended for this instant (unix microseconds) or later are not recorded.

use anyhow::Context;
use bytes::Bytes;
use chrono::DateTime;
use http_body_util::Full;
use hyper::{HeaderMap, Request, Response, body::Incoming, service::service_fn};
use hyper_util::rt::TokioIo;
use std::{cell::RefCell, convert::Infallible, hash::Hasher, net::SocketAddr, rc::Rc};
use tokio::{
    net::{TcpListener, TcpSocket},
    task::LocalSet,
};

use crate::arrivals::{Arrival, now_us};

/// The header with a run's id: the product's, and that of the prototype and the peers.
const ID_HEADERS: [&str; 2] = ["trigrun-execution-id", "x-job-id"];
const RESPONSE: &[u8] = b"{\"ok\":true}\n";
const BACKLOG: u32 = 65_535;

struct Recorded {
    arrivals: Vec<Arrival>,
    end_us: i64,
}

impl Recorded {
    fn until(end_us: Option<i64>) -> Self {
        Self { arrivals: Vec::new(), end_us: end_us.unwrap_or(i64::MAX) }
    }
}

type Shared = Rc<RefCell<Recorded>>;

pub fn main() -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    LocalSet::new().block_on(&runtime, async {
        let socket = TcpSocket::new_v4()?;
        socket.set_reuseaddr(true)?;
        socket.bind(SocketAddr::from(([127, 0, 0, 1], 0)))?;
        let listener = socket.listen(BACKLOG)?;
        println!("{}", listener.local_addr()?);
        serve(listener).await
    })
}

async fn serve(listener: TcpListener) -> anyhow::Result<()> {
    let shared = Rc::new(RefCell::new(Recorded::until(None)));
    loop {
        let (connection, _) = listener.accept().await.context("cannot accept connections")?;
        connection.set_nodelay(true)?;
        let shared = shared.clone();
        tokio::task::spawn_local(async move {
            let service = service_fn(|request| {
                let response = respond(&shared, &request);
                async { Ok::<_, Infallible>(Response::new(Full::new(response))) }
            });
            let mut http = hyper::server::conn::http1::Builder::new();
            // A client may disconnect at any time.
            let _disconnected =
                http.pipeline_flush(true).serve_connection(TokioIo::new(connection), service).await;
        });
    }
}

fn respond(shared: &Shared, request: &Request<Incoming>) -> Bytes {
    let at_us = now_us();
    let recorded = &mut *shared.borrow_mut();
    match request.uri().path() {
        "/count" => recorded.arrivals.len().to_string().into(),
        "/dump" => recorded.arrivals.iter().flat_map(|arrival| arrival.to_bytes()).collect(),
        "/reset" => {
            *recorded = Recorded::until(request.uri().query().and_then(|end| end.parse().ok()));
            Bytes::new()
        }
        _ => {
            let headers = request.headers();
            let arrival =
                Arrival { id: id(headers), intended_us: intended_us(headers).unwrap_or(at_us), at_us };
            if arrival.intended_us < recorded.end_us {
                recorded.arrivals.push(arrival);
            }
            Bytes::from_static(RESPONSE)
        }
    }
}

fn id(headers: &HeaderMap) -> u64 {
    let mut hasher = std::hash::DefaultHasher::new();
    if let Some(id) = ID_HEADERS.iter().find_map(|name| headers.get(*name)) {
        hasher.write(id.as_bytes());
    }
    hasher.finish()
}

fn intended_us(headers: &HeaderMap) -> Option<i64> {
    if let Some(at) = headers.get("x-intended-us") {
        return at.to_str().ok()?.parse().ok();
    }
    let at = headers.get("trigrun-scheduled-for")?.to_str().ok()?;
    Some(DateTime::parse_from_rfc3339(at).ok()?.timestamp_micros())
}
