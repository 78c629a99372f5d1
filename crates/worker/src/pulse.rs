//! The thread that waits for the GIL, so that nobody else who watches has to.
//!
//! It takes the GIL of the main interpreter once per second and gives it back, and does what needs the GIL for the
//! monitor: raise an exception in a request, and show the stacks while nothing moves. Since when it waits for
//! the GIL is what `deadlock-timeout` is about.

use crate::log::{self, line};
use crate::process::Worker;
use crate::seats::Running;
use engine::Level;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, SyncSender, channel, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Between two beats.
const BEAT: Duration = Duration::from_secs(1);

/// How long the stacks may take that are shown with the GIL.
const STACKS: Duration = Duration::from_secs(1);

/// So many wishes wait for the GIL at most.
const MOST_WAITING: usize = 64;

/// The thread needs no Python code of an application.
const STACK: usize = 512 * 1024;

enum Job {
    Interrupt(Running),
    Stacks(Sender<String>),
}

/// The thread, as seen by the monitor.
#[derive(Debug)]
pub(crate) struct Pulse {
    jobs: Option<SyncSender<Job>>,
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
        self.ask(Job::Interrupt(running));
    }

    /// Writes the stacks of all Python threads to the log: with the GIL, or without it if it cannot be had.
    pub(crate) fn log_stacks(&self, worker: &Worker) {
        if !log::writes(Level::Info) {
            return;
        }
        let (sender, receiver) = channel();
        let stuck = self.awaited().is_some_and(|since| since.elapsed() >= STACKS);
        let found = if !stuck && self.ask(Job::Stacks(sender)) {
            receiver.recv_timeout(STACKS).ok()
        } else {
            None
        };
        let text = found.unwrap_or_else(|| worker.engine.stacks());
        line!(Info, "what the Python threads of process group '{}' do:", worker.group);
        text.lines().for_each(|line| log::write(Level::Info, line.as_bytes()));
    }

    fn ask(&self, job: Job) -> bool {
        self.jobs.as_ref().is_some_and(|jobs| jobs.try_send(job).is_ok())
    }
}

fn run(worker: &Worker, jobs: &Receiver<Job>, awaited: &Mutex<Option<Instant>>, beats: bool) {
    let set = |at| *awaited.lock().unwrap_or_else(PoisonError::into_inner) = at;
    let pace = if beats { BEAT } else { Duration::MAX };
    loop {
        let job = jobs.recv_timeout(pace);
        if matches!(job, Err(RecvTimeoutError::Disconnected)) {
            return;
        }
        set(Some(Instant::now()));
        match job {
            Ok(Job::Interrupt(running)) => interrupt(worker, &running),
            // Whoever asked may have given up.
            Ok(Job::Stacks(answer)) => drop(answer.send(worker.engine.stacks_at_rest())),
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
