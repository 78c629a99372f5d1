//! What the Python threads of a process do, in the log: when a timer finds a fault, and on SIGQUIT.
//!
//! With the GIL, where it can be had, nothing moves. A thread of its own waits for it, for a moment; then the stacks
//! are shown without it. Written as a notice, which httpd writes whatever its `LogLevel` is.

use crate::log;
use engine::Engine;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::mpsc::channel;
use std::time::Duration;

/// How long the GIL is waited for.
const PATIENCE: Duration = Duration::from_secs(1);

/// The thread needs no Python code of an application.
const STACK: usize = 512 * 1024;

/// A thread waits for the GIL: another one would wait behind it.
static WAITS: AtomicBool = AtomicBool::new(false);

/// Writes the stacks of all Python threads of this process to the log. `stuck`: it is known that the GIL cannot be had.
pub(crate) fn show(engine: &'static Engine, group: &str, stuck: bool) {
    let at_rest = if stuck { None } else { at_rest(engine) };
    let text = at_rest.unwrap_or_else(|| engine.stacks());
    log::notice(format!("what the Python threads of process group '{group}' do:").as_bytes());
    text.lines().for_each(|line| log::notice(line.as_bytes()));
}

fn at_rest(engine: &'static Engine) -> Option<String> {
    if WAITS.swap(true, SeqCst) {
        return None;
    }
    let (sender, receiver) = channel();
    let run = move || {
        let text = engine.stacks_at_rest();
        WAITS.store(false, SeqCst);
        // Whoever asked may have given up.
        let _ = sender.send(text);
    };
    let thread = std::thread::Builder::new().name("wsgi-stacks".to_owned()).stack_size(STACK);
    if thread.spawn(run).is_err() {
        WAITS.store(false, SeqCst);
        return None;
    }
    receiver.recv_timeout(PATIENCE).ok()
}
