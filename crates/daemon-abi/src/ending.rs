//! Why a worker ends, as it says in the scoreboard before it does: the log line of a request that is lost with it
//! has the cause.

use crate::scoreboard::Death;
use std::fmt;

macro_rules! endings {
    ($($(#[$meta:meta])* $name:ident = $code:literal, $event:literal, $text:literal;)*) => {
        /// Why a worker ends.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[repr(u8)]
        pub enum Ending {
            $($(#[$meta])* $name = $code,)*
        }

        impl Ending {
            /// The number that stands for it in shared memory.
            pub fn code(self) -> u8 {
                self as u8
            }

            /// What a number from shared memory stands for.
            pub fn from_code(code: u8) -> Option<Self> {
                match code {
                    $($code => Some(Self::$name),)*
                    _ => None,
                }
            }

            /// What an application is told: `shutdown_reason` of the event `process_stopping`.
            pub fn event(self) -> &'static str {
                match self {
                    $(Self::$name => $event,)*
                }
            }
        }

        impl fmt::Display for Ending {
            /// What ended it, as the end of the words "was ended by".
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(match self {
                    $(Self::$name => $text,)*
                })
            }
        }
    };
}

endings! {
    /// A script that was loaded has changed.
    ScriptChanged = 1, "script_reload", "a change of its script";
    /// It has answered as many requests as it may.
    MaximumRequests = 2, "maximum_requests", "maximum-requests";
    /// It cannot wait for requests.
    Broken = 3, "signal_pipe_error", "a fault of its connections";
    /// No script could be loaded in time.
    StartupTimeout = 4, "startup_timeout", "startup-timeout";
    /// Python's lock could not be had.
    DeadlockTimeout = 5, "deadlock_timeout", "deadlock-timeout";
    /// It had nothing to do.
    InactivityTimeout = 6, "inactivity_timeout", "inactivity-timeout";
    /// A request took too long.
    RequestTimeout = 7, "request_timeout", "request-timeout";
    /// It is old.
    RestartInterval = 8, "restart_interval", "restart-interval";
    /// It has used its CPU time.
    CpuTimeLimit = 9, "cpu_time_limit", "cpu-time-limit";
    /// It has grown.
    MemoryRestart = 10, "memory_restart", "memory-restart";
    /// SIGUSR1.
    GracefulSignal = 11, "graceful_signal", "SIGUSR1";
    /// SIGUSR1, with an `eviction-timeout`.
    EvictionSignal = 12, "eviction_signal", "SIGUSR1 (eviction-timeout)";
    /// SIGTERM of somebody else than its leader.
    Terminated = 13, "shutdown_signal", "SIGTERM";
    /// SIGINT.
    Interrupted = 14, "shutdown_signal", "SIGINT";
    /// Its leader died.
    LeaderGone = 15, "shutdown_signal", "the end of its leader";
    /// Its group ends, with httpd or after a restart.
    GroupEnds = 16, "shutdown_signal", "the end of its process group";
    /// There are more workers than needed.
    NotNeeded = 17, "shutdown_signal", "shrink-timeout";
}

impl Ending {
    /// Whether something is wrong with the application, rather than that its time has come.
    pub fn is_fault(self) -> bool {
        matches!(
            self,
            Self::Broken
                | Self::StartupTimeout
                | Self::DeadlockTimeout
                | Self::RequestTimeout
                | Self::CpuTimeLimit
        )
    }

    /// Whether another worker is to take the place at once. Otherwise the place is filled when this one has ended,
    /// if at all.
    pub fn is_replaced(self) -> bool {
        !matches!(
            self,
            Self::Terminated
                | Self::Interrupted
                | Self::LeaderGone
                | Self::GroupEnds
                | Self::NotNeeded
        )
    }
}

/// What became of a worker, as far as it is known, for the log line of a request that was lost with it.
pub fn cause(death: Option<Death>, ending: Option<Ending>) -> Option<String> {
    match (death, ending) {
        (None, None) => None,
        (Some(death), None) => Some(death.to_string()),
        // The kill is how a limit is enforced, and any exit is the one it was told to make.
        (Some(death), Some(ending)) if death.is_crash() => {
            Some(format!("{death}, when it was about to be ended by {ending},"))
        }
        (_, Some(ending)) => Some(format!("was ended by {ending}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_comes_back() {
        let known: Vec<_> = (0..=u8::MAX).filter_map(Ending::from_code).collect();
        assert_eq!(known.len(), 17);
        assert!(known.iter().all(|ending| Ending::from_code(ending.code()) == Some(*ending)));
    }

    #[test]
    fn the_cause_is_what_it_was_ended_by_unless_it_crashed() {
        let death = |status| Some(Death { pid: 1, status });
        let timeout = Some(Ending::RequestTimeout);
        assert_eq!(cause(None, None), None);
        assert_eq!(cause(death(0), timeout).unwrap(), "was ended by request-timeout");
        assert_eq!(cause(death(9), timeout).unwrap(), "was ended by request-timeout");
        assert_eq!(cause(death(9), None).unwrap(), "was killed by signal 9 (SIGKILL)");
        assert!(
            cause(death(11), timeout)
                .unwrap()
                .starts_with("was killed by signal 11 (SIGSEGV), when")
        );
        assert_eq!(cause(None, timeout).unwrap(), "was ended by request-timeout");
    }
}
