//! What the environs of an interpreter look like, learned from a request.
//!
//! Most requests have the same variables in the same order, and many of the same values. So an environ is a copy
//! of the template's dict, in which only what is different is set: pairs are compared with the template's in order, and
//! a pair that is the same costs no Python object. What the template has and the request has not is taken out again.
//!
//! A template never changes. When requests have come to look different another one is learned; whoever uses the old
//! one last lets go of its objects. Everything runs with the GIL.

use std::sync::Arc;

use smallvec::SmallVec;

use crate::python::{Gil, Kept};

/// What a pair is to an environ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Meaning {
    /// A variable under its own name.
    Variable,
    /// It decides `wsgi.url_scheme`.
    Scheme,
    /// A time that the server sends along: by its place among those there are.
    Time(usize),
    /// It is not shown.
    Nothing,
}

/// A pair of the request that was learned from.
pub(crate) struct Slot {
    pub(crate) name: Box<[u8]>,
    pub(crate) meaning: Meaning,
    /// Its key in environ, if it has one.
    pub(crate) key: Option<Kept>,
    /// The bytes whose value is in the dict; `None`: the value there is of no use.
    pub(crate) value: Option<Box<[u8]>>,
}

/// A dict to copy, and what it was made of.
pub(crate) struct Template {
    pub(crate) environ: Kept,
    pub(crate) slots: Vec<Slot>,
}

/// How many slots are looked at for a name: variables come in nearly the same order.
const WINDOW: usize = 16;

impl Template {
    /// Lets go of a use; of everything, if it is the last one.
    pub(crate) fn release(self: Arc<Self>, py: Gil<'_>) {
        let Some(template) = Arc::into_inner(self) else { return };
        template.environ.release(py);
        template.slots.into_iter().filter_map(|slot| slot.key).for_each(|key| key.release(py));
    }

    /// To compare the pairs of a request with.
    pub(crate) fn comparison<'t>(&'t self) -> Comparison<'t, 't> {
        Comparison { slots: &self.slots, at: 0, skipped: SmallVec::new(), others: SmallVec::new() }
    }
}

/// The comparison of one request's pairs with a template.
pub(crate) struct Comparison<'t, 'r> {
    slots: &'t [Slot],
    /// The next slot.
    at: usize,
    /// Slots that were passed over.
    skipped: SmallVec<[usize; 16]>,
    /// Names that were not found where they were looked for.
    others: SmallVec<[&'r [u8]; 16]>,
}

impl<'t, 'r> Comparison<'t, 'r> {
    /// The slot of the next pair, and whether the copy has its value already.
    pub(crate) fn next(&mut self, name: &'r [u8], value: &[u8]) -> Option<(&'t Slot, bool)> {
        let slot = match self.slots.get(self.at) {
            Some(slot) if *slot.name == *name => {
                self.at += 1;
                slot
            }
            _ => self.seek(name)?,
        };
        // If the name came before, the copy has the value it had then.
        let same = slot.value.as_deref() == Some(value)
            && (self.others.is_empty() || !self.others.contains(&name));
        Some((slot, same))
    }

    /// The slot of a pair that is not in its place.
    #[cold]
    fn seek(&mut self, name: &'r [u8]) -> Option<&'t Slot> {
        let rest = self.slots.get(self.at..).unwrap_or_default();
        let found = rest.iter().take(WINDOW).position(|slot| *slot.name == *name);
        let Some((step, slot)) = found.and_then(|step| Some((step, rest.get(step)?))) else {
            self.others.push(name);
            return None;
        };
        self.skipped.extend(self.at..self.at + step);
        self.at += step + 1;
        Some(slot)
    }

    /// The slots the request had no pair for.
    pub(crate) fn absent(&self) -> impl Iterator<Item = &'t Slot> {
        let skipped = self.skipped.iter().copied().chain(self.at..self.slots.len());
        skipped
            .filter_map(|at| self.slots.get(at))
            .filter(|slot| !self.others.contains(&&*slot.name))
    }

    /// How many pairs are not where the template has them.
    pub(crate) fn misfits(&self) -> usize {
        self.others.len() + self.skipped.len() + self.slots.len().saturating_sub(self.at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slots(pairs: &[(&str, &str)]) -> Vec<Slot> {
        let slot = |(name, value): &(&str, &str)| Slot {
            name: name.as_bytes().into(),
            meaning: Meaning::Variable,
            key: None,
            value: Some(value.as_bytes().into()),
        };
        pairs.iter().map(slot).collect()
    }

    /// What is to be set, and what is to be taken out.
    fn compare<'a>(
        slots: &'a [Slot],
        pairs: &[(&'a str, &'a str)],
    ) -> (Vec<(&'a str, &'a str)>, Vec<&'a str>) {
        let mut comparison =
            Comparison { slots, at: 0, skipped: SmallVec::new(), others: SmallVec::new() };
        let mut set = Vec::new();
        for (name, value) in pairs {
            match comparison.next(name.as_bytes(), value.as_bytes()) {
                Some((_, true)) => {}
                _ => set.push((*name, *value)),
            }
        }
        let text = |slot: &'a Slot| std::str::from_utf8(&slot.name).unwrap();
        (set, comparison.absent().map(text).collect())
    }

    #[test]
    fn only_what_is_different_is_set() {
        let slots = slots(&[("A", "1"), ("B", "2"), ("C", "3")]);
        assert_eq!(compare(&slots, &[("A", "1"), ("B", "2"), ("C", "3")]), (vec![], vec![]));
        assert_eq!(
            compare(&slots, &[("A", "1"), ("B", "x"), ("C", "3")]),
            (vec![("B", "x")], vec![])
        );
    }

    #[test]
    fn what_a_request_does_not_have_is_taken_out() {
        let slots = slots(&[("A", "1"), ("B", "2"), ("C", "3")]);
        assert_eq!(compare(&slots, &[("A", "1"), ("C", "3")]), (vec![], vec!["B"]));
        assert_eq!(compare(&slots, &[("A", "1")]), (vec![], vec!["B", "C"]));
        assert_eq!(compare(&slots, &[]), (vec![], vec!["A", "B", "C"]));
    }

    #[test]
    fn pairs_in_another_order_are_set_and_kept() {
        let slots = slots(&[("A", "1"), ("B", "2"), ("C", "3")]);
        let (set, absent) = compare(&slots, &[("C", "3"), ("A", "1"), ("B", "2")]);
        assert_eq!((set, absent), (vec![("A", "1"), ("B", "2")], vec![]));
    }

    #[test]
    fn the_last_pair_of_a_name_counts() {
        let slots = slots(&[("A", "1"), ("B", "2")]);
        assert_eq!(
            compare(&slots, &[("A", "1"), ("B", "2"), ("A", "9")]),
            (vec![("A", "9")], vec![])
        );
        // Beyond the window, so that it is set before its slot is reached.
        let mut many: Vec<(String, String)> =
            (0..WINDOW).map(|at| (format!("X{at}"), String::new())).collect();
        many.push(("A".into(), "1".into()));
        let many: Vec<(&str, &str)> = many.iter().map(|(a, b)| (a.as_str(), b.as_str())).collect();
        let slots = self::slots(&many);
        let mut pairs = vec![("A", "9")];
        pairs.extend(&many);
        assert_eq!(compare(&slots, &pairs), (vec![("A", "9"), ("A", "1")], vec![]));
    }
}
