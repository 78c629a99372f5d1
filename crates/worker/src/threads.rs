//! The threads of a worker: each waits for a connection with a request and answers it.

use crate::connection::log_panic;
use crate::connections::Work;
use crate::process::Worker;
use crate::seats;
use nix::sys::resource::{Resource, getrlimit};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Counts threads that are not idle.
#[derive(Debug, Default)]
pub(crate) struct Busy {
    count: AtomicUsize,
    /// Somebody waits for all of them to be idle.
    awaited: AtomicBool,
    lock: Mutex<()>,
    idle: Condvar,
}

impl Busy {
    /// One more.
    pub(crate) fn begin(&self) {
        self.count.fetch_add(1, SeqCst);
    }

    /// One less.
    pub(crate) fn end(&self) {
        self.count.fetch_sub(1, SeqCst);
        if self.awaited.load(SeqCst) {
            // Under the lock, so that it does not fall between a look at the count and the wait for it.
            let _lock = self.lock.lock().unwrap_or_else(PoisonError::into_inner);
            self.idle.notify_all();
        }
    }

    /// Waits until every thread is idle but those that are not waited for; whether that came in time.
    pub(crate) fn wait_idle(&self, time: Duration, given_up: impl Fn() -> usize) -> bool {
        /// A request is given up because of its age, which nobody tells.
        const PACE: Duration = Duration::from_millis(100);
        self.awaited.store(true, SeqCst);
        let started = Instant::now();
        let mut lock = self.lock.lock().unwrap_or_else(PoisonError::into_inner);
        while self.count.load(SeqCst) > given_up() {
            let left = time.saturating_sub(started.elapsed());
            if left.is_zero() {
                return false;
            }
            let waited = self.idle.wait_timeout(lock, left.min(PACE));
            lock = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        true
    }
}

/// Starts the threads of a worker. They end with [`crate::connections::Connections::stop`].
pub(crate) fn start(worker: &Arc<Worker>, stack_size: u64) -> io::Result<()> {
    let stack = usize::try_from(stack_size).map_err(io::Error::other)?;
    let stack = if stack > 0 { stack } else { usual_stack() };
    for number in 1..=worker.threads {
        let builder = std::thread::Builder::new().name(format!("wsgi-{number}")).stack_size(stack);
        let worker = Arc::clone(worker);
        // Nobody joins a thread: a request that never ends must not keep the process.
        let run = move || {
            seats::sit(number as usize - 1);
            run(&worker);
        };
        drop(builder.spawn(run)?);
    }
    Ok(())
}

/// The stack that threads get of the system. Rust's own default is too small for Python: a recursion that
/// Python would refuse ends the process before it gets there.
fn usual_stack() -> usize {
    const LEAST: usize = 8 << 20;
    let limit = getrlimit(Resource::RLIMIT_STACK).map(|(soft, _)| soft);
    let limit = limit.ok().filter(|&soft| soft != nix::sys::resource::RLIM_INFINITY);
    limit.and_then(|soft| usize::try_from(soft).ok()).map_or(LEAST, |soft| soft.max(LEAST))
}

fn run(worker: &Worker) {
    let mut spare = None;
    loop {
        let connection = match worker.connections.wait() {
            Ok(Work::Serve(connection)) => connection,
            Ok(Work::End) => return,
            Err(error) => {
                crate::log::line!(
                    Critical,
                    "WRS5012: a worker thread cannot wait for requests: {error}"
                );
                return worker.give_up();
            }
        };

        let served = catch_unwind(AssertUnwindSafe(|| connection.serve(worker, &mut spare)));
        match served {
            Ok(Some(connection)) => {
                // A connection that cannot be armed again is closed by being dropped.
                let _ = worker.connections.rest(connection);
            }
            Ok(None) => worker.connections.relieved(),
            Err(_) => {
                spare = None;
                log_panic(&worker.group);
            }
        }
        worker.connections.busy.end();
    }
}
