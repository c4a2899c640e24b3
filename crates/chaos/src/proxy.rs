//! A socket in front of Redis that can fall silent: connections stay open, and nothing passes.

use std::{io, path::PathBuf, sync::Arc};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{UnixListener, UnixStream, unix},
    sync::watch,
};
use tokio_util::sync::{CancellationToken, DropGuard};
use trigrun_core::runtime::tasks;

/// Ends, with its connections, when it is dropped.
pub struct Proxy {
    path: PathBuf,
    passes: Arc<watch::Sender<bool>>,
    _stop: DropGuard,
}

impl Proxy {
    pub fn start(path: PathBuf, server: PathBuf) -> io::Result<Self> {
        let listener = UnixListener::bind(&path)?;
        let (passes, stop) = (Arc::new(watch::Sender::new(true)), CancellationToken::new());
        let accepting = accept(listener, server, passes.clone());
        tasks::spawn("proxy", stop.clone().run_until_cancelled_owned(accepting));
        Ok(Self { path, passes, _stop: stop.drop_guard() })
    }

    pub fn url(&self) -> String {
        format!("unix://{}", self.path.display())
    }

    /// From now on nothing passes, in either direction, until `true` is said again.
    pub fn pass(&self, passes: bool) {
        self.passes.send_replace(passes);
    }
}

async fn accept(listener: UnixListener, server: PathBuf, passes: Arc<watch::Sender<bool>>) {
    while let Ok((client, _)) = listener.accept().await {
        let (server, passes) = (server.clone(), passes.subscribe());
        tasks::spawn("proxy connection", async move {
            // A server that is down closes its clients: so does this.
            let Ok(server) = UnixStream::connect(server).await else { return };
            let ((from_client, to_client), (from_server, to_server)) =
                (client.into_split(), server.into_split());
            tokio::select! {
                _ = pump(from_client, to_server, passes.clone()) => {}
                _ = pump(from_server, to_client, passes) => {}
            }
        });
    }
}

async fn pump(
    mut from: unix::OwnedReadHalf,
    mut to: unix::OwnedWriteHalf,
    mut passes: watch::Receiver<bool>,
) -> io::Result<()> {
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let read = from.read(&mut buffer).await?;
        if passes.wait_for(|passes| *passes).await.is_err() || read == 0 {
            return Ok(());
        }
        to.write_all(&buffer[..read]).await?;
    }
}
