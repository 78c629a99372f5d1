//! The engine as a shared object for one CPython ABI.
//!
//! The same file is an extension module, which the Python of a daemon process group imports to run
//! [`worker::leader::main`], and what the httpd module opens in embedded mode. It is not linked
//! to libpython: its symbols are there already when it is loaded.
//! See <https://docs.python.org/3/extending/building.html>.

mod asking;
mod embedded;
mod module;
