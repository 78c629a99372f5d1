//! The telemetry directives: who is told what is counted, and what of it.

use std::time::Duration;

use super::error::Error;
use super::origin::Origin;
use super::setting::Setting;
use super::words::Words;

/// The directive that names the receiver.
pub const SERVICE: &str = "WSGITelemetryService";
/// The directive that says what is captured.
pub const OPTIONS: &str = "WSGITelemetryOptions";

/// How long the path of a socket may be.
const LONGEST_PATH: usize = 107;

/// What the telemetry directives say.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Telemetry {
    /// `WSGITelemetryService`.
    pub service: Option<Service>,
    /// `WSGISlowRequests`; zero: no request is told by itself.
    pub slow_requests: Duration,
    /// `WSGITelemetryOptions`: whether slow requests are told with their `User-Agent`.
    pub capture_user_agent: bool,
    /// The lines that do nothing without a service.
    pub details: Vec<(&'static str, Origin)>,
}

/// Who receives telemetry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Service {
    /// The path of its socket.
    pub socket: Vec<u8>,
    /// How often it is told something.
    pub interval: Duration,
}

/// Reads `WSGITelemetryService`.
///
/// # Errors
/// The first thing that is wrong with the line.
pub fn service(text: &[u8]) -> Result<Service, Error> {
    let mut words = Words::new(text);
    let target = words.argument(SERVICE, "the socket, as unix:PATH")?;
    let path = target.strip_prefix(b"unix:");
    let Some(socket) = path.filter(|it| it.starts_with(b"/") && it.len() <= LONGEST_PATH) else {
        let target = Setting::argument(SERVICE, &target);
        return Err(target.invalid(format!(
            "unix: and the absolute path of a socket, not longer than {LONGEST_PATH} bytes"
        )));
    };
    let mut service = Service { socket: socket.to_vec(), interval: Duration::from_secs(1) };
    while let Some(given) = words.option(SERVICE)? {
        let interval = Setting::known(SERVICE, &["interval"], &given)?;
        service.interval = interval
            .fraction(0.5)
            .filter(|seconds| *seconds <= 86400.0)
            .map(Duration::from_secs_f64)
            .ok_or_else(|| interval.invalid("seconds, at least 0.5 and at most 86400"))?;
    }
    Ok(service)
}

/// Reads the time of `WSGISlowRequests`; zero is off.
///
/// # Errors
/// [`Error::InvalidValue`].
pub fn slow(setting: &Setting<'_>) -> Result<Duration, Error> {
    let time = setting.fraction(0.0).and_then(|time| Duration::try_from_secs_f64(time).ok());
    time.ok_or_else(|| setting.invalid("a number of seconds, 0 for none"))
}

/// Reads `WSGITelemetryOptions`: flags with a sign each, which change what earlier lines said, or
/// without, which replace it. There is one flag only, so both say the same: whether it is on.
///
/// # Errors
/// The first thing that is wrong with the line.
pub fn options(text: &[u8]) -> Result<bool, Error> {
    const FLAGS: &str = "None, All, or CaptureUserAgent with or without + or - before it";
    let mut words = Words::new(text);
    let mut captured = None;
    let mut signed = None;
    while let Some(word) = words.word() {
        let setting = Setting::argument(OPTIONS, &word);
        let (sign, flag) = match word.split_first() {
            Some((sign @ (b'+' | b'-'), flag)) => (Some(*sign), flag),
            _ => (None, word.as_slice()),
        };
        let on = if flag.eq_ignore_ascii_case(b"CaptureUserAgent") {
            sign != Some(b'-')
        } else if sign.is_none() {
            setting.one_of(&["None", "All"]).map_err(|_| setting.invalid(FLAGS))? == "All"
        } else {
            return Err(setting.invalid(FLAGS));
        };
        if *signed.get_or_insert(sign.is_some()) != sign.is_some() {
            return Err(setting.invalid("either all flags with + or -, or none"));
        }
        captured = Some(on);
    }
    captured.ok_or(Error::MissingArgument { directive: OPTIONS, what: "a flag" })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_service_is_a_unix_socket() {
        let read = |text: &[u8]| service(text).map(|it| (it.socket, it.interval.as_secs_f64()));
        assert_eq!(read(b"unix:/run/x"), Ok((b"/run/x".to_vec(), 1.0)));
        assert_eq!(read(b"unix:/run/x interval=0.5"), Ok((b"/run/x".to_vec(), 0.5)));
        let long = [&b"unix:/"[..], &[b'x'; 107]].concat();
        for wrong in [
            &b""[..],
            b"udp:1.2.3.4",
            b"unix:",
            b"unix:run/x",
            &long,
            b"unix:/x 5",
            b"unix:/x interval=0.1",
            b"unix:/x interval=1e9",
            b"unix:/x interval=x",
            b"unix:/x rate=1",
        ] {
            assert!(service(wrong).is_err(), "{}", wrong.escape_ascii());
        }
    }

    #[test]
    fn flags_are_all_relative_or_none() {
        for (right, on) in [
            ("None", false),
            ("all", true),
            ("captureuseragent", true),
            ("+CaptureUserAgent", true),
            ("+CaptureUserAgent -captureuseragent", false),
        ] {
            assert_eq!(options(right.as_bytes()), Ok(on), "{right}");
        }
        for wrong in ["", "+", "-", "+All", "-None", "Capture", "All +CaptureUserAgent"] {
            assert!(options(wrong.as_bytes()).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_request_is_slow_after_a_time() {
        let slow = |text: &str| slow(&Setting::argument("WSGISlowRequests", text.as_bytes()));
        assert_eq!((slow("0"), slow("1.5")), (Ok(Duration::ZERO), Ok(Duration::from_millis(1500))));
        for wrong in ["-1", "x", "inf", "1e300", ""] {
            assert!(slow(wrong).is_err(), "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(text: Vec<u8>) {
            let _ = service(&text);
            let _ = options(&text);
            let _ = slow(&Setting::argument("WSGISlowRequests", &text));
        }
    }
}
