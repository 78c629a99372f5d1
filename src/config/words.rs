//! The words of a directive's argument text, read as httpd reads them.
//!
//! A directive that takes all its arguments raw gets one byte string; this is httpd's own tokenizer
//! over it, so that a line means the same to us as to the rest of the configuration: blanks
//! separate words, a word that begins with a single or double quote ends at the same quote, a
//! backslash takes a quote or another backslash literally. Pure data, no allocation except the
//! words themselves, any thread.
//!
//! The rules are those of `ap_getword_conf`:
//! <https://ci.apache.org/projects/httpd/trunk/doxygen/group__APACHE__CORE__DAEMON.html>

use super::error::Error;

/// One `name=value` of a directive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assignment {
    /// What stands before the first `=`.
    pub name: Vec<u8>,
    /// The word after it, without its quotes.
    pub value: Vec<u8>,
}

/// The words of one directive, taken from the front.
#[derive(Debug, Clone)]
pub struct Words<'a> {
    rest: &'a [u8],
}

/// All words of a text.
pub fn all(text: &[u8]) -> Vec<Vec<u8>> {
    let mut words = Words::new(text);
    std::iter::from_fn(|| words.word()).collect()
}

impl<'a> Words<'a> {
    /// Starts at the beginning of a directive's argument text.
    pub fn new(text: &'a [u8]) -> Self {
        Self { rest: skip_blanks(text) }
    }

    /// Takes the next word; `None` at the end of the text. A word can be empty (`""`).
    pub fn word(&mut self) -> Option<Vec<u8>> {
        self.rest = skip_blanks(self.rest);
        let first = *self.rest.first()?;
        let word = if first == b'"' || first == b'\'' {
            self.rest = self.rest.get(1..).unwrap_or_default();
            self.quoted(first)
        } else {
            let (word, rest) = split_at_first(self.rest, is_blank);
            self.rest = rest;
            unescape(word)
        };
        self.rest = skip_blanks(self.rest);
        Some(word)
    }

    /// Takes the next word as an argument that must be there and not be empty.
    ///
    /// # Errors
    /// [`Error::MissingArgument`], naming `what` is missing.
    pub fn argument(
        &mut self,
        directive: &'static str,
        what: &'static str,
    ) -> Result<Vec<u8>, Error> {
        self.word()
            .filter(|word| !word.is_empty())
            .ok_or(Error::MissingArgument { directive, what })
    }

    /// Takes the next `name=value`; `None` at the end of the text. A blank after the `=` gives an
    /// empty value.
    ///
    /// # Errors
    /// [`Error::NotAnOption`] with the word that has no `=`, or nothing before it.
    pub fn option(&mut self, directive: &'static str) -> Result<Option<Assignment>, Error> {
        self.rest = skip_blanks(self.rest);
        if self.rest.is_empty() {
            return Ok(None);
        }
        let (name, rest) = split_at_first(self.rest, |byte| byte == b'=' || is_blank(byte));
        let value = match rest.split_first() {
            Some((b'=', value)) if !name.is_empty() => value,
            _ => {
                return Err(Error::NotAnOption {
                    directive,
                    word: self.word().unwrap_or_default(),
                });
            }
        };
        self.rest = value;
        let value = match value.first() {
            Some(byte) if !is_blank(*byte) => self.word().unwrap_or_default(),
            _ => Vec::new(),
        };
        Ok(Some(Assignment { name: name.to_vec(), value }))
    }

    fn quoted(&mut self, quote: u8) -> Vec<u8> {
        let mut word = Vec::new();
        loop {
            match self.rest {
                [b'\\', byte, rest @ ..] if *byte == quote || *byte == b'\\' => {
                    word.push(*byte);
                    self.rest = rest;
                }
                [byte, rest @ ..] => {
                    self.rest = rest;
                    if *byte == quote {
                        return word;
                    }
                    word.push(*byte);
                }
                [] => return word,
            }
        }
    }
}

/// Whether httpd sees a blank in this byte.
fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | 0x0b | 0x0c | b'\r')
}

fn skip_blanks(text: &[u8]) -> &[u8] {
    split_at_first(text, |byte| !is_blank(byte)).1
}

fn split_at_first(text: &[u8], stop: impl Fn(u8) -> bool) -> (&[u8], &[u8]) {
    let end = text.iter().position(|byte| stop(*byte)).unwrap_or(text.len());
    text.split_at_checked(end).unwrap_or((text, &[]))
}

/// Outside of quotes a backslash only takes another backslash literally.
fn unescape(mut word: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(word.len());
    loop {
        word = match word {
            [b'\\', b'\\', rest @ ..] => {
                out.push(b'\\');
                rest
            }
            [byte, rest @ ..] => {
                out.push(*byte);
                rest
            }
            [] => return out,
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn option(text: &[u8]) -> Result<Option<Assignment>, Error> {
        Words::new(text).option("WSGITest")
    }

    #[test]
    fn blanks_separate_words_and_are_dropped_at_both_ends() {
        assert_eq!(all(b" \t/a  /b\n"), [b"/a".to_vec(), b"/b".to_vec()]);
        assert!(all(b" \r\n ").is_empty());
    }

    #[test]
    fn both_quotes_keep_blanks_and_the_other_quote() {
        assert_eq!(all(br#""a 'b" 'c "d'"#), [b"a 'b".to_vec(), b"c \"d".to_vec()]);
        assert_eq!(all(br#""""#), [b"".to_vec()]);
    }

    #[test]
    fn a_backslash_takes_the_quote_and_itself_literally_and_nothing_else() {
        assert_eq!(all(br#""a\"b\\c\n""#), [br#"a"b\c\n"#.to_vec()]);
        assert_eq!(all(br"a\\b\c\ d"), [br"a\b\c\".to_vec(), b"d".to_vec()]);
    }

    #[test]
    fn an_open_quote_ends_with_the_text_as_in_httpd() {
        assert_eq!(all(b"'a b"), [b"a b".to_vec()]);
    }

    #[test]
    fn a_quote_inside_a_word_is_a_byte_of_it() {
        assert_eq!(all(b"a'b c'"), [b"a'b".to_vec(), b"c'".to_vec()]);
    }

    #[test]
    fn an_options_value_may_be_quoted_after_the_equals_sign() {
        let given = option(br#"display-name="my app" x=1"#).unwrap().unwrap();
        assert_eq!(
            (given.name.as_slice(), given.value.as_slice()),
            (&b"display-name"[..], &b"my app"[..])
        );
    }

    #[test]
    fn a_value_keeps_its_own_equals_signs() {
        assert_eq!(option(b"a=b=c").unwrap().unwrap().value, b"b=c");
    }

    #[test]
    fn a_blank_after_the_equals_sign_gives_an_empty_value_not_the_next_word() {
        let mut words = Words::new(b"a= b=1");
        assert_eq!(words.option("D").unwrap().unwrap().value, b"");
        assert_eq!(words.option("D").unwrap().unwrap().name, b"b");
        assert_eq!(words.option("D").unwrap(), None);
    }

    #[test]
    fn a_word_without_name_or_equals_sign_is_told() {
        for (text, word) in [(&b"user"[..], &b"user"[..]), (b"=x y", b"=x"), (b"a =b", b"a")] {
            let error = option(text).unwrap_err();
            assert_eq!(error, Error::NotAnOption { directive: "WSGITest", word: word.to_vec() });
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_to_the_end(text: Vec<u8>) {
            let mut words = Words::new(&text);
            let count = std::iter::from_fn(|| words.word()).count();
            prop_assert!(count <= text.len());
            let mut words = Words::new(&text);
            for _ in 0..=text.len() {
                let _ = words.option("D");
            }
            prop_assert_eq!(words.option("D"), Ok(None));
        }
    }
}
