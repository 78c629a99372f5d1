//! What the scoreboard promises, with threads in the place of processes.

use super::queue::Waiting;
use super::*;
use std::sync::atomic::AtomicUsize;
use std::time::{Duration, Instant};

fn patience(milliseconds: u64) -> Patience {
    let time = Duration::from_millis(milliseconds);
    let until = Instant::now() + time;
    Patience { ready: time, loaded: until, free: until, queue: 0 }
}

fn ready_board(workers: usize, capacity: u32) -> Scoreboard {
    let (_, board) = Scoreboard::create(workers, 8, capacity).unwrap();
    for worker in 0..workers {
        let pid = 1000 + i32::try_from(worker).unwrap();
        board.worker_started(worker, pid);
        board.set_state(worker, pid, State::Ready);
    }
    board
}

#[test]
fn the_least_busy_worker_is_chosen() {
    let board = ready_board(2, 2);
    let child = board.join(1).unwrap();
    let first = board.acquire(child, patience(0)).unwrap();
    let second = board.acquire(child, patience(0)).unwrap();
    assert_ne!(first.worker, second.worker);
}

#[test]
fn a_worker_that_drains_does_not_come_back_and_the_next_one_does() {
    let board = ready_board(1, 1);
    board.set_state(0, 1000, State::Draining);
    board.set_state(0, 1000, State::Ready);
    assert_eq!(board.state(0), State::Draining);
    board.worker_started(0, 1001);
    board.set_state(0, 1000, State::Draining);
    board.set_state(0, 1001, State::Ready);
    assert_eq!(board.state(0), State::Ready);
}

#[test]
fn the_bell_is_rung_once_until_it_is_heard() {
    use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
    let mut board = ready_board(1, 1);
    let bell = board.hang_bell().unwrap();
    let rings = || {
        let mut fds = [PollFd::new(bell.as_fd(), PollFlags::POLLIN)];
        poll(&mut fds, PollTimeout::ZERO).unwrap() == 1
    };
    let child = board.join(1).unwrap();
    let slot = board.acquire(child, patience(0)).unwrap();
    assert!(!rings(), "nobody had to wait");
    for _ in 0..2 {
        assert_eq!(board.acquire(child, patience(0)).unwrap_err(), Refused::Busy);
        assert!(rings());
    }
    board.bell_was_heard(&bell);
    assert!(!rings());
    assert_eq!(board.acquire(child, patience(0)).unwrap_err(), Refused::Busy);
    assert!(rings());
    drop(slot);
}

#[test]
fn no_more_requests_than_threads_are_in_flight_from_all_children_together() {
    let board = ready_board(2, 3);
    let (running, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for pid in 1..=8 {
            let (board, running, most) = (&board, &running, &most);
            scope.spawn(move || {
                let child = board.join(pid).unwrap();
                for _ in 0..2000 {
                    let slot = board.acquire(child, patience(30_000)).unwrap();
                    most.fetch_max(running.fetch_add(1, SeqCst) + 1, SeqCst);
                    std::thread::yield_now();
                    running.fetch_sub(1, SeqCst);
                    drop(slot);
                }
            });
        }
    });
    assert!(most.load(SeqCst) <= 6);
    assert_eq!((board.in_flight(0), board.in_flight(1), board.waiting()), (0, 0, 0));
}

#[test]
fn a_queue_takes_no_more_than_its_limit_and_sends_nobody_away_who_waits() {
    let board = ready_board(1, 1);
    let child = board.join(1).unwrap();
    let slot = board.acquire(child, patience(0)).unwrap();
    let limited = || Patience { queue: 1, ..patience(10_000) };
    std::thread::scope(|scope| {
        let first = scope.spawn(|| board.acquire(child, limited()).map(drop));
        while board.waiting() == 0 {
            std::thread::yield_now();
        }
        assert_eq!(board.acquire(child, limited()).unwrap_err(), Refused::QueueFull);
        // The first one looks again, in vain, and still waits.
        board.wake_all();
        assert_eq!(board.acquire(child, limited()).unwrap_err(), Refused::QueueFull);
        drop(slot);
        assert_eq!(first.join().unwrap(), Ok(()));
    });
    assert_eq!(board.waiting(), 0);
}

#[test]
fn a_full_group_refuses_at_the_deadline() {
    let board = ready_board(1, 1);
    let child = board.join(1).unwrap();
    let _slot = board.acquire(child, patience(0)).unwrap();
    let started = Instant::now();
    assert_eq!(board.acquire(child, patience(50)).unwrap_err(), Refused::Busy);
    assert!(started.elapsed() >= Duration::from_millis(50));
}

#[test]
fn a_slot_given_back_goes_to_one_who_waits() {
    let board = ready_board(1, 1);
    let child = board.join(1).unwrap();
    let slot = board.acquire(child, patience(0)).unwrap();
    std::thread::scope(|scope| {
        let waiter = scope.spawn(|| board.acquire(child, patience(10_000)).is_ok());
        while board.waiting() == 0 {
            std::thread::yield_now();
        }
        drop(slot);
        assert!(waiter.join().unwrap());
    });
}

#[test]
fn a_request_waits_for_a_worker_to_become_ready() {
    let (_, board) = Scoreboard::create(1, 2, 1).unwrap();
    let child = board.join(1).unwrap();
    assert_eq!(board.acquire(child, patience(10)).unwrap_err(), Refused::NoWorker);
    std::thread::scope(|scope| {
        let waiter = scope.spawn(|| board.acquire(child, patience(10_000)).is_ok());
        while board.waiting() == 0 {
            std::thread::yield_now();
        }
        board.worker_started(0, 77);
        board.set_state(0, 77, State::Ready);
        assert!(waiter.join().unwrap());
    });
}

#[test]
fn a_worker_that_loads_is_waited_for_and_one_that_cannot_is_not() {
    let (_, board) = Scoreboard::create(1, 2, 1).unwrap();
    let child = board.join(1).unwrap();
    let impatient =
        |loaded| Patience { ready: Duration::ZERO, loaded: Instant::now() + loaded, ..patience(0) };
    let long = Duration::from_secs(60);
    assert_eq!(board.acquire(child, impatient(long)).unwrap_err(), Refused::NoWorker);
    board.set_coming(true);
    assert_eq!(board.acquire(child, impatient(Duration::ZERO)).unwrap_err(), Refused::Loading);
    board.worker_started(0, 77);
    board.set_coming(false);
    assert_eq!(board.acquire(child, impatient(Duration::ZERO)).unwrap_err(), Refused::Loading);
    std::thread::scope(|scope| {
        let waiter = scope.spawn(|| board.acquire(child, impatient(long)).unwrap_err());
        while board.waiting() == 0 {
            std::thread::yield_now();
        }
        board.worker_ended(0, Death { pid: 77, status: 9 });
        assert_eq!(waiter.join().unwrap(), Refused::NoWorker);
    });
}

#[test]
fn nobody_waits_for_a_group_that_cannot_start() {
    let (_, board) = Scoreboard::create(1, 2, 1).unwrap();
    let child = board.join(1).unwrap();
    board.set_failed(true);
    assert_eq!(board.acquire(child, patience(60_000)).unwrap_err(), Refused::Failed);
    board.set_over();
    assert_eq!(board.acquire(child, patience(60_000)).unwrap_err(), Refused::Over);
}

#[test]
fn a_child_that_dies_takes_no_slot_with_it() {
    let board = ready_board(1, 1);
    let lost = board.join(41).unwrap();
    std::mem::forget(board.acquire(lost, patience(0)).unwrap());
    let child = board.join(42).unwrap();
    assert_eq!(board.acquire(child, patience(0)).unwrap_err(), Refused::Busy);
    board.clear_child(41);
    assert!(board.acquire(child, patience(0)).is_ok());
    assert_eq!(board.join(43), Some(lost));
}

#[test]
fn a_draining_worker_gets_no_requests() {
    let board = ready_board(1, 1);
    let child = board.join(1).unwrap();
    board.set_state(0, 1000, State::Draining);
    assert_eq!(board.acquire(child, patience(0)).unwrap_err(), Refused::NoWorker);
}

#[test]
fn a_death_is_remembered_and_the_place_is_empty_only_if_it_was_the_last_process() {
    let board = ready_board(1, 1);
    board.worker_started(0, 2000);
    board.set_state(0, 1000, State::Draining);
    board.set_state(0, 2000, State::Ready);
    board.worker_ended(0, Death { pid: 1000, status: 9 });
    assert_eq!((board.state(0), board.pid(0)), (State::Ready, 2000));
    assert_eq!(board.last_death(0), Some(Death { pid: 1000, status: 9 }));
    board.worker_ended(0, Death { pid: 2000, status: 0 });
    assert_eq!((board.state(0), board.pid(0)), (State::Starting, 0));
}

#[test]
fn both_sides_see_the_same_memory() {
    let (fd, board) = Scoreboard::create(3, 4, 5).unwrap();
    let other = Scoreboard::open(fd.as_fd()).unwrap();
    other.worker_started(2, 99);
    other.set_state(2, 99, State::Ready);
    assert_eq!((board.pid(2), board.state(2), board.generation(2)), (99, State::Ready, 1));
}

#[test]
fn other_memory_is_refused() {
    let fd = crate::spawn::memory_file(c"other", &[7; 4096]).unwrap();
    assert!(Scoreboard::open(fd.as_fd()).is_err());
}

#[test]
fn what_an_old_process_still_has_is_not_held_against_the_new_one() {
    let board = ready_board(1, 1);
    let child = board.join(1).unwrap();
    let old = board.acquire(child, patience(0)).unwrap();
    board.worker_started(0, 2000);
    board.set_state(0, 2000, State::Ready);
    let new = board.acquire(child, patience(0)).unwrap();
    assert_eq!((old.generation + 1, new.pid), (new.generation, 2000));
    assert_eq!(board.acquire(child, patience(0)).unwrap_err(), Refused::Busy);
}

#[test]
fn a_thread_that_still_runs_a_request_nobody_waits_for_is_not_free() {
    let board = ready_board(1, 1);
    let child = board.join(1).unwrap();
    let slot = board.acquire(child, patience(0)).unwrap();
    board.begin_request(0, 1000);
    assert_eq!(board.answered(0, 1000), 0);
    drop(slot);
    assert_eq!(board.acquire(child, patience(0)).unwrap_err(), Refused::Busy);
    std::thread::scope(|scope| {
        let waiter = scope.spawn(|| board.acquire(child, patience(10_000)).is_ok());
        while board.waiting() == 0 {
            std::thread::yield_now();
        }
        board.end_request(0, 1000);
        assert!(waiter.join().unwrap());
    });
    assert_eq!((board.answered(0, 1000), board.answered(0, 999)), (1, 0));
    assert!(board.has_answered());
    board.worker_started(0, 2000);
    assert_eq!(board.answered(0, 2000), 0);
    assert!(!board.has_answered());
}

#[test]
fn a_child_that_dies_waiting_waits_no_more() {
    let board = ready_board(1, 1);
    let lost = board.join(41).unwrap();
    std::mem::forget(Waiting::begin(&board, lost));
    board.clear_child(41);
    assert_eq!(board.waiting(), 0);
}

#[test]
fn the_patience_for_a_worker_begins_when_there_is_none() {
    let board = ready_board(1, 1);
    let child = board.join(1).unwrap();
    let _slot = board.acquire(child, patience(0)).unwrap();
    let short = Patience {
        ready: Duration::from_secs(10),
        loaded: Instant::now() + Duration::from_secs(10),
        free: Instant::now() + Duration::from_secs(20),
        queue: 0,
    };
    std::thread::scope(|scope| {
        let waiter = scope.spawn(|| board.acquire(child, short).is_ok());
        while board.waiting() == 0 {
            std::thread::yield_now();
        }
        board.set_state(0, 1000, State::Draining);
        board.worker_started(0, 2000);
        board.set_state(0, 2000, State::Ready);
        assert!(waiter.join().unwrap());
    });
}

#[test]
fn the_memory_cannot_be_taken_away() {
    let (fd, _board) = Scoreboard::create(1, 1, 1).unwrap();
    assert!(nix::unistd::ftruncate(&fd, 0).is_err());
}

#[test]
fn processes_that_follow_each_other_say_why_they_end() {
    let board = ready_board(1, 1);
    let old = board.generation(0);
    board.set_ending(0, old, 1000, Ending::RestartInterval);
    board.set_ending(0, old, 1000, Ending::Terminated);
    board.worker_started(0, 1001);
    assert_eq!(board.ending(0, 1001), None);
    board.set_all_ending(Ending::GroupEnds);
    assert_eq!(board.ending(0, 1000), Some(Ending::RestartInterval));
    assert_eq!(board.ending(0, 1001), Some(Ending::GroupEnds));
    assert_eq!(board.ending(0, 0), None);
}
