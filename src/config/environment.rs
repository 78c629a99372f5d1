//! Variables for the environment of a process group: `env=NAME=value`, and files of such lines.
//!
//! A file is read by httpd's parent when the group is started, so it may be root's alone, and when the
//! configuration is tested. Pure functions except [`read`]; any thread.

use std::ffi::OsStr;
use std::io::Read;
use std::os::unix::ffi::OsStrExt;

use super::error::Error;
use super::setting::Setting;

/// A file larger than this is no file of variables.
const LARGEST: u64 = 1 << 20;

/// A name and its value.
pub type Variable = (Vec<u8>, Vec<u8>);

/// The value of the option `env`.
///
/// # Errors
/// It is not `NAME=value`.
pub fn assignment(setting: &Setting<'_>) -> Result<Variable, Error> {
    parse(setting.value).ok_or_else(|| {
        setting.invalid("NAME=value, with a NAME of letters, digits and underscores")
    })
}

/// Reads a file of variables.
///
/// # Errors
/// A sentence with the file and, if a line of it is wrong, that line's number.
pub fn read(path: &[u8]) -> Result<Vec<Variable>, String> {
    let shown = String::from_utf8_lossy(path);
    let mut text = Vec::new();
    std::fs::File::open(OsStr::from_bytes(path))
        .and_then(|file| file.take(LARGEST + 1).read_to_end(&mut text))
        .map_err(|error| format!("its env-file '{shown}' cannot be read: {error}"))?;
    if text.len() as u64 > LARGEST {
        return Err(format!("its env-file '{shown}' is larger than {LARGEST} bytes"));
    }
    variables(&text).map_err(|line| {
        format!("its env-file '{shown}' has no NAME=value in line {line}, and no # for a comment")
    })
}

/// The variables of a file; the number of the first line that is none.
fn variables(text: &[u8]) -> Result<Vec<Variable>, usize> {
    let mut found = Vec::new();
    for (number, line) in (1_usize..).zip(text.split(|byte| *byte == b'\n')) {
        let line = line.trim_ascii();
        if line.is_empty() || line.starts_with(b"#") {
            continue;
        }
        let (name, value) = parse(line).ok_or(number)?;
        found.push((name, unquoted(&value).to_vec()));
    }
    Ok(found)
}

fn parse(text: &[u8]) -> Option<Variable> {
    let at = text.iter().position(|byte| *byte == b'=')?;
    let (name, value) = text.split_at_checked(at)?;
    let value = value.get(1..)?;
    let is_name = name.first().is_some_and(|byte| !byte.is_ascii_digit())
        && name.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'_');
    (is_name && !value.contains(&0)).then(|| (name.to_vec(), value.to_vec()))
}

/// A value without the pair of quotes around it, as such files are often written.
fn unquoted(value: &[u8]) -> &[u8] {
    match value {
        [b'"', inner @ .., b'"'] | [b'\'', inner @ .., b'\''] => inner,
        _ => value,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_variables_and_comments() {
        let text = b"# secrets\n\nA=1\r\n  B = \nC=a=b #c\nD=\"x y\"\nE='\nF=\n";
        assert_eq!(variables(text), Err(4));
        let text = b"# secrets\n\nA=1\r\nC=a=b #c\nD=\"x y\"\nE='\nF=";
        let expected: Vec<Variable> =
            [("A", "1"), ("C", "a=b #c"), ("D", "x y"), ("E", "'"), ("F", "")]
                .map(|(name, value)| (name.into(), value.into()))
                .to_vec();
        assert_eq!(variables(text), Ok(expected));
    }

    #[test]
    fn a_name_is_a_name_of_the_shell() {
        for wrong in ["A", "=x", "1A=x", "A-B=x", "A B=x", "\u{e4}=x", "A=\0"] {
            assert_eq!(parse(wrong.as_bytes()), None, "{wrong}");
        }
    }

    #[test]
    fn a_file_that_is_not_there_is_a_sentence() {
        let said = read(b"/there/is/none").unwrap_err();
        assert!(said.starts_with("its env-file '/there/is/none' cannot be read: "), "{said}");
    }
}
