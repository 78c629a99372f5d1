//! Daemon mode: process groups, and the way of a request to one of their workers.
//!
//! [`runtime`] holds the groups of one httpd generation. The parent starts a [`leader`] for each; the children
//! [`dispatch`] requests to workers by the group's scoreboard and [`relay`] bodies over FastCGI.

pub mod chroot;
pub mod client;
pub mod dispatch;
mod downstream;
pub mod files;
pub mod group;
pub mod leader;
pub mod metrics;
pub mod outgoing;
mod pythons;
pub mod relay;
pub mod runtime;
pub mod socket;
