//! The target of jobs: an HTTP server on loopback that does what the path says.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

pub struct Target {
    pub url: String,
    /// The paths of the requests, in the order in which they arrived.
    pub hits: Arc<Mutex<Vec<String>>>,
    released: Arc<AtomicBool>,
}

impl Target {
    /// `/ok` responds with 200, `/fail` with 500, and `/hang` not before the target is released.
    pub fn start() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (hits, released) = (Arc::new(Mutex::new(Vec::new())), Arc::new(AtomicBool::new(false)));
        let (seen, may_end) = (Arc::clone(&hits), Arc::clone(&released));
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (seen, may_end) = (Arc::clone(&seen), Arc::clone(&may_end));
                // A client that goes away is no error of the target.
                thread::spawn(move || serve(&stream, &seen, &may_end).unwrap_or_default());
            }
        });
        Self { url, hits, released }
    }

    /// Lets the requests to `/hang` end.
    pub fn release(&self) {
        self.released.store(true, Ordering::Relaxed);
    }

    pub fn hits(&self, path: &str) -> usize {
        self.hits.lock().unwrap().iter().filter(|hit| *hit == path).count()
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        self.release();
    }
}

fn serve(stream: &TcpStream, hits: &Mutex<Vec<String>>, released: &AtomicBool) -> std::io::Result<()> {
    let request = Request::read(stream)?;
    hits.lock().unwrap().push(request.path.clone());
    while request.path.starts_with("/hang") && !released.load(Ordering::Relaxed) {
        thread::sleep(Duration::from_millis(20));
    }
    let status = if request.path.starts_with("/fail") { "500 Internal Server Error" } else { "200 OK" };
    let body = format!("{} {}", request.method, String::from_utf8_lossy(&request.body));
    let mut stream = stream;
    write!(stream, "HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}", body.len())
}

/// A request of HTTP/1.1 with a `Content-Length`, or without a body.
pub struct Request {
    pub method: String,
    pub path: String,
    /// The lines of the head after the first, with their ends.
    pub headers: String,
    pub body: Vec<u8>,
}

impl Request {
    pub fn read(stream: &TcpStream) -> std::io::Result<Self> {
        let mut reader = BufReader::new(stream);
        let mut first = String::new();
        reader.read_line(&mut first)?;
        let mut words = first.split_whitespace().map(str::to_owned);
        let (method, path) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        let (mut headers, mut length) = (String::new(), 0);
        loop {
            let mut line = String::new();
            reader.read_line(&mut line)?;
            if line.trim().is_empty() {
                break;
            }
            if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().unwrap_or(0);
            }
            headers.push_str(&line);
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body)?;
        Ok(Self { method, path, headers, body })
    }
}
