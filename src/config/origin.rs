//! Where in the configuration a thing was written.

use std::fmt;

use super::error::Shown;

/// File and line of a directive.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Origin {
    /// The configuration file, as httpd names it.
    pub file: Vec<u8>,
    /// The line in it, from 1; 0 when it is not known.
    pub line: u32,
}

impl Origin {
    /// A place in a file.
    pub fn new(file: impl Into<Vec<u8>>, line: u32) -> Self {
        Self { file: file.into(), line }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.file.is_empty() {
            return f.write_str("the configuration");
        }
        write!(f, "{}:{}", Shown(&self.file), self.line)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_shown_as_file_and_line() {
        assert_eq!(Origin::new("/etc/apache2/a.conf", 7).to_string(), "/etc/apache2/a.conf:7");
        assert_eq!(Origin::default().to_string(), "the configuration");
    }
}
