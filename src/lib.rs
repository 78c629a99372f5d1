//! mod_wsgi_rs: an Apache httpd 2.4 module that serves Python WSGI applications.
//!
//! This file is the module record and its table of directives, nothing else.

mod access;
mod config;
mod daemon;
mod dump;
mod embedded;
mod httpd;
mod module;
mod python;
mod request;

use httpd::{Commands, Record};
use module::Wsgi;

/// The table of directives as httpd reads it.
static COMMANDS: Commands<Wsgi, { config::directives::DIRECTIVES.len() + 1 }> = Commands::new();

/// What httpd looks for in the shared object; identifier and file name are those of mod_wsgi.
#[unsafe(no_mangle)]
#[allow(non_upper_case_globals, reason = "LoadModule names it")]
pub static wsgi_module: Record<Wsgi> = Record::new(c"mod_wsgi.c", &COMMANDS);
