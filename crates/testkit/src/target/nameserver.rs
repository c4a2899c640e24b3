//! A name server on loopback whose answers a test sets and changes (RFC 1035, over UDP).

use std::{
    collections::HashMap,
    io,
    net::{IpAddr, SocketAddr},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::net::UdpSocket;
use tokio_util::sync::{CancellationToken, DropGuard};
use trigrun_core::runtime::tasks;

const A: u16 = 1;
const CNAME: u16 = 5;
const SOA: u16 = 6;
const AAAA: u16 = 28;
const INTERNET: u16 = 1;
/// A response, recursion desired, recursion available.
const RESPONSE_FLAGS: u16 = 0x8180;
const SERVER_FAILURE: u16 = 2;
const NO_SUCH_NAME: u16 = 3;
const HEADER_BYTES: usize = 12;
/// A pointer to the name in the question (§4.1.4).
const SAME_NAME: u16 = 0xc000 | HEADER_BYTES as u16;

type Names = Arc<Mutex<State>>;

#[derive(Default)]
struct State {
    answers: HashMap<String, Answers>,
    /// How often the IPv4 addresses of a name were asked for.
    queries: HashMap<String, usize>,
}

/// The answers for a name.
#[derive(Clone, Debug, Default)]
pub struct Answers {
    addresses: Vec<IpAddr>,
    alias: Option<String>,
    after: Duration,
    dropped: bool,
    ttl: u32,
    code: u16,
}

impl Answers {
    pub fn to(addresses: &[IpAddr]) -> Self {
        Self { addresses: addresses.to_vec(), ..Self::default() }
    }

    /// Makes the name an alias (CNAME) of another one, which has the addresses. Without addresses, the client has to follow it.
    pub fn alias(self, of: &str) -> Self {
        Self { alias: Some(of.to_owned()), ..self }
    }

    /// Delays the answer.
    pub fn after(self, after: Duration) -> Self {
        Self { after, ..self }
    }

    /// Lets clients cache the answer, also that there is none, for this many seconds.
    pub fn cached_for(self, ttl: u32) -> Self {
        Self { ttl, ..self }
    }

    /// NXDOMAIN, with the SOA record that makes it cacheable (RFC 2308 §3).
    pub fn missing() -> Self {
        Self { code: NO_SUCH_NAME, ..Self::default() }
    }

    /// SERVFAIL.
    pub fn failing() -> Self {
        Self { code: SERVER_FAILURE, ..Self::default() }
    }

    /// Drops every query.
    pub fn dropped(self) -> Self {
        Self { dropped: true, ..self }
    }
}

/// Stops when it is dropped.
pub struct NameServer {
    address: SocketAddr,
    names: Names,
    _stop: DropGuard,
}

impl NameServer {
    pub async fn start() -> io::Result<Self> {
        Self::start_at(SocketAddr::from(([127, 0, 0, 1], 0))).await
    }

    pub async fn start_at(address: SocketAddr) -> io::Result<Self> {
        let socket = UdpSocket::bind(address).await?;
        let (address, names, stop) = (socket.local_addr()?, Names::default(), CancellationToken::new());
        let serving = stop.clone().run_until_cancelled_owned(serve(socket, Arc::clone(&names)));
        tasks::spawn("name server", serving);
        Ok(Self { address, names, _stop: stop.drop_guard() })
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Sets the addresses of `name`, with a TTL of 0, so that no client caches them.
    pub fn set(&self, name: &str, addresses: &[IpAddr]) {
        self.set_answers(name, Answers::to(addresses));
    }

    /// [`NameServer::set`] with an alias, a delay, or no answer.
    pub fn set_answers(&self, name: &str, answers: Answers) {
        let mut names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
        names.answers.insert(name.to_owned(), answers);
    }

    /// How often the IPv4 addresses of each name were asked for.
    pub fn queries(&self) -> HashMap<String, usize> {
        self.names.lock().unwrap_or_else(PoisonError::into_inner).queries.clone()
    }
}

async fn serve(socket: UdpSocket, names: Names) {
    let (socket, mut query) = (Arc::new(socket), [0; 512]);
    while let Ok((length, peer)) = socket.recv_from(&mut query).await {
        let Some((answer, after)) = answer(&query[..length], &names) else { continue };
        let socket = Arc::clone(&socket);
        tasks::spawn("answer", async move {
            tokio::time::sleep(after).await;
            // The client repeats its query.
            let _lost = socket.send_to(&answer, peer).await;
        });
    }
}

/// The response and its delay; `None` for an invalid query or a name without an answer.
fn answer(query: &[u8], names: &Names) -> Option<(Vec<u8>, Duration)> {
    let (name, end) = question(query)?;
    let kind = u16::from_be_bytes([*query.get(end)?, *query.get(end + 1)?]);
    let known = {
        let mut names = names.lock().unwrap_or_else(PoisonError::into_inner);
        if kind == A {
            *names.queries.entry(name.clone()).or_default() += 1;
        }
        names.answers.get(&name).cloned()
    };
    let unknown = || Answers { code: NO_SUCH_NAME, ..Answers::default() };
    let Answers { addresses, alias, after, dropped, ttl, code } = known.unwrap_or_else(unknown);
    if dropped {
        return None;
    }
    let owner = alias.as_deref().map_or_else(|| SAME_NAME.to_be_bytes().to_vec(), encoded);
    let alias = alias.map(|of| record(&SAME_NAME.to_be_bytes(), CNAME, ttl, &encoded(&of)));
    let addresses = addresses.into_iter().filter_map(|address| data(kind, address));
    let records: Vec<Vec<u8>> =
        alias.into_iter().chain(addresses.map(|data| record(&owner, kind, ttl, &data))).collect();
    let authority =
        (code == NO_SUCH_NAME && ttl > 0).then(|| record(&SAME_NAME.to_be_bytes(), SOA, ttl, &zone(ttl)));
    let mut message = query[..2].to_vec();
    for number in
        [RESPONSE_FLAGS | code, 1, u16::try_from(records.len()).ok()?, authority.is_some().into(), 0]
    {
        message.extend(number.to_be_bytes());
    }
    message.extend(query.get(HEADER_BYTES..end + 4)?);
    message.extend(records.concat());
    message.extend(authority.unwrap_or_default());
    Some((message, after))
}

/// The data of an SOA record, of which clients need the last number: how long to cache that a name does not exist (§3.3.13).
fn zone(ttl: u32) -> Vec<u8> {
    let numbers = [1, 3600, 600, 86_400, ttl].map(u32::to_be_bytes);
    [&[0, 0][..], &numbers.concat()].concat()
}

/// §3.2.1.
fn record(owner: &[u8], kind: u16, ttl: u32, data: &[u8]) -> Vec<u8> {
    let mut record = owner.to_vec();
    record.extend([kind, INTERNET].map(u16::to_be_bytes).concat());
    record.extend(ttl.to_be_bytes());
    record.extend((data.len() as u16).to_be_bytes());
    record.extend(data);
    record
}

/// §3.1.
fn encoded(name: &str) -> Vec<u8> {
    let labels = name.split('.').flat_map(|label| {
        let length = label.len() as u8;
        std::iter::once(length).chain(label.bytes())
    });
    labels.chain([0]).collect()
}

/// The queried name in lower case, and the position after it.
fn question(query: &[u8]) -> Option<(String, usize)> {
    let (mut labels, mut at) = (Vec::new(), HEADER_BYTES);
    loop {
        let length = usize::from(*query.get(at)?);
        at += 1;
        if length == 0 {
            return Some((labels.join("."), at));
        }
        labels.push(String::from_utf8_lossy(query.get(at..at + length)?).to_ascii_lowercase());
        at += length;
    }
}

fn data(kind: u16, address: IpAddr) -> Option<Vec<u8>> {
    match (kind, address) {
        (A, IpAddr::V4(address)) => Some(address.octets().to_vec()),
        (AAAA, IpAddr::V6(address)) => Some(address.octets().to_vec()),
        _ => None,
    }
}
