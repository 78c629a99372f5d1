//! The thread that tells applications of signals.
//!
//! The main thread of a worker hands signals over and goes on waiting: a callback of an application may take as long
//! as it likes. The thread starts with the first signal and ends with the process.

use crate::log::line;
use engine::Engine;
use nix::sys::signal::Signal;
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};

/// So many signals wait for a callback that takes long; more are lost, as the system loses them too.
const MOST_WAITING: usize = 64;

/// Hands signals over.
#[derive(Debug, Default)]
pub(crate) struct Messenger {
    thread: Option<SyncSender<Signal>>,
}

impl Messenger {
    /// Has the applications told of a signal, soon.
    pub(crate) fn deliver(&mut self, engine: &'static Engine, signal: Signal) {
        if self.thread.is_none() {
            self.thread = start(engine);
        }
        let Some(thread) = &self.thread else { return };
        if let Err(TrySendError::Full(_)) = thread.try_send(signal) {
            line!(
                Warning,
                "WRS5020: {signal} is not told to the applications, whose callbacks are still busy with earlier signals"
            );
        }
    }
}

fn start(engine: &'static Engine) -> Option<SyncSender<Signal>> {
    let (sender, receiver) = sync_channel::<Signal>(MOST_WAITING);
    let run = move || {
        for signal in receiver {
            engine.signal(signal.as_str(), signal as i32);
        }
    };
    match std::thread::Builder::new().name("wsgi-signals".to_owned()).spawn(run) {
        Ok(_) => Some(sender),
        Err(error) => {
            line!(Error, "WRS5021: signals are not told to applications: no thread: {error}");
            None
        }
    }
}
