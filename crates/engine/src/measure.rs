//! Measures one request, for the metrics of the process.
//!
//! On the thread that serves it, without the GIL; only while an application has metrics recorded.

use crate::Call;
use crate::clock::{self, Cpu};
use crate::environ::carried;
use crate::gil;
use crate::metrics::{Done, METRICS, Working};
use crate::request::Request;

/// A request that is being measured.
pub(crate) struct Measure {
    cpu: Cpu,
    /// Microseconds since 1970.
    started: u64,
}

impl Measure {
    /// Begins, if anybody wants it.
    pub(crate) fn begin() -> Option<Self> {
        METRICS
            .is_recording()
            .then(|| Self { cpu: clock::thread_cpu(), started: clock::wall_microseconds() })
    }

    /// Ends, and hands over what was found.
    pub(crate) fn end(self, working: &Working, call: &Call<'_>, request: &Request) -> Done {
        let finished = clock::wall_microseconds();
        let time = |name| carried(call.environ, name).filter(|time| *time > 0);
        let received = time(b"request_start_us");
        let (queued, accepted) = (time(b"queue_start_us"), time(b"daemon_start_us"));
        let between = |from: Option<u64>, to: Option<u64>| Some(to?.saturating_sub(from?));
        let (waited, gil_waits) = gil::waits();
        let traffic = &request.traffic;
        let done = Done {
            status: request.status(),
            phases: [
                between(received, queued.or(Some(self.started))),
                between(queued, accepted),
                between(accepted, Some(self.started)),
                Some(finished.saturating_sub(self.started)),
                between(received, Some(finished)),
                Some(waited),
                Some(traffic.input_time()),
                Some(traffic.output_time()),
            ],
            cpu: clock::thread_cpu().since(self.cpu),
            gil_wait: waited,
            gil_waits,
            input_bytes: traffic.input_bytes(),
            input_reads: traffic.input_reads(),
            output_bytes: traffic.output_bytes(),
            output_writes: traffic.output_writes(),
        };
        working.record(&done);
        done
    }
}
