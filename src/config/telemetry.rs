//! The words of the telemetry directives, which are checked only: nothing uses them yet.

use super::error::Error;
use super::setting::Setting;
use super::words::Words;

/// The directive that names the receiver.
pub const SERVICE: &str = "WSGITelemetryService";
/// The directive that says what is captured.
pub const OPTIONS: &str = "WSGITelemetryOptions";

/// Reads `WSGITelemetryService`.
///
/// # Errors
/// The first thing that is wrong with the line.
pub fn service(text: &[u8]) -> Result<(), Error> {
    let mut words = Words::new(text);
    let target = words.argument(SERVICE, "the socket, as unix:PATH")?;
    if !target.starts_with(b"unix:") {
        let target = Setting::argument(SERVICE, &target);
        return Err(target.invalid("unix: and the path of a socket"));
    }
    while let Some(given) = words.option(SERVICE)? {
        let interval = Setting::known(SERVICE, &["interval"], &given)?;
        interval.fraction(0.5).ok_or_else(|| interval.invalid("at least 0.5 seconds"))?;
    }
    Ok(())
}

/// Reads the time of `WSGISlowRequests`; 0 is off.
///
/// # Errors
/// [`Error::InvalidValue`].
pub fn slow(setting: &Setting<'_>) -> Result<(), Error> {
    let time = setting.fraction(0.0);
    time.map(drop).ok_or_else(|| setting.invalid("a number of seconds, 0 for none"))
}

/// Reads `WSGITelemetryOptions`: flags with a sign each, which change what earlier lines said, or
/// without, which replace it.
///
/// # Errors
/// The first thing that is wrong with the line.
pub fn options(text: &[u8]) -> Result<(), Error> {
    const FLAGS: &str = "None, All, or CaptureUserAgent with or without + or - before it";
    let mut words = Words::new(text);
    let mut signed = None;
    while let Some(word) = words.word() {
        let setting = Setting::argument(OPTIONS, &word);
        let flag = word.strip_prefix(b"+").or_else(|| word.strip_prefix(b"-"));
        let known = flag.unwrap_or(&word).eq_ignore_ascii_case(b"CaptureUserAgent")
            || (flag.is_none() && setting.one_of(&["None", "All"]).is_ok());
        if !known {
            return Err(setting.invalid(FLAGS));
        }
        if *signed.get_or_insert(flag.is_some()) != flag.is_some() {
            return Err(setting.invalid("either all flags with + or -, or none"));
        }
    }
    match signed {
        Some(_) => Ok(()),
        None => Err(Error::MissingArgument { directive: OPTIONS, what: "a flag" }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_service_is_a_unix_socket() {
        assert_eq!(service(b"unix:/run/x interval=0.5"), Ok(()));
        for wrong in [
            &b""[..],
            b"udp:1.2.3.4",
            b"unix:/x 5",
            b"unix:/x interval=0.1",
            b"unix:/x interval=x",
            b"unix:/x rate=1",
        ] {
            assert!(service(wrong).is_err(), "{}", wrong.escape_ascii());
        }
    }

    #[test]
    fn flags_are_all_relative_or_none() {
        for right in ["None", "all", "CaptureUserAgent", "+CaptureUserAgent -captureuseragent"] {
            assert_eq!(options(right.as_bytes()), Ok(()), "{right}");
        }
        for wrong in ["", "+", "+All", "-None", "Capture", "All +CaptureUserAgent"] {
            assert!(options(wrong.as_bytes()).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_request_is_slow_after_a_time() {
        let slow = |text: &str| slow(&Setting::argument("WSGISlowRequests", text.as_bytes()));
        assert!(slow("0").is_ok() && slow("1.5").is_ok());
        assert!(slow("-1").is_err() && slow("x").is_err() && slow("inf").is_err());
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
