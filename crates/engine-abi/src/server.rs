//! What httpd's scoreboard says of its children, and the bytes in which the module hands it to an engine.
//!
//! The module writes it, in whatever process of httpd; the engine reads it, there or in a daemon process. Numbers are eight
//! bytes, the lowest first; texts have their length before them. Times are microseconds since 1970, 0: never.

/// A scoreboard at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Server {
    /// How many children there can be.
    pub server_limit: u64,
    /// How many threads a child can have.
    pub thread_limit: u64,
    /// How often the configuration was replaced.
    pub running_generation: u64,
    /// When it was replaced the last time, or httpd started.
    pub restart_time: u64,
    /// When this was looked at.
    pub current_time: u64,
    /// The places of children, empty ones too.
    pub processes: Vec<Process>,
}

/// The place of a child.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Process {
    /// The child; 0: none.
    pub pid: u64,
    /// Of which configuration it is.
    pub generation: u64,
    /// It ends when its requests have ended: 1, otherwise 0.
    pub quiescing: u64,
    /// The places of its threads.
    pub workers: Vec<Worker>,
}

/// The place of a thread.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Worker {
    /// Of which configuration it is.
    pub generation: u64,
    /// What it does, as the letter that mod_status shows.
    pub status: u64,
    /// Requests it has answered.
    pub access_count: u64,
    /// Bytes it has sent.
    pub bytes_served: u64,
    /// When its last request began.
    pub start_time: u64,
    /// When its last request ended.
    pub stop_time: u64,
    /// When it did something the last time.
    pub last_used: u64,
    /// Whose request it is or was.
    pub client: Vec<u8>,
    /// The request line.
    pub request: Vec<u8>,
    /// The virtual host.
    pub vhost: Vec<u8>,
}

/// What is left to read.
struct Rest<'a>(&'a [u8]);

impl<'a> Rest<'a> {
    fn number(&mut self) -> Option<u64> {
        let (number, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(u64::from_le_bytes(*number))
    }

    fn text(&mut self) -> Option<Vec<u8>> {
        let length = usize::try_from(self.number()?).ok()?;
        let (text, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(text.to_vec())
    }

    fn list<T>(&mut self, item: impl Fn(&mut Self) -> Option<T>) -> Option<Vec<T>> {
        let length = self.number()?;
        // Grows as items come: the number alone reserves nothing.
        (0..length).map(|_| item(self)).collect()
    }
}

fn push(out: &mut Vec<u8>, number: u64) {
    out.extend_from_slice(&number.to_le_bytes());
}

fn length(out: &mut Vec<u8>, length: usize) {
    push(out, length as u64);
}

/// The fields of a structure in their order, so that writing and reading cannot drift apart.
macro_rules! fields {
    ($type:ident: $($number:ident)*; $($text:ident)*; $($list:ident: $item:ident)?) => {
        impl $type {
            fn write(&self, out: &mut Vec<u8>) {
                $(push(out, self.$number);)*
                $(length(out, self.$text.len()); out.extend_from_slice(&self.$text);)*
                $(length(out, self.$list.len()); self.$list.iter().for_each(|item| item.write(out));)?
            }

            fn read(rest: &mut Rest<'_>) -> Option<Self> {
                Some(Self {
                    $($number: rest.number()?,)*
                    $($text: rest.text()?,)*
                    $($list: rest.list($item::read)?,)?
                })
            }
        }
    };
}

fields! { Server: server_limit thread_limit running_generation restart_time current_time;; processes: Process }
fields! { Process: pid generation quiescing;; workers: Worker }
fields! { Worker: generation status access_count bytes_served start_time stop_time last_used; client request vhost; }

impl Server {
    /// As bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        self.write(&mut out);
        out
    }

    /// From bytes; `None`: they are not whole.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let mut rest = Rest(bytes);
        Self::read(&mut rest).filter(|_| rest.0.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server() -> Server {
        let worker = Worker {
            generation: 3,
            status: u64::from(b'W'),
            access_count: 7,
            bytes_served: u64::MAX,
            start_time: 1,
            stop_time: 2,
            last_used: 3,
            client: b"127.0.0.1".to_vec(),
            request: b"GET /caf\xe9 HTTP/1.1".to_vec(),
            vhost: Vec::new(),
        };
        let process = Process {
            pid: 99,
            generation: 3,
            quiescing: 1,
            workers: vec![worker, Worker::default()],
        };
        Server {
            server_limit: 2,
            thread_limit: 2,
            running_generation: 3,
            restart_time: 4,
            current_time: 5,
            processes: vec![process, Process::default()],
        }
    }

    #[test]
    fn a_scoreboard_comes_back_as_it_was() {
        assert_eq!(Server::decode(&server().encode()), Some(server()));
    }

    #[test]
    fn what_is_cut_or_too_long_is_none() {
        let bytes = server().encode();
        for end in 0..bytes.len() {
            assert_eq!(Server::decode(&bytes[..end]), None, "{end}");
        }
        assert_eq!(Server::decode(&[bytes, vec![0]].concat()), None);
        assert_eq!(Server::decode(&[0xff; 200]), None);
    }
}
