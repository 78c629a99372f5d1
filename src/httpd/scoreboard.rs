//! httpd's scoreboard: what its children and their threads do.
//!
//! Shared memory of httpd's own, in which every child writes at any time, so what is read may be half of the old and half of
//! the new. Any thread of any process of httpd. See <https://httpd.apache.org/docs/2.4/mod/mod_status.html>.

use std::ffi::{c_char, c_int};
use std::mem::MaybeUninit;
use std::time::SystemTime;

use engine_abi::server::{Process, Server, Worker};

use super::sys;

/// The letters of mod_status for what a thread does.
const LETTERS: [(u32, u8); 11] = [
    (sys::SERVER_DEAD, b'.'),
    (sys::SERVER_STARTING, b'S'),
    (sys::SERVER_READY, b'_'),
    (sys::SERVER_BUSY_READ, b'R'),
    (sys::SERVER_BUSY_WRITE, b'W'),
    (sys::SERVER_BUSY_KEEPALIVE, b'K'),
    (sys::SERVER_BUSY_LOG, b'L'),
    (sys::SERVER_BUSY_DNS, b'D'),
    (sys::SERVER_CLOSING, b'C'),
    (sys::SERVER_GRACEFUL, b'G'),
    (sys::SERVER_IDLE_KILL, b'I'),
];

/// What it says now; `None` before there is one.
pub fn look() -> Option<Server> {
    // SAFETY: reads a pointer of httpd's; with an image the global part is there until the process ends.
    let global = unsafe {
        if sys::ap_exists_scoreboard_image() == 0 {
            return None;
        }
        sys::ap_get_scoreboard_global().read_volatile()
    };
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Some(Server {
        server_limit: number(global.server_limit),
        thread_limit: number(global.thread_limit),
        running_generation: number(global.running_generation),
        restart_time: number(global.restart_time),
        current_time: number(now.as_micros()),
        processes: (0..global.server_limit)
            .map_while(|child| process(child, global.thread_limit))
            .collect(),
    })
}

fn process(child: c_int, threads: c_int) -> Option<Process> {
    // SAFETY: httpd checks the number and answers with a place in the scoreboard, or null.
    let place = unsafe {
        let place = sys::ap_get_scoreboard_process(child);
        (!place.is_null()).then(|| place.read_volatile())?
    };
    let workers = (0..threads).map(|thread| worker(child, thread)).collect();
    Some(Process {
        pid: number(place.pid),
        generation: number(place.generation),
        quiescing: u64::from(place.quiescing != 0),
        workers,
    })
}

fn worker(child: c_int, thread: c_int) -> Worker {
    let mut copy = MaybeUninit::<sys::worker_score>::zeroed();
    // SAFETY: httpd copies the place into room for one, if there is such a place; zero bytes are a place too.
    let place = unsafe {
        sys::ap_copy_scoreboard_worker(copy.as_mut_ptr(), child, thread);
        copy.assume_init()
    };
    let letter = LETTERS.iter().find(|(status, _)| *status == u32::from(place.status));
    Worker {
        generation: number(place.generation),
        status: u64::from(letter.map_or(b'?', |(_, letter)| *letter)),
        access_count: number(place.access_count),
        bytes_served: number(place.bytes_served),
        start_time: number(place.start_time),
        stop_time: number(place.stop_time),
        last_used: number(place.last_used),
        client: text(&place.client),
        request: text(&place.request),
        vhost: text(&place.vhost),
    }
}

fn number(value: impl TryInto<u64>) -> u64 {
    value.try_into().unwrap_or(0)
}

/// The text before the first NUL.
fn text(field: &[c_char]) -> Vec<u8> {
    field.iter().take_while(|byte| **byte != 0).flat_map(|byte| byte.to_ne_bytes()).collect()
}
