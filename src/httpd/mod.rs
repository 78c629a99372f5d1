//! The safe vocabulary over httpd: pools, tables, brigades, requests, connections, servers, directives, hooks, regular
//! expressions, the log.
//!
//! This folder holds all `unsafe` code that deals with httpd; it knows nothing of Python or WSGI. Every value that wraps
//! a pointer of httpd carries the lifetime of what it points to and is made only here, from what httpd passes to an
//! entry, so no lifetime can be invented outside. None of them is `Send`: httpd's structures belong to one thread at a
//! time. See <https://httpd.apache.org/docs/2.4/developer/>.

// The vocabulary is complete before all of its users are.
#![allow(dead_code, unused_imports)]

pub mod brigade;
pub mod bucket;
pub mod config;
pub mod connection;
pub mod directive;
mod entry;
pub mod hook;
pub mod input;
pub mod log;
mod network;
pub mod pool;
pub mod process;
pub mod provider;
pub mod regex;
pub mod request;
pub mod scoreboard;
pub mod server;
pub mod status;
mod sys;
pub mod table;

pub use brigade::{After, Brigade, SendBy};
pub use bucket::Blocking;
pub use config::{Merge, Module, Record};
pub use connection::{ClientWait, Connection};
pub use directive::{Answer, Command, Commands, Context, Directive, Handler, Scope};
pub use hook::{Hooks, Order, Pools};
pub use input::{Chunk, Input, Read};
pub use log::Level;
pub use pool::{OwnedPool, Pool};
pub use request::Request;
pub use server::{Server, VERSION, banner};
pub use status::{Error, Status};
pub use table::Table;
