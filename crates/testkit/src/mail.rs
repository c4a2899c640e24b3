//! A mail server on loopback that keeps messages and can reject recipients (the subset of RFC 5321 that a client needs).

use std::{
    io,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
};
use tokio_util::sync::{CancellationToken, DropGuard};
use trigrun_core::runtime::tasks;

/// A message as received.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    pub to: Vec<String>,
    /// Headers and body, line by line.
    pub lines: Vec<String>,
}

impl Message {
    /// The value of a header that is not folded.
    pub fn header(&self, name: &str) -> Option<&str> {
        let prefix = format!("{name}: ");
        self.lines.iter().take_while(|line| !line.is_empty()).find_map(|line| line.strip_prefix(&prefix))
    }
}

#[derive(Default)]
struct Shared {
    messages: Mutex<Vec<Message>>,
    /// Prefixes of addresses with their replies.
    refusals: Mutex<Vec<(String, String)>>,
}

/// Stops when it is dropped.
pub struct MailServer {
    address: SocketAddr,
    shared: Arc<Shared>,
    _stop: DropGuard,
}

impl MailServer {
    pub async fn start() -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let (address, shared, stop) =
            (listener.local_addr()?, Arc::<Shared>::default(), CancellationToken::new());
        let serving = accept(listener, shared.clone(), stop.clone());
        tasks::spawn("mail server", stop.clone().run_until_cancelled_owned(serving));
        Ok(Self { address, shared, _stop: stop.drop_guard() })
    }

    pub fn url(&self) -> String {
        format!("smtp://{}", self.address)
    }

    pub fn messages(&self) -> Vec<Message> {
        self.shared.messages.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Rejects recipients with this prefix with a reply like `550 no such mailbox`.
    pub fn refuse(&self, recipient: &str, reply: &str) {
        let mut refusals = self.shared.refusals.lock().unwrap_or_else(PoisonError::into_inner);
        refusals.push((recipient.to_owned(), reply.to_owned()));
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>, stop: CancellationToken) {
    while let Ok((socket, _)) = listener.accept().await {
        let shared = shared.clone();
        let serving = async move {
            // A client may disconnect at any time.
            let _disconnected = serve(socket, &shared).await;
        };
        tasks::spawn("mail client", stop.clone().run_until_cancelled_owned(serving));
    }
}

async fn serve(socket: TcpStream, shared: &Shared) -> io::Result<()> {
    let mut socket = BufReader::new(socket);
    socket.write_all(b"220 test\r\n").await?;
    let mut to = Vec::new();
    while let Some(line) = line(&mut socket).await? {
        let command = line.to_ascii_uppercase();
        let reply = match command.split([' ', ':']).next().unwrap_or_default() {
            "RCPT" => {
                let recipient = line.split(['<', '>']).nth(1).unwrap_or_default();
                let refusals = shared.refusals.lock().unwrap_or_else(PoisonError::into_inner);
                let refused = refusals.iter().find(|(prefix, _)| recipient.starts_with(prefix));
                refused.map(|(_, reply)| reply.clone()).unwrap_or_else(|| {
                    to.push(recipient.to_owned());
                    "250 ok".into()
                })
            }
            "DATA" => {
                socket.write_all(b"354 go on\r\n").await?;
                let lines = data(&mut socket).await?;
                let message = Message { to: std::mem::take(&mut to), lines };
                shared.messages.lock().unwrap_or_else(PoisonError::into_inner).push(message);
                "250 kept".into()
            }
            "QUIT" => "221 bye".into(),
            _ => "250 ok".into(),
        };
        socket.write_all(format!("{reply}\r\n").as_bytes()).await?;
    }
    Ok(())
}

async fn line(socket: &mut BufReader<TcpStream>) -> io::Result<Option<String>> {
    let mut line = String::new();
    let read = socket.read_line(&mut line).await?;
    Ok((read > 0).then(|| line.trim_end_matches(['\r', '\n']).to_owned()))
}

/// Up to the line with a single dot (RFC 5321 §4.5.2).
async fn data(socket: &mut BufReader<TcpStream>) -> io::Result<Vec<String>> {
    let mut lines = Vec::new();
    while let Some(line) = line(socket).await? {
        if line == "." {
            break;
        }
        lines.push(line.strip_prefix('.').map_or_else(|| line.clone(), str::to_owned));
    }
    Ok(lines)
}
