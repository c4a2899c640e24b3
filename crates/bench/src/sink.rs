//! The target: an HTTP/1.1 server on one thread that notes what arrives, when, and when it was meant to.
//!
//! The same for the product and for all that is measured beside it. It answers `/hook/…`; `GET /count`, `GET /dump` (24 bytes for each
//! arrival) and `POST /reset` are for the harness.

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

/// Who is asked for: the product's own header, or that of the others.
const IDS: [&str; 2] = ["trigrun-execution-id", "x-job-id"];
const ANSWER: &[u8] = b"{\"ok\":true}\n";
const BACKLOG: u32 = 65_535;

type Arrivals = Rc<RefCell<Vec<Arrival>>>;

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
    let arrivals = Arrivals::default();
    loop {
        let (connection, _) = listener.accept().await.context("nobody can connect any more")?;
        connection.set_nodelay(true)?;
        let arrivals = arrivals.clone();
        tokio::task::spawn_local(async move {
            let service = service_fn(|request| {
                let answer = answer(&arrivals, &request);
                async { Ok::<_, Infallible>(Response::new(Full::new(answer))) }
            });
            let mut http = hyper::server::conn::http1::Builder::new();
            // A client that hangs up is no news.
            let _ = http.pipeline_flush(true).serve_connection(TokioIo::new(connection), service).await;
        });
    }
}

fn answer(arrivals: &Arrivals, request: &Request<Incoming>) -> Bytes {
    let at_us = now_us();
    match request.uri().path() {
        "/count" => arrivals.borrow().len().to_string().into(),
        "/dump" => arrivals.borrow().iter().flat_map(|arrival| arrival.to_bytes()).collect(),
        "/reset" => {
            arrivals.borrow_mut().clear();
            Bytes::new()
        }
        _ => {
            let headers = request.headers();
            let arrival =
                Arrival { id: id(headers), intended_us: intended_us(headers).unwrap_or(at_us), at_us };
            arrivals.borrow_mut().push(arrival);
            Bytes::from_static(ANSWER)
        }
    }
}

fn id(headers: &HeaderMap) -> u64 {
    let mut hasher = std::hash::DefaultHasher::new();
    if let Some(id) = IDS.iter().find_map(|name| headers.get(*name)) {
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
