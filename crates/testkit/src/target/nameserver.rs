//! A name server on loopback that knows what it is told, and changes its mind when it is told so (RFC 1035, over UDP).

use std::{
    collections::HashMap,
    io,
    net::{IpAddr, SocketAddr},
    sync::{Arc, Mutex, PoisonError},
};

use tokio::net::UdpSocket;
use tokio_util::sync::{CancellationToken, DropGuard};
use trigrun_core::runtime::tasks;

const A: u16 = 1;
const AAAA: u16 = 28;
const INTERNET: u16 = 1;
/// An answer, to a query that asked for recursion, from a server that offers it.
const ANSWER: u16 = 0x8180;
const NO_SUCH_NAME: u16 = 3;
const HEAD: usize = 12;
/// The name of the question, by its place in the message (§4.1.4).
const SAME_NAME: u16 = 0xc000 | HEAD as u16;

type Names = Arc<Mutex<HashMap<String, Vec<IpAddr>>>>;

/// Ends when it is dropped.
pub struct NameServer {
    address: SocketAddr,
    names: Names,
    _stop: DropGuard,
}

impl NameServer {
    pub async fn start() -> io::Result<Self> {
        let socket = UdpSocket::bind("127.0.0.1:0").await?;
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
        let mut names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
        names.insert(name.to_owned(), addresses.to_vec());
    }
}

async fn serve(socket: UdpSocket, names: Names) {
    let mut query = [0; 512];
    while let Ok((length, peer)) = socket.recv_from(&mut query).await {
        let answer = answer(&query[..length], &names);
        if let Some(answer) = answer {
            // Who asked asks again.
            let _lost = socket.send_to(&answer, peer).await;
        }
    }
}

/// `None` for what is no query.
fn answer(query: &[u8], names: &Names) -> Option<Vec<u8>> {
    let (name, end) = question(query)?;
    let kind = u16::from_be_bytes([*query.get(end)?, *query.get(end + 1)?]);
    let known = names.lock().unwrap_or_else(PoisonError::into_inner).get(&name).cloned();
    let code = if known.is_some() { 0 } else { NO_SUCH_NAME };
    let records: Vec<Vec<u8>> =
        known.unwrap_or_default().into_iter().filter_map(|address| data(kind, address)).collect();
    let mut message = query[..2].to_vec();
    for number in [ANSWER | code, 1, u16::try_from(records.len()).ok()?, 0, 0] {
        message.extend(number.to_be_bytes());
    }
    message.extend(query.get(HEAD..end + 4)?);
    for record in records {
        for number in [SAME_NAME, kind, INTERNET, 0, 0, u16::try_from(record.len()).ok()?] {
            message.extend(number.to_be_bytes());
        }
        message.extend(record);
    }
    Some(message)
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
