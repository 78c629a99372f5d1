//! The thread that waits for the GIL, so that nobody else who watches has to.
//!
//! It takes the GIL of the main interpreter once per second and gives it back, and raises exceptions in requests for the
//! monitor. Since when it waits for the GIL is what `deadlock-timeout` is about.

use crate::log::line;
use crate::process::Worker;
use crate::seats::Running;
use crate::stacks;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Between two beats.
const BEAT: Duration = Duration::from_secs(1);

/// Who waits that long for the GIL does not get it soon.
const STUCK: Duration = Duration::from_secs(1);

/// So many wishes wait for the GIL at most.
const MOST_WAITING: usize = 64;

/// The thread needs no Python code of an application.
const STACK: usize = 512 * 1024;

/// The thread, as seen by the monitor.
#[derive(Debug)]
pub(crate) struct Pulse {
    jobs: Option<SyncSender<Running>>,
    awaited: Arc<Mutex<Option<Instant>>>,
}

impl Pulse {
    /// Starts the thread. `beats`: it takes the GIL also when there is nothing to do.
    pub(crate) fn start(worker: &Arc<Worker>, beats: bool) -> Self {
        let (jobs, receiver) = sync_channel(MOST_WAITING);
        let awaited = Arc::new(Mutex::new(None));
        let (own, worker) = (Arc::clone(&awaited), Arc::clone(worker));
        let builder = std::thread::Builder::new().name("wsgi-pulse".to_owned()).stack_size(STACK);
        let started = builder.spawn(move || run(&worker, &receiver, &own, beats));
        if let Err(error) = &started {
            line!(
                Error,
                "WRS5024: deadlock-timeout and interrupt-timeout do not work: no thread: {error}"
            );
        }
        Self { jobs: started.is_ok().then_some(jobs), awaited }
    }

    /// Since when the thread waits for the GIL.
    pub(crate) fn awaited(&self) -> Option<Instant> {
        *self.awaited.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Raises `mod_wsgi.RequestTimeout` in a request, as soon as the GIL can be had.
    pub(crate) fn interrupt(&self, running: Running) {
        // One that finds no place is ended with its process, when interrupt-timeout is over.
        let _ = self.jobs.as_ref().map(|jobs| jobs.try_send(running));
    }

    /// Writes the stacks of all Python threads to the log.
    pub(crate) fn log_stacks(&self, worker: &Worker) {
        let stuck = self.awaited().is_some_and(|since| since.elapsed() >= STUCK);
        stacks::show(worker.engine, &worker.group, stuck);
    }
}

fn run(worker: &Worker, jobs: &Receiver<Running>, awaited: &Mutex<Option<Instant>>, beats: bool) {
    let set = |at| *awaited.lock().unwrap_or_else(PoisonError::into_inner) = at;
    let pace = if beats { BEAT } else { Duration::MAX };
    loop {
        let job = jobs.recv_timeout(pace);
        if matches!(job, Err(RecvTimeoutError::Disconnected)) {
            return;
        }
        set(Some(Instant::now()));
        match job {
            Ok(running) => interrupt(worker, &running),
            Err(_) => worker.engine.touch(),
        }
        set(None);
    }
}

fn interrupt(worker: &Worker, running: &Running) {
    if let Some((thread, group)) = worker.seats.target(running) {
        worker.engine.interrupt(&group, thread, || worker.seats.still_runs(running));
    }
}
