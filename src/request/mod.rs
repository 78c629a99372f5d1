//! The way of a request through the module: from httpd's hooks to the application and back.
//!
//! [`handler`] decides who answers, [`environ`] collects what the application is told, and [`response`] hands its answer to httpd.
//! Everything here runs on the httpd thread of the request.

pub mod body;
pub mod environ;
pub mod handler;
pub mod ownership;
pub mod response;
pub mod sendfile;
pub mod translate;
