//! Copies of logs that are read anew, from a snapshot, beside those that are held: no vehicle vanishes meanwhile.

use crate::id::VehicleId;
use crate::log::{Gap, Log, LogId, Suffix};
use crate::time::Mono;
use crate::view::View;
use std::collections::BTreeMap;

/// The copies of one stream, each with the sequence number at which it is whole.
#[derive(Clone, Debug, Default)]
pub(super) struct Shadows(BTreeMap<LogId, (Log, u64)>);

impl Shadows {
    /// Whether a log is being read anew.
    pub fn has(&self, id: &LogId) -> bool {
        self.0.contains_key(id)
    }

    /// A snapshot begins.
    pub fn begin(&mut self, id: &LogId, end: u64, view: &mut View) {
        self.give_up(id, view);
        self.0.insert(id.clone(), (Log::new(id.clone()), end));
        self.drop_overtaken(view);
    }

    /// Takes the next piece of a snapshot, or gives it back if none is under way. Returns the vehicles that changed.
    pub fn take(
        &mut self,
        now: Mono,
        id: &LogId,
        suffix: Suffix,
        view: &mut View,
    ) -> Result<Result<Vec<VehicleId>, Gap>, Suffix> {
        let Some((mut shadow, end)) = self.0.remove(id) else { return Err(suffix) };
        let was = shadow.head();
        Ok(match shadow.apply(now, suffix) {
            // Swapped in when it is whole.
            Ok(_) if shadow.head() >= end => {
                // The snapshot came without the tombstones that were gone at the sender: not to be passed on as whole.
                shadow.raise_floor(shadow.head());
                Ok(view.replace(shadow))
            }
            Ok(_) => {
                view.note_rebuilding(id, was, shadow.head());
                self.0.insert(id.clone(), (shadow, end));
                Ok(Vec::new())
            }
            Err(gap) => {
                view.note_rebuilding(id, was, 0);
                Err(gap)
            }
        })
    }

    /// Gives up all copies that are not whole: the stream has ended.
    pub fn abandon(&mut self, view: &mut View) {
        for id in Vec::from_iter(self.0.keys().cloned()) {
            self.give_up(&id, view);
        }
    }

    /// Gives up copies of what came whole in another way. Their sender ends, too, and what follows joins on to that.
    pub fn drop_overtaken(&mut self, view: &mut View) {
        let whole = |id: &LogId, end: u64| view.log(id).is_some_and(|log| log.head() >= end);
        let over = self.0.iter().filter(|(id, (_, end))| whole(id, *end)).map(|(id, _)| id.clone());
        for id in Vec::from_iter(over) {
            self.give_up(&id, view);
        }
    }

    fn give_up(&mut self, id: &LogId, view: &mut View) {
        if let Some((shadow, _)) = self.0.remove(id) {
            view.note_rebuilding(id, shadow.head(), 0);
        }
    }
}
