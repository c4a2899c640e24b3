//! A name server on loopback that knows what it is told, and changes its mind when it is told so (RFC 1035, over UDP).

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
const AAAA: u16 = 28;
const INTERNET: u16 = 1;
/// An answer, to a query that asked for recursion, from a server that offers it.
const ANSWER: u16 = 0x8180;
const NO_SUCH_NAME: u16 = 3;
const HEAD: usize = 12;
/// The name of the question, by its place in the message (§4.1.4).
const SAME_NAME: u16 = 0xc000 | HEAD as u16;

type Names = Arc<Mutex<HashMap<String, Answers>>>;

/// What is answered for a name.
#[derive(Clone, Debug, Default)]
pub struct Answers {
    addresses: Vec<IpAddr>,
    alias: Option<String>,
    after: Duration,
    silent: bool,
}

impl Answers {
    pub fn to(addresses: &[IpAddr]) -> Self {
        Self { addresses: addresses.to_vec(), ..Self::default() }
    }

    /// The name is an alias of another, whose the addresses are; without addresses the client has to follow it.
    pub fn alias(self, of: &str) -> Self {
        Self { alias: Some(of.to_owned()), ..self }
    }

    /// Answered only when this time has passed.
    pub fn after(self, after: Duration) -> Self {
        Self { after, ..self }
    }

    /// Never answered.
    pub fn silent(self) -> Self {
        Self { silent: true, ..self }
    }
}

/// Ends when it is dropped.
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

    /// From now on `name` has these addresses, to be kept by nobody: their TTL is 0.
    pub fn set(&self, name: &str, addresses: &[IpAddr]) {
        self.set_answers(name, Answers::to(addresses));
    }

    /// The same with all that an answer can have.
    pub fn set_answers(&self, name: &str, answers: Answers) {
        let mut names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
        names.insert(name.to_owned(), answers);
    }
}

async fn serve(socket: UdpSocket, names: Names) {
    let (socket, mut query) = (Arc::new(socket), [0; 512]);
    while let Ok((length, peer)) = socket.recv_from(&mut query).await {
        let Some((answer, after)) = answer(&query[..length], &names) else { continue };
        let socket = Arc::clone(&socket);
        tasks::spawn("answer", async move {
            tokio::time::sleep(after).await;
            // Who asked asks again.
            let _lost = socket.send_to(&answer, peer).await;
        });
    }
}

/// What to answer, and after what time; `None` for what is no query, or stays without an answer.
fn answer(query: &[u8], names: &Names) -> Option<(Vec<u8>, Duration)> {
    let (name, end) = question(query)?;
    let kind = u16::from_be_bytes([*query.get(end)?, *query.get(end + 1)?]);
    let known = names.lock().unwrap_or_else(PoisonError::into_inner).get(&name).cloned();
    let code = if known.is_some() { 0 } else { NO_SUCH_NAME };
    let Answers { addresses, alias, after, silent } = known.unwrap_or_default();
    if silent {
        return None;
    }
    let owner = alias.as_deref().map_or_else(|| SAME_NAME.to_be_bytes().to_vec(), encoded);
    let alias = alias.map(|of| record(&SAME_NAME.to_be_bytes(), CNAME, &encoded(&of)));
    let addresses = addresses.into_iter().filter_map(|address| data(kind, address));
    let records: Vec<Vec<u8>> =
        alias.into_iter().chain(addresses.map(|data| record(&owner, kind, &data))).collect();
    let mut message = query[..2].to_vec();
    for number in [ANSWER | code, 1, u16::try_from(records.len()).ok()?, 0, 0] {
        message.extend(number.to_be_bytes());
    }
    message.extend(query.get(HEAD..end + 4)?);
    message.extend(records.concat());
    Some((message, after))
}

/// §3.2.1, with a TTL of 0.
fn record(owner: &[u8], kind: u16, data: &[u8]) -> Vec<u8> {
    let mut record = owner.to_vec();
    for number in [kind, INTERNET, 0, 0, data.len() as u16] {
        record.extend(number.to_be_bytes());
    }
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

/// The name that is asked for, in lower case, and where it ends.
fn question(query: &[u8]) -> Option<(String, usize)> {
    let (mut labels, mut at) = (Vec::new(), HEAD);
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
