//! The daemon processes of a process group.
//!
//! A *leader* is the Python that the httpd parent executed for a `WSGIDaemonProcess`; it runs
//! [`leader::main`], forks the *workers* and replaces them. A worker waits for FastCGI connections and
//! answers requests with the engine, each on one of its threads.

pub mod leader;

mod connection;
mod connections;
mod demand;
mod descriptor;
mod exchange;
mod life;
mod limits;
mod loading;
mod locale;
mod log;
mod memory;
mod messenger;
mod monitor;
mod offspring;
mod preloader;
mod preloading;
mod process;
mod pulse;
mod records;
mod report;
mod roll;
mod seats;
mod server;
mod service;
mod signals;
mod stacks;
mod threads;
mod title;
