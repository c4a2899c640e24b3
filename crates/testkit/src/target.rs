//! The scripted target: a real HTTP server on loopback that responds or misbehaves as a script says.
//!
//! It must not depend on the code under test. It reads and writes HTTP/1.1 by hand, so that it can send malformed responses.

mod certificates;
mod frames;
mod http1;
mod http2;
mod nameserver;
mod script;
mod tls;

use std::{
    collections::{HashMap, VecDeque},
    io,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant, SystemTime},
};

use bytes::Bytes;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinHandle,
};
use tokio_rustls::TlsAcceptor;
use tokio_util::{
    sync::{CancellationToken, DropGuard},
    task::TaskTracker,
};
use trigrun_core::runtime::tasks;

pub use self::{
    certificates::{Authority, Certificate, NAMES, REVOCATION_LIST},
    frames::Frames,
    nameserver::{Answers, NameServer},
    script::Script,
    tls::Protocol,
};

const ANY_PORT: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

/// A request as it arrived.
#[derive(Clone, Debug)]
pub struct Hit {
    pub method: String,
    /// Path and query.
    pub path: String,
    /// Names in lower case, in the order received. HTTP/2's `:authority` appears as `host`.
    pub headers: Vec<(String, String)>,
    /// The same names as they were spelled.
    pub names: Vec<String>,
    pub body: Bytes,
    /// When its last byte was read.
    pub arrived: Instant,
    pub arrived_at: SystemTime,
}

impl Hit {
    #[allow(clippy::disallowed_methods, reason = "a test compares with the wall clock of this machine")]
    fn now(method: String, path: String, headers: Vec<(String, String)>, body: Bytes) -> Self {
        let (names, headers) = headers
            .into_iter()
            .map(|(name, value)| (name.clone(), (name.to_ascii_lowercase(), value)))
            .unzip();
        Self { method, path, headers, names, body, arrived: Instant::now(), arrived_at: SystemTime::now() }
    }

    /// The first value of the header `name`, which is in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

/// A server on a private port of 127.0.0.1, or at a given address. It ends, with its connections, when it is dropped.
pub struct Target {
    shared: Arc<Shared>,
    address: SocketAddr,
    scheme: &'static str,
    authority: Option<Arc<Authority>>,
    acceptor: Option<TlsAcceptor>,
    stop: CancellationToken,
    accepting: Option<JoinHandle<()>>,
}

impl Target {
    /// Serves `http://`.
    pub async fn start() -> io::Result<Self> {
        Self::start_at(ANY_PORT).await
    }

    /// Serves `http://` at this address.
    pub async fn start_at(address: SocketAddr) -> io::Result<Self> {
        Self::listen(address, None).await
    }

    /// Serves `https://` with this certificate and protocol; see [`Target::authority`].
    pub async fn start_tls(certificate: Certificate, protocol: Protocol) -> io::Result<Self> {
        Self::start_tls_at(ANY_PORT, certificate, protocol).await
    }

    /// Serves `https://` at this address.
    pub async fn start_tls_at(
        address: SocketAddr,
        certificate: Certificate,
        protocol: Protocol,
    ) -> io::Result<Self> {
        let authority = Arc::new(Authority::new().map_err(io::Error::other)?);
        Self::start_tls_of(authority, address, certificate, protocol).await
    }

    /// Serves `https://` at this address, with a certificate of this authority.
    pub async fn start_tls_of(
        authority: Arc<Authority>,
        address: SocketAddr,
        certificate: Certificate,
        protocol: Protocol,
    ) -> io::Result<Self> {
        let acceptor = tls::acceptor(&authority, certificate, address.ip(), protocol)?;
        Self::listen(address, Some((acceptor, authority))).await
    }

    async fn listen(address: SocketAddr, tls: Option<(TlsAcceptor, Arc<Authority>)>) -> io::Result<Self> {
        let listener = TcpListener::bind(address).await?;
        let (shared, stop) = (Arc::<Shared>::default(), CancellationToken::new());
        let address = listener.local_addr()?;
        let scheme = if tls.is_some() { "https" } else { "http" };
        let (acceptor, authority) = tls.unzip();
        let accepting = accept(listener, acceptor.clone(), Arc::clone(&shared));
        let stopped = stop.clone();
        let accepting = tasks::spawn("target", async move {
            stopped.run_until_cancelled(accepting).await.unwrap_or_default()
        });
        Ok(Self { shared, address, scheme, authority, acceptor, stop, accepting: Some(accepting) })
    }

    pub fn url(&self, path: &str) -> String {
        format!("{}://{}{path}", self.scheme, self.address)
    }

    /// The URL with a host name, which a [`NameServer`] must resolve.
    pub fn url_of(&self, host: &str, path: &str) -> String {
        format!("{}://{host}:{}{path}", self.scheme, self.address.port())
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The certificate (DER) of the authority that a client must trust.
    pub fn authority(&self) -> Option<&[u8]> {
        Some(self.authority.as_deref()?.certificate())
    }

    /// The same in PEM.
    pub fn authority_pem(&self) -> Option<String> {
        Some(self.authority.as_deref()?.certificate_pem())
    }

    /// Serves scripted HTTP/2 frames at this address, with the certificate of this target, which must use HTTP/2. Each connection gets the
    /// next ones, and further connections the last. One over HTTP/1.1 gets a successful response.
    pub async fn frames_at(
        &self,
        address: SocketAddr,
        frames: impl IntoIterator<Item = Frames>,
    ) -> io::Result<DropGuard> {
        let acceptor = self.acceptor.clone().ok_or(io::ErrorKind::InvalidInput)?;
        Ok(frames::serve(TcpListener::bind(address).await?, acceptor, frames.into_iter().collect()))
    }

    /// Sets the response to requests for `path` (without the query). The default is 200 with `{"ok":true}`.
    pub fn respond(&self, path: &str, script: Script) {
        self.respond_in_turn(path, [script]);
    }

    /// Sets one script per request, in order. The last one applies to all further requests.
    pub fn respond_in_turn(&self, path: &str, scripts: impl IntoIterator<Item = Script>) {
        self.shared.state().scripts.insert(path.to_owned(), scripts.into_iter().collect());
    }

    /// The requests received so far.
    pub fn hits(&self) -> Vec<Hit> {
        self.shared.state().hits.clone()
    }

    /// The number of connections accepted so far.
    pub fn connections(&self) -> usize {
        *self.shared.connections.borrow()
    }

    /// Waits until `count` requests have arrived. `Err` contains those that arrived before the timeout.
    pub async fn wait_for(&self, count: usize, timeout: Duration) -> Result<Vec<Hit>, Vec<Hit>> {
        let mut arrived = self.shared.arrived.subscribe();
        let enough = arrived.wait_for(|seen| *seen >= count);
        match tokio::time::timeout(timeout, enough).await {
            Ok(_) => Ok(self.hits()),
            Err(_) => Err(self.hits()),
        }
    }

    /// Waits until `count` connections were accepted, which may be after the client has connected.
    pub async fn wait_for_connections(&self, count: usize, timeout: Duration) -> bool {
        let mut accepted = self.shared.connections.subscribe();
        tokio::time::timeout(timeout, accepted.wait_for(|accepted| *accepted >= count)).await.is_ok()
    }

    /// Waits until the clients have closed all but `count` connections; `false` on timeout.
    pub async fn wait_for_open(&self, count: usize, timeout: Duration) -> bool {
        let mut open = self.shared.open.subscribe();
        tokio::time::timeout(timeout, open.wait_for(|open| *open <= count)).await.is_ok()
    }

    /// Closes the port and all connections, and waits for that.
    pub async fn stop(mut self) {
        self.stop.cancel();
        if let Some(accepting) = self.accepting.take() {
            let _cancelled = accepting.await;
        }
        self.close_connections().await;
    }

    /// Closes all open connections and waits for that. The port stays open.
    pub async fn close_connections(&self) {
        let serving = std::mem::take(&mut self.shared.state().serving);
        serving.stop.cancel();
        serving.tracker.close();
        serving.tracker.wait().await;
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        self.stop.cancel();
        self.shared.state().serving.stop.cancel();
    }
}

/// The open connections.
#[derive(Default)]
struct Serving {
    stop: CancellationToken,
    tracker: TaskTracker,
}

#[derive(Default)]
struct State {
    scripts: HashMap<String, VecDeque<Script>>,
    hits: Vec<Hit>,
    serving: Serving,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    arrived: watch::Sender<usize>,
    connections: watch::Sender<usize>,
    open: watch::Sender<usize>,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Records the request and returns its script.
    fn receive(&self, hit: Hit) -> Script {
        let mut state = self.state();
        let path = hit.path.split('?').next().unwrap_or_default();
        let script = match state.scripts.get_mut(path) {
            Some(scripts) if scripts.len() > 1 => scripts.pop_front(),
            Some(scripts) => scripts.front().cloned(),
            None => None,
        };
        state.hits.push(hit);
        self.arrived.send_replace(state.hits.len());
        script.unwrap_or_default()
    }
}

async fn accept(listener: TcpListener, acceptor: Option<TlsAcceptor>, shared: Arc<Shared>) {
    while let Ok((socket, _)) = listener.accept().await {
        shared.connections.send_modify(|count| *count += 1);
        let (stop, tracker) = {
            let state = shared.state();
            (state.serving.stop.clone(), state.serving.tracker.clone())
        };
        let connection = serve(socket, acceptor.clone(), Arc::clone(&shared), Counted::new(&shared));
        tracker.spawn(stop.run_until_cancelled_owned(connection));
    }
}

/// Counts a connection as open until it is dropped.
struct Counted(Arc<Shared>);

impl Counted {
    fn new(shared: &Arc<Shared>) -> Self {
        shared.open.send_modify(|open| *open += 1);
        Self(Arc::clone(shared))
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.open.send_modify(|open| *open = open.saturating_sub(1));
    }
}

/// Ignores errors of the connection: the client sees them.
async fn serve(socket: TcpStream, acceptor: Option<TlsAcceptor>, shared: Arc<Shared>, _open: Counted) {
    if socket.set_nodelay(true).is_err() {
        return;
    }
    let Some(acceptor) = acceptor else {
        let _gone = http1::serve(socket, shared).await;
        return;
    };
    if let Ok(stream) = acceptor.accept(socket).await {
        let _gone = match stream.get_ref().1.alpn_protocol() {
            Some(b"h2") => http2::serve(stream, shared).await,
            _ => http1::serve(stream, shared).await,
        };
    }
}
