//! The timers of a worker: when it is to be replaced, or a request of it to be interrupted.
//!
//! Pure arithmetic over what the main thread sees; each timer is independent of the others, and off when it is
//! zero. The main thread waits for the next of them together with everything else it waits for.

use crate::seats::Running;
use daemon_abi::ending::Ending;
use daemon_abi::launch::Launch;
use std::time::{Duration, Instant};

/// Between two looks at the memory of the process.
const MEMORY_PACE: Duration = Duration::from_secs(1);

/// Never look more often than this.
const SHORTEST: Duration = Duration::from_millis(10);

/// How long everything may take; zero is no limit.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Timers {
    startup: Duration,
    deadlock: Duration,
    inactivity: Duration,
    /// As it holds for a request in a process of so many threads.
    request: Duration,
    interrupt: Duration,
    restart: Duration,
    /// A request that runs for longer is not waited for.
    stale: Duration,
    /// Bytes of memory above which the process is replaced.
    pub(crate) memory: u64,
}

/// What the main thread sees of its process.
#[derive(Clone, Debug)]
pub(crate) struct Sight {
    pub(crate) started: Instant,
    /// When the first request came.
    pub(crate) first: Option<Instant>,
    /// When a request last began or ended.
    pub(crate) last: Option<Instant>,
    /// A script was loaded.
    pub(crate) loaded: bool,
    /// Since when somebody waits for the GIL who wants it for a moment only.
    pub(crate) gil_awaited: Option<Instant>,
    pub(crate) running: Vec<Running>,
}

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Due {
    /// Nothing before this time has passed; `None`: before something else happens.
    Wait(Option<Duration>),
    /// Replace the process.
    End(Ending),
    /// Raise `mod_wsgi.RequestTimeout` in this request.
    Interrupt(Running),
}

impl Timers {
    pub(crate) fn new(launch: &Launch) -> Self {
        let time = Duration::from_millis;
        Self {
            startup: time(launch.startup_timeout),
            deadlock: time(launch.deadlock_timeout),
            inactivity: time(launch.inactivity_timeout),
            // mod_wsgi's rule: one slow request among many threads harms less.
            request: time(launch.request_timeout)
                .mul_f64(1.0 + f64::from(launch.threads.max(1)).ln()),
            interrupt: time(launch.interrupt_timeout),
            restart: time(launch.restart_interval),
            stale: time(launch.request_timeout + launch.interrupt_timeout),
            memory: launch.memory_restart,
        }
    }

    /// How long a request is waited for when the process ends; `None`: as long as it runs.
    pub(crate) fn stale(&self) -> Option<Duration> {
        (!self.stale.is_zero()).then_some(self.stale)
    }

    /// Whether somebody must take the GIL from time to time.
    pub(crate) fn needs_pulse(&self) -> bool {
        !self.deadlock.is_zero()
    }

    /// What is to be done now, by what is seen.
    pub(crate) fn look(&self, now: Instant, sight: &Sight) -> Due {
        let mut watch = Watch { now, next: None };
        if !sight.loaded && watch.is_over(self.startup, sight.first) {
            return Due::End(Ending::StartupTimeout);
        }
        if watch.is_over(self.deadlock, sight.gil_awaited) {
            return Due::End(Ending::DeadlockTimeout);
        }
        if let Some(due) = self.look_at_requests(&mut watch, sight) {
            return due;
        }
        if watch.is_over(self.restart, Some(sight.started)) {
            return Due::End(Ending::RestartInterval);
        }
        let busy = |it: &Running| {
            self.stale().is_none_or(|stale| now.saturating_duration_since(it.since) <= stale)
        };
        let active = sight.running.iter().any(busy);
        if watch.is_over(self.inactivity, sight.last.filter(|_| !active)) {
            return Due::End(Ending::InactivityTimeout);
        }
        if self.memory > 0 {
            watch.wake(MEMORY_PACE);
        }
        Due::Wait(watch.next)
    }

    fn look_at_requests(&self, watch: &mut Watch, sight: &Sight) -> Option<Due> {
        if self.request.is_zero() {
            return None;
        }
        // One that begins later is not over before this.
        watch.wake(self.request);
        for running in &sight.running {
            match running.interrupted {
                Some(at) if watch.is_over(self.interrupt, Some(at)) => {
                    return Some(Due::End(Ending::RequestTimeout));
                }
                None if watch.is_over(self.request, Some(running.since)) => {
                    return Some(if self.interrupt.is_zero() {
                        Due::End(Ending::RequestTimeout)
                    } else {
                        Due::Interrupt(*running)
                    });
                }
                _ => {}
            }
        }
        None
    }
}

/// Collects when to look again.
struct Watch {
    now: Instant,
    next: Option<Duration>,
}

impl Watch {
    fn wake(&mut self, after: Duration) {
        let after = after.max(SHORTEST);
        self.next = Some(self.next.map_or(after, |next| next.min(after)));
    }

    /// Whether a time that runs since a moment is over. One that does not run yet cannot be over before its length.
    fn is_over(&mut self, limit: Duration, since: Option<Instant>) -> bool {
        if limit.is_zero() {
            return false;
        }
        let elapsed = since.map_or(Duration::ZERO, |at| self.now.saturating_duration_since(at));
        let over = since.is_some() && elapsed >= limit;
        if !over {
            self.wake(limit.saturating_sub(elapsed));
        }
        over
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn sight(started: Instant) -> Sight {
        Sight {
            started,
            first: None,
            last: None,
            loaded: false,
            gil_awaited: None,
            running: Vec::new(),
        }
    }

    fn running(since: Instant) -> Running {
        Running { seat: 0, since, interrupted: None }
    }

    #[test]
    fn without_timers_nothing_is_due() {
        let now = Instant::now();
        assert_eq!(Timers::default().look(now + SECOND * 1000, &sight(now)), Due::Wait(None));
    }

    #[test]
    fn the_request_timeout_grows_with_the_threads() {
        let of = |threads| {
            Timers::new(&Launch { request_timeout: 1000, threads, ..Launch::default() }).request
        };
        assert_eq!(of(1), SECOND);
        assert!((of(5).as_secs_f64() - 2.609).abs() < 0.001);
        assert!((of(15).as_secs_f64() - 3.708).abs() < 0.001);
    }

    #[test]
    fn each_timer_works_alone() {
        let now = Instant::now();
        let later = now + SECOND * 2;
        let base = Timers::default();
        let first = Sight { first: Some(now), last: Some(now), ..sight(now) };
        for (timers, sight, ending) in [
            (Timers { startup: SECOND, ..base }, first.clone(), Ending::StartupTimeout),
            (
                Timers { deadlock: SECOND, ..base },
                Sight { gil_awaited: Some(now), ..sight(now) },
                Ending::DeadlockTimeout,
            ),
            (Timers { inactivity: SECOND, ..base }, first.clone(), Ending::InactivityTimeout),
            (
                Timers { request: SECOND, ..base },
                Sight { running: vec![running(now)], ..first },
                Ending::RequestTimeout,
            ),
            (Timers { restart: SECOND, ..base }, sight(now), Ending::RestartInterval),
        ] {
            assert_eq!(timers.look(now, &sight), Due::Wait(Some(SECOND)), "{ending}");
            assert_eq!(timers.look(later, &sight), Due::End(ending));
        }
    }

    #[test]
    fn startup_and_inactivity_begin_with_the_first_request() {
        let now = Instant::now();
        let timers = Timers { startup: SECOND, inactivity: SECOND * 3, ..Timers::default() };
        assert_eq!(timers.look(now + SECOND * 9, &sight(now)), Due::Wait(Some(SECOND)));
        let loaded = Sight { first: Some(now), last: Some(now), loaded: true, ..sight(now) };
        assert_eq!(timers.look(now + SECOND, &loaded), Due::Wait(Some(SECOND * 2)));
        let busy = Sight { running: vec![running(now)], ..loaded };
        assert_eq!(timers.look(now + SECOND * 9, &busy), Due::Wait(Some(SECOND * 3)));
    }

    #[test]
    fn a_request_that_does_not_run_out_is_interrupted_first() {
        let now = Instant::now();
        let timers = Timers { request: SECOND, interrupt: SECOND, ..Timers::default() };
        let slow = running(now);
        let seen = Sight { running: vec![slow], ..sight(now) };
        assert_eq!(timers.look(now + SECOND, &seen), Due::Interrupt(slow));
        let told = Running { interrupted: Some(now + SECOND), ..slow };
        let seen = Sight { running: vec![told], ..sight(now) };
        assert_eq!(timers.look(now + SECOND, &seen), Due::Wait(Some(SECOND)));
        assert_eq!(timers.look(now + SECOND * 2, &seen), Due::End(Ending::RequestTimeout));
    }
}
