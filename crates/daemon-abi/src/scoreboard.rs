//! The scoreboard of a process group: which workers there are, and how busy each is.
//!
//! One piece of shared memory per group, made by the httpd parent before anything forks. The httpd children
//! choose a worker by it ([`Scoreboard::acquire`]), the leader and the workers write their state into it.
//!
//! How many requests a worker has in flight is the sum of its counts, one per httpd child. There are two sets of them, for processes
//! that follow each other in a place: what an old one still has is not held against the new one. A
//! child changes only its own counts, so when it dies the parent sets them to zero and nothing is lost
//! ([`Scoreboard::clear_child`]). A child claims before it looks: it adds one to its count and gives it back if the
//! sum is then above the capacity. So there are never more requests in flight than threads.
//!
//! Requests that find every worker full wait on one futex word, which whoever frees a slot or brings a worker up moves on.
//!
//! The workers of an application can write to this memory, so nothing read from it is used as an index
//! or a length; a spoilt scoreboard costs its own group only.

use crate::ending::Ending;
use nix::sys::eventfd::{EfdFlags, EventFd};
use nix::sys::mman::{MapFlags, ProtFlags, mmap, munmap};
use nix::sys::signal::Signal;
use std::ffi::c_void;
use std::fmt;
use std::io;
use std::num::NonZeroUsize;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::ptr::NonNull;
use std::sync::atomic::{AtomicI32, AtomicU32, AtomicU64, Ordering::SeqCst};

mod queue;

pub use queue::{Child, Patience, Refused, Slot};

const MAGIC: u32 = 0x5753_4731;

/// The group cannot be started.
const FAILED: u32 = 1;

/// The group has come to its end.
const OVER: u32 = 2;

/// Sizes of a scoreboard; the first words of its memory.
#[repr(C)]
struct Header {
    magic: u32,
    workers: u32,
    children: u32,
    capacity: u32,
    /// The futex word: moves on whenever a waiting request should look again.
    turn: AtomicU32,
    /// How many requests wait.
    waiting: AtomicU32,
    /// Not zero: nobody need wait for the group, see [`FAILED`] and [`OVER`].
    failed: AtomicU32,
    /// Not zero: workers will come, though there is none in any place yet.
    coming: AtomicU32,
    /// Rows of children in use, counted from the first.
    rows: AtomicU32,
    /// Not zero: the bell was rung and nobody has looked since.
    rung: AtomicU32,
}

/// One worker.
#[repr(C, align(64))]
struct WorkerRow {
    state: AtomicU32,
    generation: AtomicU32,
    pid: AtomicI32,
    /// Threads that run an application, as the worker counts them: also for requests that nobody waits for any more.
    busy: AtomicU32,
    /// The wait status of the last process in this place.
    last_status: AtomicI32,
    last_pid: AtomicI32,
    /// Requests that the process has answered.
    answered: AtomicU64,
    /// Why processes in this place end, each in the cell of its generation: its id, and in the lowest byte the reason.
    endings: [AtomicU64; ENDINGS],
}

/// So many processes that follow each other in a place can be ending at once and be told apart.
const ENDINGS: usize = 4;

/// What a worker is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Nothing is there, or it is not ready yet.
    Starting,
    /// Takes requests.
    Ready,
    /// Finishes what it has and takes no more.
    Draining,
}

impl State {
    fn from_word(word: u32) -> Self {
        match word {
            1 => Self::Ready,
            2 => Self::Draining,
            _ => Self::Starting,
        }
    }

    fn word(self) -> u32 {
        match self {
            Self::Starting => 0,
            Self::Ready => 1,
            Self::Draining => 2,
        }
    }
}

/// A worker's last death, for the log line of the request that died with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Death {
    /// The process.
    pub pid: i32,
    /// Its wait status, as `waitpid` gives it.
    pub status: i32,
}

impl Death {
    /// Whether a fault of its own ended it, rather than a kill or an exit.
    pub fn is_crash(&self) -> bool {
        let deliberate = [libc::SIGKILL, libc::SIGTERM, libc::SIGINT, libc::SIGALRM];
        libc::WIFSIGNALED(self.status) && !deliberate.contains(&libc::WTERMSIG(self.status))
    }
}

impl fmt::Display for Death {
    /// What happened to the process, without naming it: `was killed by signal 9 (SIGKILL)`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if libc::WIFSIGNALED(self.status) {
            let signal = libc::WTERMSIG(self.status);
            let name = Signal::try_from(signal).map_or("unknown signal", Signal::as_str);
            write!(f, "was killed by signal {signal} ({name})")
        } else {
            write!(f, "ended with exit status {}", libc::WEXITSTATUS(self.status))
        }
    }
}

/// The shared memory of one group.
#[derive(Debug)]
pub struct Scoreboard {
    memory: NonNull<c_void>,
    length: NonZeroUsize,
    workers: usize,
    children: usize,
    capacity: u32,
    /// Rung when a request begins to wait, where somebody wants to know.
    bell: Option<EventFd>,
}

// SAFETY: everything behind the pointer is read and written through atomics, except the sizes, which are
// written before the memory is shared; and it stays mapped until the last owner drops it.
unsafe impl Send for Scoreboard {}
// SAFETY: as above.
unsafe impl Sync for Scoreboard {}

fn length(workers: usize, children: usize) -> Option<NonZeroUsize> {
    let rows = workers.checked_mul(size_of::<WorkerRow>())?;
    let pids = children.checked_mul(size_of::<AtomicI32>())?;
    let words = workers.checked_mul(2)?.checked_add(1)?.checked_mul(children)?;
    let counts = words.checked_mul(size_of::<AtomicU32>())?;
    NonZeroUsize::new(ROWS_AT.checked_add(rows)?.checked_add(pids)?.checked_add(counts)?)
}

/// Where the rows of workers begin: after the header, aligned for them.
const ROWS_AT: usize = size_of::<Header>().next_multiple_of(align_of::<WorkerRow>());

impl Scoreboard {
    /// Makes a scoreboard for `workers` of `capacity` threads each, used by up to `children` httpd children, and the
    /// descriptor by which the leader maps it.
    pub fn create(workers: usize, children: usize, capacity: u32) -> io::Result<(OwnedFd, Self)> {
        use nix::fcntl::{FcntlArg, SealFlag, fcntl};
        use nix::sys::memfd::{MFdFlags, memfd_create};
        let flags = MFdFlags::MFD_CLOEXEC | MFdFlags::MFD_ALLOW_SEALING;
        let fd = memfd_create(c"wsgi-scoreboard", flags)?;
        let length = length(workers, children).ok_or_else(too_large)?;
        nix::unistd::ftruncate(&fd, i64::try_from(length.get()).map_err(io::Error::other)?)?;
        // The group's own code has this descriptor: it must not be able to take the memory from under httpd.
        let seals = SealFlag::F_SEAL_SHRINK | SealFlag::F_SEAL_GROW | SealFlag::F_SEAL_SEAL;
        fcntl(&fd, FcntlArg::F_ADD_SEALS(seals))?;
        let memory = map(fd.as_fd(), length)?;
        let header = Header {
            magic: MAGIC,
            workers: u32::try_from(workers).map_err(io::Error::other)?,
            children: u32::try_from(children).map_err(io::Error::other)?,
            capacity,
            turn: AtomicU32::new(0),
            waiting: AtomicU32::new(0),
            failed: AtomicU32::new(0),
            coming: AtomicU32::new(0),
            rows: AtomicU32::new(0),
            rung: AtomicU32::new(0),
        };
        // SAFETY: the mapping is at least a header long, aligned to a page, and nobody else has it yet.
        unsafe { memory.cast::<Header>().write(header) };
        Ok((fd, Self { memory, length, workers, children, capacity, bell: None }))
    }

    /// Maps the scoreboard that somebody else made.
    pub fn open(fd: BorrowedFd<'_>) -> io::Result<Self> {
        let size = usize::try_from(nix::sys::stat::fstat(fd)?.st_size).map_err(io::Error::other)?;
        let size =
            NonZeroUsize::new(size).filter(|size| size.get() >= ROWS_AT).ok_or_else(damaged)?;
        let memory = map(fd, size)?;
        // SAFETY: the mapping is at least a header long and aligned to a page.
        let header = unsafe { memory.cast::<Header>().as_ref() };
        let (workers, children) = (header.workers as usize, header.children as usize);
        let capacity = header.capacity;
        let board = Self { memory, length: size, workers, children, capacity, bell: None };
        if header.magic != MAGIC || length(workers, children) != Some(size) {
            return Err(damaged());
        }
        Ok(board)
    }

    fn header(&self) -> &Header {
        // SAFETY: mapped for the life of self, a header long by construction.
        unsafe { self.memory.cast::<Header>().as_ref() }
    }

    fn worker_rows(&self) -> &[WorkerRow] {
        // SAFETY: `length` counted this many rows at this offset, which is aligned for them; zero bytes are a row.
        unsafe {
            let first = self.memory.cast::<u8>().add(ROWS_AT).cast::<WorkerRow>();
            NonNull::slice_from_raw_parts(first, self.workers).as_ref()
        }
    }

    fn child_pids(&self) -> &[AtomicI32] {
        let at = ROWS_AT + self.workers * size_of::<WorkerRow>();
        // SAFETY: `length` counted this many words after the rows; zero bytes are a word.
        unsafe {
            let first = self.memory.cast::<u8>().add(at).cast::<AtomicI32>();
            NonNull::slice_from_raw_parts(first, self.children).as_ref()
        }
    }

    /// Words per child: requests that wait, then two runs of counts per worker, for even and odd generations.
    fn words(&self) -> &[AtomicU32] {
        let pids = self.children * size_of::<AtomicI32>();
        let at = ROWS_AT + self.workers * size_of::<WorkerRow>() + pids;
        // SAFETY: `length` counted this many words after the pids; zero bytes are a word.
        unsafe {
            let first = self.memory.cast::<u8>().add(at).cast::<AtomicU32>();
            NonNull::slice_from_raw_parts(first, (1 + self.workers * 2) * self.children).as_ref()
        }
    }

    fn row(&self, worker: usize) -> Option<&WorkerRow> {
        self.worker_rows().get(worker)
    }

    /// Where the run of counts of a worker's generation begins.
    fn run(&self, worker: usize, generation: u32) -> usize {
        (1 + worker * 2 + usize::from(generation % 2 == 1)) * self.children
    }

    fn count(&self, worker: usize, generation: u32, child: Child) -> Option<&AtomicU32> {
        self.words().get(self.run(worker, generation) + child.0)
    }

    fn waiting_of(&self, child: Child) -> Option<&AtomicU32> {
        self.words().get(child.0)
    }

    /// Hangs up the bell that requests ring when they begin to wait; what is readable when they did.
    pub fn hang_bell(&mut self) -> io::Result<OwnedFd> {
        let bell = EventFd::from_flags(EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK)?;
        let heard = bell.as_fd().try_clone_to_owned()?;
        self.bell = Some(bell);
        Ok(heard)
    }

    /// The leader has heard the bell, and looks after this.
    pub fn bell_was_heard(&self, bell: &OwnedFd) {
        // It does not block, and what it counts is of no interest.
        let _ = nix::unistd::read(bell, &mut [0; 8]);
        self.header().rung.store(0, SeqCst);
    }

    fn ring(&self) {
        if let Some(bell) = &self.bell {
            if self.header().rung.swap(1, SeqCst) == 0 {
                // Cannot fail: the counter is far from full.
                let _ = bell.write(1);
            }
        }
    }

    /// How many workers the group has.
    pub fn workers(&self) -> usize {
        self.workers
    }

    /// Requests in flight to the process in a worker's place, from all children together.
    pub fn in_flight(&self, worker: usize) -> u32 {
        self.in_flight_to(worker, self.generation(worker))
    }

    /// Requests in flight to a process that is or was in a worker's place.
    pub fn in_flight_to(&self, worker: usize, generation: u32) -> u32 {
        let used = (self.header().rows.load(SeqCst) as usize).min(self.children);
        let start = self.run(worker, generation);
        let counts = self.words().get(start..start + used).unwrap_or_default();
        counts.iter().map(|count| count.load(SeqCst)).fold(0, u32::wrapping_add)
    }

    /// Requests that the worker in a place has to do with.
    pub fn load(&self, worker: usize) -> u32 {
        self.load_of(worker, self.generation(worker))
    }

    /// Requests that a worker has to do with: in flight to it, or still run by it although nobody waits for the answer.
    fn load_of(&self, worker: usize, generation: u32) -> u32 {
        let busy = self.row(worker).map_or(0, |row| row.busy.load(SeqCst));
        self.in_flight_to(worker, generation).max(busy)
    }

    /// Requests that wait for a slot.
    pub fn waiting(&self) -> u32 {
        self.header().waiting.load(SeqCst)
    }

    /// What a worker is doing.
    pub fn state(&self, worker: usize) -> State {
        self.row(worker).map_or(State::Starting, |row| State::from_word(row.state.load(SeqCst)))
    }

    /// Which process a worker is, counted: a connection to an earlier one is of no use any more.
    pub fn generation(&self, worker: usize) -> u32 {
        self.row(worker).map_or(0, |row| row.generation.load(SeqCst))
    }

    /// The process in a worker's place; 0: none.
    pub fn pid(&self, worker: usize) -> i32 {
        self.row(worker).map_or(0, |row| row.pid.load(SeqCst))
    }

    /// A new process takes a worker's place. It is not ready yet.
    pub fn worker_started(&self, worker: usize, pid: i32) {
        if let Some(row) = self.row(worker) {
            row.state.store(State::Starting.word(), SeqCst);
            row.pid.store(pid, SeqCst);
            row.busy.store(0, SeqCst);
            row.answered.store(0, SeqCst);
            row.generation.fetch_add(1, SeqCst);
        }
    }

    /// Says what the process in a worker's place does. One whose place was taken by another is not heard, and one that drains
    /// does not come back.
    pub fn set_state(&self, worker: usize, pid: i32, state: State) {
        if let Some(row) = self.row(worker).filter(|row| row.pid.load(SeqCst) == pid) {
            let _ = row.state.fetch_update(SeqCst, SeqCst, |before| {
                (State::from_word(before) != State::Draining).then_some(state.word())
            });
            self.wake_all();
        }
    }

    /// The leader: a process ended. If it still was the one in the worker's place, the place is empty now.
    pub fn worker_ended(&self, worker: usize, death: Death) {
        if let Some(row) = self.row(worker) {
            row.last_status.store(death.status, SeqCst);
            row.last_pid.store(death.pid, SeqCst);
            if row.pid.compare_exchange(death.pid, 0, SeqCst, SeqCst).is_ok() {
                row.state.store(State::Starting.word(), SeqCst);
                // Who waits for it to be ready need not any more.
                self.wake_all();
            }
        }
    }

    /// The last death in a worker's place.
    pub fn last_death(&self, worker: usize) -> Option<Death> {
        let row = self.row(worker)?;
        let pid = row.last_pid.load(SeqCst);
        (pid != 0).then(|| Death { pid, status: row.last_status.load(SeqCst) })
    }

    /// Says why a process ends, or is about to; the first reason stays. `generation` is that of the process.
    pub fn set_ending(&self, worker: usize, generation: u32, pid: i32, ending: Ending) {
        let cell = self.row(worker).and_then(|row| row.endings.get(generation as usize % ENDINGS));
        if let Some(cell) = cell {
            let _ = cell.fetch_update(SeqCst, SeqCst, |word| {
                (word >> 8 != pid_word(pid))
                    .then(|| (pid_word(pid) << 8) | u64::from(ending.code()))
            });
        }
    }

    /// The leader: every process in a worker's place ends.
    pub fn set_all_ending(&self, ending: Ending) {
        for worker in 0..self.workers {
            let (generation, pid) = (self.generation(worker), self.pid(worker));
            if pid != 0 {
                self.set_ending(worker, generation, pid, ending);
            }
        }
    }

    /// Why a process ends or ended, if it said so.
    pub fn ending(&self, worker: usize, pid: i32) -> Option<Ending> {
        let cells = self.row(worker)?.endings.iter().map(|cell| cell.load(SeqCst));
        let word = cells.into_iter().find(|word| word >> 8 == pid_word(pid))?;
        Ending::from_code(u8::try_from(word & 0xff).ok()?)
    }

    /// The parent: the group cannot be started (`true`), or is tried again (`false`).
    pub fn set_failed(&self, failed: bool) {
        self.header().failed.store(if failed { FAILED } else { 0 }, SeqCst);
        self.wake_all();
    }

    /// The leader: the group ends for good, though requests may still wait for it.
    pub fn set_over(&self) {
        self.header().failed.store(OVER, SeqCst);
        self.wake_all();
    }

    /// The parent and the leader: workers will come, as the group has just been started or a process loads its scripts for them.
    pub fn set_coming(&self, coming: bool) {
        self.header().coming.store(u32::from(coming), SeqCst);
    }

    /// Whether there are processes that get ready for requests.
    pub fn is_loading(&self) -> bool {
        let loads = |worker| self.pid(worker) != 0 && self.state(worker) == State::Starting;
        self.header().coming.load(SeqCst) != 0 || (0..self.workers).any(loads)
    }

    /// The worker process `pid` counts a thread that runs an application now.
    pub fn begin_request(&self, worker: usize, pid: i32) {
        if let Some(row) = self.row(worker).filter(|row| row.pid.load(SeqCst) == pid) {
            row.busy.fetch_add(1, SeqCst);
        }
    }

    /// A thread of the worker process `pid` is free again.
    pub fn end_request(&self, worker: usize, pid: i32) {
        if let Some(row) = self.row(worker).filter(|row| row.pid.load(SeqCst) == pid) {
            let _ = row.busy.fetch_update(SeqCst, SeqCst, |busy| busy.checked_sub(1));
            row.answered.fetch_add(1, SeqCst);
            self.wake_one();
        }
    }

    /// How many requests the process `pid` has answered, if it is the last one in a worker's place.
    pub fn answered(&self, worker: usize, pid: i32) -> u64 {
        let row = self.row(worker).filter(|row| row.pid.load(SeqCst) == pid);
        row.map_or(0, |row| row.answered.load(SeqCst))
    }

    /// Whether one of the workers has answered a request.
    pub fn has_answered(&self) -> bool {
        self.worker_rows().iter().any(|row| row.answered.load(SeqCst) > 0)
    }

    /// An httpd child takes a row of its own; `None` when there is none left.
    pub fn join(&self, pid: i32) -> Option<Child> {
        for (index, slot) in self.child_pids().iter().enumerate() {
            if slot.compare_exchange(0, pid, SeqCst, SeqCst).is_ok() {
                let used = u32::try_from(index).ok()?.checked_add(1)?;
                self.header().rows.fetch_max(used, SeqCst);
                return Some(Child(index));
            }
        }
        None
    }

    /// The parent: an httpd child is gone, and with it the requests it had in flight.
    pub fn clear_child(&self, pid: i32) {
        for (index, slot) in self.child_pids().iter().enumerate() {
            if slot.load(SeqCst) == pid {
                for worker in 0..self.workers {
                    for generation in 0..2 {
                        if let Some(count) = self.count(worker, generation, Child(index)) {
                            count.store(0, SeqCst);
                        }
                    }
                }
                if let Some(waiting) = self.waiting_of(Child(index)) {
                    let lost = waiting.swap(0, SeqCst);
                    let total = &self.header().waiting;
                    let _ =
                        total.fetch_update(SeqCst, SeqCst, |all| Some(all.saturating_sub(lost)));
                }
                slot.store(0, SeqCst);
                self.wake_all();
            }
        }
    }
}

impl Drop for Scoreboard {
    fn drop(&mut self) {
        // SAFETY: mapped by `map` with this length; every borrow of it ended with self.
        let _ = unsafe { munmap(self.memory, self.length.get()) };
    }
}

/// A process id as a part of a word.
fn pid_word(pid: i32) -> u64 {
    u64::from(pid.unsigned_abs())
}

fn map(fd: BorrowedFd<'_>, length: NonZeroUsize) -> io::Result<NonNull<c_void>> {
    // SAFETY: a new mapping, placed by the kernel, of a file that nobody shortens.
    let memory = unsafe {
        mmap(
            None,
            length,
            ProtFlags::PROT_READ | ProtFlags::PROT_WRITE,
            MapFlags::MAP_SHARED,
            fd,
            0,
        )
    };
    Ok(memory?)
}

fn too_large() -> io::Error {
    io::Error::other("the scoreboard would be too large")
}

fn damaged() -> io::Error {
    io::Error::other("this is no scoreboard of the same build")
}

#[cfg(test)]
mod tests;
