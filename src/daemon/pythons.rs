//! The Pythons of process groups: each interpreter is asked once what it is, for all groups that have it and its user.
//!
//! While httpd restarts nobody accepts connections, and an answer takes some hundredths of a second: too long to be asked for
//! each of a hundred groups. Nothing is kept for the next configuration: Python may have been replaced. Runs in httpd's parent.

use crate::config::DaemonGroup;
use crate::python::{self, Interpreter};
use daemon_abi::privileges::Identity;
use std::path::PathBuf;

/// An interpreter and its engine, or why there is none.
type Answer = Result<(Interpreter, PathBuf), String>;

/// Those that were asked for one configuration.
#[derive(Debug, Default)]
pub struct Pythons(Vec<(Question, Answer)>);

/// Where an interpreter is, and who runs it.
#[derive(Debug, PartialEq, Eq)]
struct Question {
    home: Option<Vec<u8>>,
    root: Option<Vec<u8>>,
    identity: Identity,
}

impl Pythons {
    /// The interpreter of a group, whose `home` is the one given if it names none itself.
    pub fn of(
        &mut self,
        group: &DaemonGroup,
        home: Option<&Vec<u8>>,
        identity: &Identity,
    ) -> Answer {
        let question = Question {
            home: group.python_home.as_ref().or(home).cloned(),
            root: group.chroot.clone(),
            identity: identity.clone(),
        };
        if let Some((_, answer)) = self.0.iter().find(|(asked, _)| *asked == question) {
            return answer.clone();
        }
        let (home, root) = (question.home.as_deref(), question.root.as_deref());
        let answer = python::with_engine(home, root, identity);
        self.0.push((question, answer.clone()));
        answer
    }
}
