//! What is said of the GIL and the Pythons here cannot do.
//!
//! Needs to know the Pythons, which the other checks do not ask for. Pure; tells each line once.

use super::finding::{Fault, Finding};
use super::interpreter_options::Switch;
use super::origin::Origin;
use super::python_options::PythonOptions;

/// A Python of the server.
#[derive(Debug, Clone)]
pub struct Used {
    /// The process group, empty for embedded mode.
    pub process_group: Vec<u8>,
    /// Where that, or `WSGIPythonHome`, was written.
    pub origin: Origin,
    /// For example 3.13.
    pub version: (u32, u32),
    /// Whether it can do without the GIL.
    pub free_threaded: bool,
}

impl Used {
    /// For example `3.14t`.
    fn version(&self) -> String {
        let (major, minor) = self.version;
        format!("{major}.{minor}{}", if self.free_threaded { "t" } else { "" })
    }
}

/// Looks at what is said.
pub fn check_gil(options: &PythonOptions, pythons: &[Used]) -> Vec<Finding> {
    let has_none = |used: &Used| used.free_threaded && options.free_threading(&used.process_group);
    let can_own = |used: &Used| used.version >= (3, 13) && !has_none(used);
    let can_do_without = |used: &Used| used.free_threaded;
    let everybody = |_: &Used| true;
    let base = &options.interpreter;
    let mut found = Vec::new();
    let mut look = |own: &Option<Switch>, free: &Option<Switch>, covers: &dyn Fn(&Used) -> bool| {
        let covered = || pythons.iter().filter(|used| covers(used));
        found.extend(useless(own, covered(), can_own, |pythons| Fault::NoOwnGil { pythons }));
        found.extend(useless(free, covered(), can_do_without, |pythons| Fault::NotFreeThreaded {
            pythons,
        }));
    };
    look(&base.own_gil, &base.free_threading, &everybody);
    for section in &options.sections {
        let free = section.options.free_threading.clone();
        // What is said for single interpreters is told anyway.
        let free = free.filter(|_| section.application_group.is_none());
        look(&section.options.own_gil, &free, &|used| {
            section.is_for_process_group(&used.process_group)
        });
    }
    for used in pythons.iter().filter(|used| used.free_threaded && !has_none(used)) {
        let group = Some(used.process_group.clone()).filter(|group| !group.is_empty());
        let fault = Fault::GilIsOn { group, version: used.version() };
        found.push(Finding { origin: used.origin.clone(), fault });
    }
    found
}

/// What is wrong with a switch that is On, if none of the Pythons it holds for can follow it.
fn useless<'a>(
    switch: &Option<Switch>,
    covered: impl Iterator<Item = &'a Used>,
    can: impl Fn(&Used) -> bool,
    fault: impl FnOnce(String) -> Fault,
) -> Option<Finding> {
    let switch = switch.as_ref().filter(|switch| switch.on)?;
    let covered: Vec<_> = covered.collect();
    if covered.is_empty() || covered.iter().any(|used| can(used)) {
        return None;
    }
    let shown: Vec<_> = covered
        .iter()
        .map(|used| match used.process_group.as_slice() {
            b"" => format!("embedded mode (Python {})", used.version()),
            name => {
                let name = String::from_utf8_lossy(name);
                format!("process group '{name}' (Python {})", used.version())
            }
        })
        .collect();
    Some(Finding { origin: switch.origin.clone(), fault: fault(shown.join(", ")) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::interpreter_options::InterpreterSection;

    fn used(group: &str, minor: u32, free_threaded: bool) -> Used {
        Used {
            process_group: group.as_bytes().to_vec(),
            origin: Origin::new("c", 1),
            version: (3, minor),
            free_threaded,
        }
    }

    fn switch(on: bool, line: u32) -> Option<Switch> {
        Some(Switch { on, origin: Origin::new("c", line) })
    }

    fn told(options: &PythonOptions, pythons: &[Used]) -> Vec<String> {
        check_gil(options, pythons).iter().map(ToString::to_string).collect()
    }

    fn with(own_gil: Option<Switch>, free_threading: Option<Switch>) -> PythonOptions {
        let mut options = PythonOptions::default();
        options.interpreter.own_gil = own_gil;
        options.interpreter.free_threading = free_threading;
        options
    }

    #[test]
    fn a_line_that_one_python_can_follow_is_not_told() {
        let pythons = [used("old", 11, false), used("new", 13, false), used("free", 14, true)];
        assert!(told(&with(switch(true, 5), switch(true, 6)), &pythons).is_empty());
        assert!(told(&with(switch(false, 5), switch(false, 6)), &pythons[..2]).is_empty());
        assert!(told(&with(switch(true, 5), switch(true, 6)), &[]).is_empty());
    }

    #[test]
    fn a_line_that_no_python_can_follow_is_told_with_all_of_them() {
        let pythons = [used("", 11, false), used("a", 12, false)];
        let told = told(&with(switch(true, 5), switch(true, 6)), &pythons);
        let who = "it holds for embedded mode (Python 3.11), process group 'a' (Python 3.12)";
        assert_eq!(told.len(), 2);
        assert!(told[0].starts_with("WRS1072: c:5: warning: WSGIPerInterpreterGIL has no effect"));
        assert!(told[1].starts_with("WRS1073: c:6: warning: WSGIFreeThreading has no effect"));
        assert!(told.iter().all(|line| line.ends_with(who)), "{told:?}");
    }

    #[test]
    fn without_the_gil_nobody_has_one_of_its_own() {
        let told = told(&with(switch(true, 5), switch(true, 6)), &[used("free", 14, true)]);
        assert!(told[0].starts_with("WRS1072: c:5: ") && told.len() == 1, "{told:?}");
    }

    #[test]
    fn a_section_is_told_for_the_process_groups_it_is_for() {
        let mut options = PythonOptions::default();
        let text = b"process-group=old>";
        let mut section = InterpreterSection::parse(text, Origin::new("c", 2)).unwrap();
        section.options.own_gil = switch(true, 3);
        options.sections.push(section);
        let told = told(&options, &[used("old", 10, false), used("new", 14, false)]);
        assert_eq!(told.len(), 1);
        assert!(told[0].ends_with("it holds for process group 'old' (Python 3.10)"), "{told:?}");
    }

    #[test]
    fn a_gil_that_need_not_be_is_noted() {
        let told = told(&PythonOptions::default(), &[used("free", 14, true)]);
        assert!(
            told[0].starts_with("WRS1075: c:1: note: WSGIDaemonProcess free: Python 3.14t can do"),
            "{told:?}"
        );
        assert!(self::told(&with(None, switch(true, 2)), &[used("free", 14, true)]).is_empty());
    }
}
