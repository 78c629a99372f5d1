//! Setters: who is told what is counted, and what of it.

use std::ffi::CStr;

use super::{globals, origin};
use crate::config::setting::Setting;
use crate::config::telemetry;
use crate::httpd::{Answer, Command, Scope};
use crate::module::Wsgi;

pub fn service(command: &Command<'_>, scope: Scope<'_, Wsgi>, text: &CStr) -> Answer {
    let telemetry = &mut globals(command, scope, telemetry::SERVICE)?.python.telemetry;
    telemetry.service = Some(telemetry::service(text.to_bytes())?);
    Ok(())
}

pub fn slow_requests(command: &Command<'_>, scope: Scope<'_, Wsgi>, word: &CStr) -> Answer {
    const DIRECTIVE: &str = "WSGISlowRequests";
    let telemetry = &mut globals(command, scope, DIRECTIVE)?.python.telemetry;
    telemetry.slow_requests = telemetry::slow(&Setting::argument(DIRECTIVE, word.to_bytes()))?;
    telemetry.details.push((DIRECTIVE, origin(command)));
    Ok(())
}

pub fn options(command: &Command<'_>, scope: Scope<'_, Wsgi>, text: &CStr) -> Answer {
    let telemetry = &mut globals(command, scope, telemetry::OPTIONS)?.python.telemetry;
    telemetry.capture_user_agent = telemetry::options(text.to_bytes())?;
    telemetry.details.push((telemetry::OPTIONS, origin(command)));
    Ok(())
}
