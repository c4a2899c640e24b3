//! A proxy in front of Redis that can stall: connections stay open, and no bytes pass.

use std::{io, path::PathBuf, sync::Arc};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{UnixListener, UnixStream, unix},
    sync::watch,
};
use tokio_util::sync::{CancellationToken, DropGuard};
use trigrun_core::runtime::tasks;

/// Stops, with its connections, when it is dropped.
pub struct Proxy {
    path: PathBuf,
    forwards: Arc<watch::Sender<bool>>,
    _stop: DropGuard,
}

impl Proxy {
    pub fn start(path: PathBuf, server: PathBuf) -> io::Result<Self> {
        let listener = UnixListener::bind(&path)?;
        let (forwards, stop) = (Arc::new(watch::Sender::new(true)), CancellationToken::new());
        let accepting = accept(listener, server, forwards.clone());
        tasks::spawn("proxy", stop.clone().run_until_cancelled_owned(accepting));
        Ok(Self { path, forwards, _stop: stop.drop_guard() })
    }

    pub fn url(&self) -> String {
        format!("unix://{}", self.path.display())
    }

    /// `false` stops the bytes in both directions until the next call with `true`.
    pub fn forward(&self, forwards: bool) {
        self.forwards.send_replace(forwards);
    }
}

async fn accept(listener: UnixListener, server: PathBuf, forwards: Arc<watch::Sender<bool>>) {
    while let Ok((client, _)) = listener.accept().await {
        let (server, forwards) = (server.clone(), forwards.subscribe());
        tasks::spawn("proxy connection", async move {
            // Closes the client's connection, as a server does that is down.
            let Ok(server) = UnixStream::connect(server).await else { return };
            let ((from_client, to_client), (from_server, to_server)) =
                (client.into_split(), server.into_split());
            tokio::select! {
                _ = pump(from_client, to_server, forwards.clone()) => {}
                _ = pump(from_server, to_client, forwards) => {}
            }
        });
    }
}

async fn pump(
    mut from: unix::OwnedReadHalf,
    mut to: unix::OwnedWriteHalf,
    mut forwards: watch::Receiver<bool>,
) -> io::Result<()> {
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let read = from.read(&mut buffer).await?;
        if forwards.wait_for(|forwards| *forwards).await.is_err() || read == 0 {
            return Ok(());
        }
        to.write_all(&buffer[..read]).await?;
    }
}
