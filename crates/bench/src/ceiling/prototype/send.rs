//! Sends due runs over connections that are kept alive, with one request in flight on each.

use anyhow::Context;
use std::{cell::RefCell, collections::VecDeque, mem, net::SocketAddr, rc::Rc, time::Duration};
use tokio::{
    sync::{
        Notify, Semaphore,
        mpsc::{UnboundedReceiver, UnboundedSender},
    },
    task::spawn_local,
    time::sleep,
};

use super::{
    run::{Completed, Run},
    threads::fail,
};
use crate::ceiling::{http::Connection, unix_us};

const IN_FLIGHT: usize = 256;
/// The recorder gets results once there are this many, and at this interval.
const FLUSH_BATCH: usize = 500;
const FLUSH_INTERVAL: Duration = Duration::from_millis(5);

/// Shared by all connections, which are on one thread.
struct Queue {
    due: RefCell<VecDeque<Run>>,
    /// One permit for each run in `due`.
    ready: Semaphore,
    completed: RefCell<Vec<Completed>>,
    batch_is_full: Notify,
}

/// Ends when the recorder has got the results of all jobs.
pub async fn all(
    jobs: i64,
    sink: SocketAddr,
    mut due: UnboundedReceiver<Vec<Run>>,
    record: UnboundedSender<Vec<Completed>>,
) -> anyhow::Result<()> {
    let queue = Rc::new(Queue {
        due: RefCell::default(),
        ready: Semaphore::new(0),
        completed: RefCell::default(),
        batch_is_full: Notify::new(),
    });
    for _ in 0..IN_FLIGHT {
        let (queue, connection) = (queue.clone(), Connection::open(sink).await?);
        spawn_local(async move {
            if let Err(error) = serve(&queue, connection).await {
                fail("send", &error);
            }
        });
    }
    let to = queue.clone();
    spawn_local(async move {
        while let Some(runs) = due.recv().await {
            let count = runs.len();
            to.due.borrow_mut().extend(runs);
            to.ready.add_permits(count);
        }
    });
    let mut sent = 0;
    while sent < jobs {
        tokio::select! {
            () = queue.batch_is_full.notified() => {}
            () = sleep(FLUSH_INTERVAL) => {}
        }
        let completed = mem::take(&mut *queue.completed.borrow_mut());
        if !completed.is_empty() {
            sent += completed.len() as i64;
            record.send(completed).ok().context("the recorder has ended")?;
        }
    }
    Ok(())
}

async fn serve(queue: &Queue, mut connection: Connection) -> anyhow::Result<()> {
    loop {
        queue.ready.acquire().await?.forget();
        let run = queue.due.borrow_mut().pop_front().context("a permit without a run")?;
        let started = unix_us();
        let (status, body) = connection.post(&run.path, run.job, run.at, run.body).await?;
        let completed = Completed {
            entry: run.entry,
            job: run.job,
            at: run.at,
            started,
            latency_us: i32::try_from(unix_us() - started)?,
            status: i16::try_from(status)?,
            snippet: String::from_utf8_lossy(&body).into_owned(),
        };
        let mut all = queue.completed.borrow_mut();
        all.push(completed);
        if all.len() >= FLUSH_BATCH {
            queue.batch_is_full.notify_one();
        }
    }
}
