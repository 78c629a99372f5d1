//! What Python's garbage collectors do, for telemetry: each collection, and what they count.
//!
//! Told by a function of `support.py` that each interpreter calls after a collection, with the GIL; sent by the reporter,
//! which never takes it. The lock is held for moments.
//! See <https://docs.python.org/3/library/gc.html#gc.callbacks>.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use pyo3_ffi as ffi;

use crate::boundary::python_fn;
use crate::class::{Table, method_one_argument};
use crate::python::{Gil, Owned, Result};
use crate::request::lock;
use crate::telemetry::record::{Kind, Record};

/// What is known of the interpreters of this process.
pub(crate) static GARBAGE: Garbage =
    Garbage { wanted: AtomicBool::new(false), told: Mutex::new(Told::NOTHING) };

/// How many collections wait for the reporter; what is beyond is counted only.
const WAITING: usize = 256;

/// How many numbers the state of a collector has.
const NUMBERS: usize = 17;

pub(crate) struct Garbage {
    wanted: AtomicBool,
    told: Mutex<Told>,
}

struct Told {
    collections: VecDeque<Record>,
    dropped: u64,
    /// The last known state of the collector of each interpreter.
    states: BTreeMap<Vec<u8>, [u64; NUMBERS]>,
}

impl Told {
    const NOTHING: Self =
        Self { collections: VecDeque::new(), dropped: 0, states: BTreeMap::new() };

    /// Takes what an interpreter tells: `c` and a collection, or `s` and a state, then the interpreter's name.
    fn hear(&mut self, text: &[u8], wanted: bool) -> Option<()> {
        match text.split_first()? {
            (b'c', rest) if wanted => {
                let (numbers, name) = rest.split_first_chunk::<40>()?;
                let mut record = Record::default();
                let mut words = numbers.chunks_exact(8).map_while(word);
                record.float(320, f64::from_bits(words.next()?));
                record.float(321, f64::from_bits(words.next()?));
                for (id, number) in (322..).zip(words) {
                    record.int(id, number);
                }
                record.text(8, name, 256);
                if self.collections.len() < WAITING {
                    self.collections.push_back(record);
                } else {
                    self.dropped += 1;
                }
            }
            (b's', rest) => {
                let (numbers, name) = rest.split_first_chunk::<{ NUMBERS * 8 }>()?;
                let state = self.states.entry(name.to_vec()).or_default();
                for (place, number) in state.iter_mut().zip(numbers.chunks_exact(8).map_while(word))
                {
                    *place = number;
                }
            }
            _ => {}
        }
        Some(())
    }
}

/// Eight bytes as a number.
fn word(bytes: &[u8]) -> Option<u64> {
    Some(u64::from_le_bytes(bytes.try_into().ok()?))
}

impl Garbage {
    /// From now on collections are of interest.
    pub(crate) fn start(&self) {
        self.wanted.store(true, Relaxed);
    }

    /// What is to be told now.
    pub(crate) fn take_records(&self) -> Vec<(Kind, Record)> {
        let mut told = lock(&self.told);
        let mut records = Vec::new();
        for (name, state) in &told.states {
            let mut record = Record::default();
            for (id, number) in (300..).zip(state) {
                record.int(id, *number);
            }
            record.int(317, told.dropped);
            record.text(8, name, 256);
            records.push((Kind::CollectorState, record));
        }
        records.extend(told.collections.drain(..).map(|record| (Kind::Collection, record)));
        records
    }
}

/// The Python function by which an interpreter tells.
pub(crate) fn hearing(py: Gil<'_>) -> Result<Owned<'_>> {
    let [definition, _] = &FUNCTIONS.0;
    let definition = std::ptr::from_ref(definition).cast_mut();
    let none = std::ptr::null_mut();
    // SAFETY: the GIL is held; a static definition; a new reference or null.
    unsafe { Owned::new(py, ffi::PyCFunction_NewEx(definition, none, none)) }
}

python_fn! {
    fn hear(
        py,
        _module: *mut ffi::PyObject,
        text: *mut ffi::PyObject,
    ) -> *mut ffi::PyObject {
        // SAFETY: the GIL is held; Python lends its argument for the call.
        let text = unsafe { Owned::borrowed(py, text)? };
        if let Some(text) = text.as_bytes() {
            let _ = lock(&GARBAGE.told).hear(text, GARBAGE.wanted.load(Relaxed));
        }
        Ok(py.none().into_ptr())
    }
}

static FUNCTIONS: Table<[ffi::PyMethodDef; 2]> = Table([
    method_one_argument(c"garbage", hear, c"Tells telemetry of the garbage collector."),
    ffi::PyMethodDef::zeroed(),
]);

#[cfg(test)]
mod tests {
    use super::*;

    fn packed(kind: u8, numbers: &[u64], name: &[u8]) -> Vec<u8> {
        let mut text = vec![kind];
        text.extend(numbers.iter().flat_map(|number| number.to_le_bytes()));
        text.extend(name);
        text
    }

    #[test]
    fn collections_wait_up_to_a_limit_and_only_if_somebody_wants_them() {
        let mut told = Told::NOTHING;
        let text = packed(b'c', &[1.5_f64.to_bits(), 0, 2, 3, 4], b"name");
        assert!(told.hear(&text, false).is_some());
        assert!(told.collections.is_empty());
        for _ in 0..WAITING + 2 {
            told.hear(&text, true);
        }
        assert_eq!((told.collections.len(), told.dropped), (WAITING, 2));
    }

    #[test]
    fn the_last_state_of_each_interpreter_is_kept() {
        let mut told = Told::NOTHING;
        told.hear(&packed(b's', &[1; NUMBERS], b""), true);
        told.hear(&packed(b's', &[2; NUMBERS], b"x"), true);
        told.hear(&packed(b's', &[3; NUMBERS], b""), true);
        assert_eq!(told.states.values().collect::<Vec<_>>(), [&[3; NUMBERS], &[2; NUMBERS]]);
    }

    #[test]
    fn what_is_cut_off_is_nothing() {
        let mut told = Told::NOTHING;
        for text in [&b""[..], b"c", b"s123", b"x"] {
            let _ = told.hear(text, true);
        }
        assert!(told.collections.is_empty() && told.states.is_empty());
    }
}
