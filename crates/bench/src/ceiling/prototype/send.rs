//! Sends what is due over connections that are kept alive, one request in flight on each.

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
    process::fail,
    run::{Answered, Run},
};
use crate::ceiling::{http::Connection, unix_us};

const IN_FLIGHT: usize = 256;
/// Answers go to the recorder when there are so many, and after so long.
const ENOUGH: usize = 500;
const FLUSH: Duration = Duration::from_millis(5);

/// All connections are on one thread: no locks.
struct Desk {
    due: RefCell<VecDeque<Run>>,
    /// As many permits as there are runs in `due`.
    ready: Semaphore,
    answered: RefCell<Vec<Answered>>,
    enough: Notify,
}

/// Ends when so many runs have been handed to the recorder.
pub async fn all(
    jobs: i64,
    sink: SocketAddr,
    mut due: UnboundedReceiver<Vec<Run>>,
    record: UnboundedSender<Vec<Answered>>,
) -> anyhow::Result<()> {
    let desk = Rc::new(Desk {
        due: RefCell::default(),
        ready: Semaphore::new(0),
        answered: RefCell::default(),
        enough: Notify::new(),
    });
    for _ in 0..IN_FLIGHT {
        let (desk, connection) = (desk.clone(), Connection::open(sink).await?);
        spawn_local(async move {
            if let Err(error) = serve(&desk, connection).await {
                fail("send", &error);
            }
        });
    }
    let to = desk.clone();
    spawn_local(async move {
        while let Some(runs) = due.recv().await {
            let count = runs.len();
            to.due.borrow_mut().extend(runs);
            to.ready.add_permits(count);
        }
    });
    let mut handed = 0;
    while handed < jobs {
        tokio::select! {
            () = desk.enough.notified() => {}
            () = sleep(FLUSH) => {}
        }
        let answered = mem::take(&mut *desk.answered.borrow_mut());
        if !answered.is_empty() {
            handed += answered.len() as i64;
            record.send(answered).ok().context("the recorder has gone")?;
        }
    }
    Ok(())
}

async fn serve(desk: &Desk, mut connection: Connection) -> anyhow::Result<()> {
    loop {
        desk.ready.acquire().await?.forget();
        let run = desk.due.borrow_mut().pop_front().context("a permit without a run")?;
        let started = unix_us();
        let (status, body) = connection.post(&run.path, run.job, run.at, run.body).await?;
        let answered = Answered {
            entry: run.entry,
            job: run.job,
            at: run.at,
            started,
            latency_us: i32::try_from(unix_us() - started)?,
            status: i16::try_from(status)?,
            snippet: String::from_utf8_lossy(&body).into_owned(),
        };
        let mut all = desk.answered.borrow_mut();
        all.push(answered);
        if all.len() >= ENOUGH {
            desk.enough.notify_one();
        }
    }
}
