//! `pyvenv.cfg`: what a virtual environment says of the Python it was made for.
//!
//! See <https://docs.python.org/3/library/site.html>.

/// What is said there; empty where nothing is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pyvenv {
    /// The version of Python, for example `3.11.2`.
    pub version: Vec<u8>,
    /// The directory of the interpreter that made it.
    pub base: Vec<u8>,
}

impl Pyvenv {
    /// The file's name in the environment.
    pub const FILE: &'static str = "pyvenv.cfg";

    /// Reads the file; lines that are not known do not matter.
    pub fn parse(text: &[u8]) -> Self {
        let mut found = Self::default();
        for line in text.split(|byte| *byte == b'\n') {
            let Some(at) = line.iter().position(|byte| *byte == b'=') else { continue };
            let (name, value) = line.split_at_checked(at).unwrap_or_default();
            let value = value.get(1..).unwrap_or_default().trim_ascii();
            match name.trim_ascii().to_ascii_lowercase().as_slice() {
                // The second one is of virtualenv.
                b"version" | b"version_info" => found.version = value.to_vec(),
                b"home" => found.base = value.to_vec(),
                _ => {}
            }
        }
        found
    }

    /// Major and minor version, for example `3.11`; none if it does not say.
    pub fn minor(&self) -> Option<&[u8]> {
        let mut dots = (0..).zip(&self.version).filter(|(_, byte)| **byte == b'.');
        let (first, _) = dots.next()?;
        let end = dots.next().map_or(self.version.len(), |(at, _)| at);
        self.version.get(..end).filter(|version| version.len() > first + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn version_and_base_are_read_as_venv_and_virtualenv_write_them() {
        let venv = Pyvenv::parse(
            b"home = /usr/bin\ninclude-system-site-packages = false\nversion = 3.9.2\n",
        );
        assert_eq!((&venv.version[..], &venv.base[..]), (&b"3.9.2"[..], &b"/usr/bin"[..]));
        assert_eq!(venv.minor(), Some(&b"3.9"[..]));
        let virtualenv = Pyvenv::parse(b"Home=/opt/py/bin\r\nversion_info = 3.12.0.final.0\r\n");
        assert_eq!(virtualenv.minor(), Some(&b"3.12"[..]));
        assert_eq!(virtualenv.base, b"/opt/py/bin");
    }

    #[test]
    fn a_version_that_is_none_is_none() {
        for text in ["", "version = ", "version = 3", "version = 3.", "no line"] {
            assert_eq!(Pyvenv::parse(text.as_bytes()).minor(), None, "{text}");
        }
        assert_eq!(Pyvenv::parse(b"version = 3.13").minor(), Some(&b"3.13"[..]));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read(text: Vec<u8>) {
            let _ = Pyvenv::parse(&text).minor();
        }
    }
}
