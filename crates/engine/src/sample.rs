//! What was counted in a while, and what follows from it: for `mod_wsgi.request_metrics()` and for telemetry.
//!
//! Plain numbers, on any thread, with or without the GIL.

use crate::clock::{self, Cpu};
use crate::metrics::{Distribution, METRICS, Phase, Thread, Window};

/// A sample of the metrics.
pub(crate) struct Sample {
    pub(crate) window: Box<Window>,
    /// Seconds since 1970.
    pub(crate) stop: f64,
    /// Seconds.
    pub(crate) period: f64,
    /// Processor time in each second.
    pub(crate) cpu: Cpu,
    /// Bytes in RAM: now, and at most.
    pub(crate) memory: (u64, u64),
    /// The threads, and whether each has ever served.
    pub(crate) threads: Vec<(bool, Thread)>,
    /// The part of the threads' time in which they had a request.
    pub(crate) capacity: f64,
    /// Requests in each second.
    pub(crate) throughput: f64,
}

impl Sample {
    /// Takes what was counted since the last one.
    pub(crate) fn take() -> Self {
        let window = METRICS.take_window();
        let stop = clock::wall();
        let period = (stop - window.start).max(1e-6);
        let cpu = clock::process_cpu().since(window.cpu);
        let threads: Vec<(bool, Thread)> = METRICS.each_thread().collect();
        let busy: u64 = threads
            .iter()
            .zip(&window.threads)
            .map(|((_, thread), window)| window.busy(thread))
            .sum();
        let capacity = period * threads.len().max(1) as f64;
        Self {
            stop,
            period,
            cpu: Cpu { user: cpu.user / period, system: cpu.system / period },
            memory: clock::memory(),
            capacity: (busy as f64 / 1e6 / capacity).min(1.0),
            throughput: window.requests as f64 / period,
            threads,
            window,
        }
    }

    /// How many threads have ever served.
    pub(crate) fn started(&self) -> usize {
        self.threads.iter().filter(|(seen, _)| *seen).count()
    }

    /// Whether there is such a phase: in embedded mode nothing waits for a daemon.
    pub(crate) fn has(&self, phase: Phase, times: &Distribution) -> bool {
        !matches!(phase, Phase::Queue | Phase::Daemon)
            || times.count > 0
            || self.window.requests == 0
    }
}
