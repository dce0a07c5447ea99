//! Says the same thing about the same peer once a minute: whoever is refused comes again within seconds.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How long the same is not said again.
const QUIET: Duration = Duration::from_secs(60);

/// Peers remembered; beyond it all are forgotten, and complained of anew.
const REMEMBERED_MAX: usize = 1024;

/// What was said of whom lately.
#[derive(Debug, Default)]
pub struct Complaints(Mutex<BTreeMap<String, (String, Instant)>>);

impl Complaints {
    /// Of nobody yet.
    pub const fn new() -> Self {
        Self(Mutex::new(BTreeMap::new()))
    }

    /// Whether this is to be said now.
    pub fn worth_saying(&self, who: &str, what: &str) -> bool {
        let mut said = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if said.get(who).is_some_and(|(last, at)| last == what && at.elapsed() < QUIET) {
            return false;
        }
        if said.len() >= REMEMBERED_MAX {
            said.clear();
        }
        said.insert(who.to_owned(), (what.to_owned(), Instant::now()));
        true
    }

    /// All is well with it.
    pub fn forget(&self, who: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(who);
    }
}

#[cfg(test)]
mod tests {
    use super::{Complaints, REMEMBERED_MAX};

    #[test]
    fn the_same_is_said_once_and_something_else_at_once() {
        let complaints = Complaints::new();
        let said = ["a", "a", "b", "a"].map(|what| complaints.worth_saying("east", what));
        assert_eq!(said, [true, false, true, true]);
        assert!(complaints.worth_saying("west", "a"));
        complaints.forget("east");
        assert!(complaints.worth_saying("east", "a"));
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let complaints = Complaints::new();
        for who in 0..REMEMBERED_MAX * 3 {
            assert!(complaints.worth_saying(&who.to_string(), "a"));
        }
        assert!(complaints.0.lock().unwrap().len() <= REMEMBERED_MAX);
    }
}
