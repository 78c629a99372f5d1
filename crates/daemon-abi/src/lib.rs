//! What the httpd module and the daemon processes of a group agree upon.
//!
//! The module starts one *leader* per `WSGIDaemonProcess`: [`spawn`] gives up privileges and executes
//! the group's Python, handing over [`launch`] data. Both sides then share a [`scoreboard`], and speak
//! FastCGI with the few extras of [`wire`]. Nothing here knows httpd or Python.

pub mod ending;
pub mod inquiry;
pub mod launch;
pub mod privileges;
pub mod scoreboard;
pub mod secret;
pub mod spawn;
pub mod wire;
