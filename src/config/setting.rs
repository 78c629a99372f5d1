//! The value of one option or directive on its way to a type.
//!
//! Every reader takes the bytes as they were written and either gives the typed value or an
//! [`Error`] that names directive, option, value and what is expected. Numbers are read strictly:
//! what C's `atoi` would have cut off or taken for 0 is an error. Pure functions, any thread.

use std::borrow::Cow;
use std::ops::RangeInclusive;
use std::time::Duration;

use super::error::{Error, Hint};
use super::words::Assignment;

/// A value, with the names an error about it needs.
#[derive(Debug, Clone, Copy)]
pub struct Setting<'a> {
    /// The directive it belongs to.
    pub directive: &'static str,
    /// The option; none when it is the directive's only argument.
    pub option: Option<&'static str>,
    /// The bytes as they were written, quotes removed.
    pub value: &'a [u8],
}

impl<'a> Setting<'a> {
    /// The only argument of a directive.
    pub fn argument(directive: &'static str, value: &'a [u8]) -> Self {
        Self { directive, option: None, value }
    }

    /// The value of an option, which must not be empty.
    ///
    /// # Errors
    /// [`Error::EmptyValue`].
    pub fn option(
        directive: &'static str,
        option: &'static str,
        value: &'a [u8],
    ) -> Result<Self, Error> {
        if value.is_empty() {
            return Err(Error::EmptyValue { directive, option });
        }
        Ok(Self { directive, option: Some(option), value })
    }

    /// The value of one of the directive's `known` options.
    ///
    /// # Errors
    /// [`Error::UnknownOption`] if it is none of them, [`Error::EmptyValue`].
    pub fn known(
        directive: &'static str,
        known: &[&'static str],
        given: &'a Assignment,
    ) -> Result<Self, Error> {
        match known.iter().find(|name| name.as_bytes() == given.name) {
            Some(option) => Self::option(directive, option, &given.value),
            None => Err(unknown(directive, known.iter().copied(), given)),
        }
    }

    /// The bytes themselves.
    pub fn text(&self) -> Vec<u8> {
        self.value.to_vec()
    }

    /// A process group or application group; `%{GLOBAL}` is the empty name.
    pub fn group_name(&self) -> Vec<u8> {
        if self.value == b"%{GLOBAL}" { Vec::new() } else { self.text() }
    }

    /// On or Off, in any case.
    ///
    /// # Errors
    /// [`Error::NotAFlag`].
    pub fn flag(&self) -> Result<bool, Error> {
        if self.value.eq_ignore_ascii_case(b"on") {
            Ok(true)
        } else if self.value.eq_ignore_ascii_case(b"off") {
            Ok(false)
        } else {
            Err(Error::NotAFlag {
                directive: self.directive,
                option: self.option,
                value: self.text(),
            })
        }
    }

    /// A whole decimal number.
    ///
    /// # Errors
    /// [`Error::InvalidValue`] for anything else, or outside of `range`.
    pub fn integer<T>(&self, range: RangeInclusive<i64>) -> Result<T, Error>
    where
        T: TryFrom<i64>,
    {
        self.number::<i64>()
            .filter(|number| range.contains(number))
            .and_then(|number| T::try_from(number).ok())
            .ok_or_else(|| {
                self.invalid(format!("a whole number from {} to {}", range.start(), range.end()))
            })
    }

    /// A whole number from 1 on, or two of them as in `2..8`: the least and the most.
    ///
    /// # Errors
    /// [`Error::InvalidValue`], also when the first is above the second.
    pub fn count_or_range(&self) -> Result<RangeInclusive<u32>, Error> {
        let text = std::str::from_utf8(self.value).unwrap_or_default().trim();
        let (least, most) = text.split_once("..").unwrap_or((text, text));
        let number = |text: &str| {
            let digits = text.bytes().all(|byte| byte.is_ascii_digit());
            let number = text.parse::<u32>().ok()?;
            (digits && number >= 1 && i32::try_from(number).is_ok()).then_some(number)
        };
        match (number(least), number(most)) {
            (Some(least), Some(most)) if least <= most => Ok(least..=most),
            _ => Err(self
                .invalid("a whole number from 1 on, or the least and the most of them as in 2..8")),
        }
    }

    /// A number of bytes, of any size.
    ///
    /// # Errors
    /// [`Error::InvalidValue`].
    pub fn bytes(&self) -> Result<u64, Error> {
        self.number::<i64>()
            .and_then(|number| u64::try_from(number).ok())
            .ok_or_else(|| self.invalid("a whole number of bytes, 0 for no limit"))
    }

    /// A number of bytes, which may end with `K`, `M` or `G`.
    ///
    /// # Errors
    /// [`Error::InvalidValue`]
    pub fn size(&self) -> Result<u64, Error> {
        let value = self.value.trim_ascii();
        let (digits, unit) = match value.split_last() {
            Some((b'K' | b'k', digits)) => (digits, 1 << 10),
            Some((b'M' | b'm', digits)) => (digits, 1 << 20),
            Some((b'G' | b'g', digits)) => (digits, 1 << 30),
            _ => (value, 1),
        };
        Setting { value: digits, ..*self }
            .number::<u64>()
            .and_then(|number| number.checked_mul(unit))
            .filter(|_| digits.iter().all(u8::is_ascii_digit))
            .ok_or_else(|| {
                self.invalid("a number of bytes such as 500M (with K, M or G), 0 for no limit")
            })
    }

    /// A buffer's size: 0 for the default, or at least `least` bytes.
    ///
    /// # Errors
    /// [`Error::InvalidValue`].
    pub fn buffer(&self, least: u32) -> Result<u32, Error> {
        self.number::<u32>()
            .filter(|size| *size == 0 || (*size >= least && i32::try_from(*size).is_ok()))
            .ok_or_else(|| self.invalid(format!("0 for the default, or at least {least} bytes")))
    }

    /// A number of seconds.
    ///
    /// # Errors
    /// [`Error::InvalidValue`].
    pub fn seconds(&self) -> Result<Duration, Error> {
        self.count()
            .map(|seconds| Duration::from_secs(seconds.into()))
            .ok_or_else(|| self.invalid("a whole number of seconds, 0 or more"))
    }

    /// A number of milliseconds.
    ///
    /// # Errors
    /// [`Error::InvalidValue`].
    pub fn milliseconds(&self) -> Result<Duration, Error> {
        self.count()
            .map(|time| Duration::from_millis(time.into()))
            .ok_or_else(|| self.invalid("a whole number of milliseconds, 0 or more"))
    }

    /// A file mode mask in octal digits.
    ///
    /// # Errors
    /// [`Error::InvalidValue`].
    pub fn umask(&self) -> Result<u32, Error> {
        std::str::from_utf8(self.value)
            .ok()
            .filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()))
            .and_then(|text| u32::from_str_radix(text, 8).ok())
            .filter(|mask| *mask <= 0o7777)
            .ok_or_else(|| self.invalid("an octal number such as 022"))
    }

    /// A time in seconds that may have a fraction, more than 0.
    ///
    /// # Errors
    /// [`Error::InvalidValue`].
    pub fn positive_float(&self) -> Result<f64, Error> {
        self.number::<f64>()
            .filter(|number| number.is_finite() && *number > 0.0)
            .ok_or_else(|| self.invalid("a number of seconds greater than 0, such as 0.005"))
    }

    /// A time that may have a fraction, more than 0, as short as Python's clocks count.
    ///
    /// # Errors
    /// [`Error::InvalidValue`].
    pub fn short_time(&self) -> Result<Duration, Error> {
        let seconds = self.positive_float()?;
        Duration::try_from_secs_f64(seconds)
            .map_err(|_| self.invalid("a number of seconds such as 0.005"))
    }

    /// A number that may have a fraction, `least` or more.
    pub fn fraction(&self, least: f64) -> Option<f64> {
        self.number::<f64>().filter(|number| number.is_finite() && *number >= least)
    }

    /// A path from the root.
    ///
    /// # Errors
    /// [`Error::InvalidValue`].
    pub fn absolute_path(&self) -> Result<Vec<u8>, Error> {
        if self.value.starts_with(b"/") {
            Ok(self.text())
        } else {
            Err(self.invalid("an absolute path"))
        }
    }

    /// One of `words`, in any case.
    ///
    /// # Errors
    /// [`Error::InvalidValue`], listing the words.
    pub fn one_of(&self, words: &[&'static str]) -> Result<&'static str, Error> {
        words
            .iter()
            .find(|word| self.value.eq_ignore_ascii_case(word.as_bytes()))
            .copied()
            .ok_or_else(|| self.invalid(format!("one of {}", words.join(", "))))
    }

    /// The error for this value.
    pub fn invalid(&self, expected: impl Into<Cow<'static, str>>) -> Error {
        Error::InvalidValue {
            directive: self.directive,
            option: self.option,
            value: self.text(),
            expected: expected.into(),
        }
    }

    fn count(&self) -> Option<u32> {
        self.number::<u32>().filter(|number| i32::try_from(*number).is_ok())
    }

    fn number<T: std::str::FromStr>(&self) -> Option<T> {
        std::str::from_utf8(self.value.trim_ascii()).ok()?.parse().ok()
    }
}

/// The error for an option that is none of the directive's.
pub fn unknown(
    directive: &'static str,
    known: impl Iterator<Item = &'static str>,
    given: &Assignment,
) -> Error {
    Error::UnknownOption {
        directive,
        option: given.name.clone(),
        value: given.value.clone(),
        hint: Hint::among(known, &given.name),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn of(value: &str) -> Setting<'_> {
        Setting::option("WSGITest", "thing", value.as_bytes()).unwrap()
    }

    #[test]
    fn a_flag_is_on_or_off_in_any_case_and_nothing_else() {
        assert_eq!((of("oN").flag(), of("OFF").flag()), (Ok(true), Ok(false)));
        assert_eq!(
            of("yes").flag().unwrap_err().to_string(),
            "WRS1006: WSGITest: invalid value in 'thing=yes': expected On or Off"
        );
        assert_eq!(
            Setting::argument("WSGITest", b"1").flag().unwrap_err().to_string(),
            "WRS1006: WSGITest: invalid value '1': expected On or Off"
        );
    }

    #[test]
    fn an_integer_that_atoi_would_cut_or_take_for_zero_is_an_error() {
        assert_eq!(of("5").integer::<u32>(1..=10), Ok(5));
        assert_eq!(of(" +5 ").integer::<u32>(1..=10), Ok(5));
        for wrong in ["5s", "five", "0", "11", "-1", "5.0", "99999999999999999999", "0x5"] {
            assert_eq!(
                of(wrong).integer::<u32>(1..=10).unwrap_err().to_string(),
                format!(
                    "WRS1005: WSGITest: invalid value in 'thing={wrong}': expected a whole number \
                     from 1 to 10"
                )
            );
        }
    }

    #[test]
    fn seconds_are_whole_and_not_negative() {
        assert_eq!(of("60").seconds(), Ok(Duration::from_secs(60)));
        assert_eq!(of("0").seconds(), Ok(Duration::ZERO));
        assert!(of("1m").seconds().is_err());
        assert!(of("-1").seconds().is_err());
        assert!(of("4294967295").seconds().is_err());
        assert_eq!(of("5").milliseconds(), Ok(Duration::from_millis(5)));
    }

    #[test]
    fn a_umask_is_octal_to_its_last_digit() {
        assert_eq!((of("0007").umask(), of("022").umask()), (Ok(0o007), Ok(0o022)));
        for wrong in ["8", "-1", "+2", "0o22", "22x", "77777"] {
            assert!(of(wrong).umask().is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_buffer_is_the_default_or_large_enough() {
        assert_eq!((of("0").buffer(512), of("512").buffer(512)), (Ok(0), Ok(512)));
        assert!(of("511").buffer(512).is_err());
        assert!(of("-1").buffer(512).is_err());
    }

    #[test]
    fn a_float_is_finite_and_more_than_zero() {
        assert_eq!(of("0.005").positive_float(), Ok(0.005));
        for wrong in ["0", "-1", "inf", "nan", "1s", ""] {
            let setting = Setting { directive: "D", option: Some("o"), value: wrong.as_bytes() };
            assert!(setting.positive_float().is_err(), "{wrong}");
        }
    }

    #[test]
    fn bytes_may_be_more_than_32_bits() {
        assert_eq!(of("8589934592").bytes(), Ok(8_589_934_592));
        assert!(of("8G").bytes().is_err());
        assert!(of("-1").bytes().is_err());
    }

    #[test]
    fn a_size_has_a_unit_or_none() {
        assert_eq!((of("5").size(), of("2K").size()), (Ok(5), Ok(2048)));
        assert_eq!((of("3m").size(), of("4G").size()), (Ok(3 << 20), Ok(4 << 30)));
        for wrong in ["K", "1.5G", "-1M", "5 M", "5MB", "99999999999G"] {
            assert!(of(wrong).size().is_err(), "{wrong}");
        }
    }

    #[test]
    fn global_is_the_empty_group_name() {
        assert_eq!(of("%{GLOBAL}").group_name(), b"");
        assert_eq!(of("%{SERVER}").group_name(), b"%{SERVER}");
    }

    #[test]
    fn one_of_lists_the_words() {
        assert_eq!(of("FCNTL").one_of(&["default", "fcntl"]), Ok("fcntl"));
        assert_eq!(
            of("spin").one_of(&["default", "fcntl"]).unwrap_err().to_string(),
            "WRS1005: WSGITest: invalid value in 'thing=spin': expected one of default, fcntl"
        );
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused_in_one_line_by_every_reader(value: Vec<u8>) {
            let setting = Setting { directive: "WSGITest", option: Some("thing"), value: &value };
            let told = [
                setting.flag().err(),
                setting.integer::<u32>(0..=i64::MAX).err(),
                setting.count_or_range().err(),
                setting.bytes().err(),
                setting.size().err(),
                setting.buffer(512).err(),
                setting.seconds().err(),
                setting.milliseconds().err(),
                setting.umask().err(),
                setting.positive_float().err(),
                setting.short_time().err(),
                setting.absolute_path().err(),
                setting.one_of(&["On", "Off"]).err(),
                crate::config::python_options::HashSeed::read(&setting).err(),
                crate::config::environment::assignment(&setting).err(),
            ];
            for error in told.into_iter().flatten() {
                let line = error.to_string();
                prop_assert!(line.starts_with("WRS10") && !line.contains(['\n', '\0']), "{line}");
            }
        }
    }
}
