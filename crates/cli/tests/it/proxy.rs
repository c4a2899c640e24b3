//! A server in front of the API that passes requests on, and does not pass some responses back.

use std::{
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use crate::target::Request;

pub struct Proxy {
    pub url: String,
    /// How many responses were cut.
    pub cut: Arc<AtomicUsize>,
}

impl Proxy {
    /// Cuts the first response to a request with this method and path. The API has done what it asked for.
    pub fn cutting_the_first(upstream: &str, method: &'static str, path: &'static str) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let upstream = upstream.strip_prefix("http://").unwrap().to_owned();
        let cut = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&cut);
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let request = Request::read(&client).unwrap();
                let response = pass_on(&upstream, &request);
                let is_cut = request.method == method && request.path.split('?').next() == Some(path);
                if is_cut && counter.load(Ordering::Relaxed) == 0 {
                    counter.fetch_add(1, Ordering::Relaxed);
                    continue;
                }
                // A client that goes away is no error of the proxy.
                let _ = (&client).write_all(&response);
            }
        });
        Self { url, cut }
    }

    pub fn cuts(&self) -> usize {
        self.cut.load(Ordering::Relaxed)
    }
}

fn pass_on(upstream: &str, request: &Request) -> Vec<u8> {
    let mut stream = TcpStream::connect(upstream).unwrap();
    let Request { method, path, headers, body } = request;
    write!(stream, "{method} {path} HTTP/1.1\r\n{headers}connection: close\r\n\r\n").unwrap();
    stream.write_all(body).unwrap();
    let mut response = Vec::new();
    stream.read_to_end(&mut response).unwrap();
    response
}
