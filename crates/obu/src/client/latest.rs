//! The latest value of every signal, for a snapshot of them.

use crate::spool::{RECORD_BYTES_MAX, message_bytes};
use std::collections::BTreeMap;
use waygate_core::limits::{RECORD_SIGNALS_MAX, SIGNALS_MAX};
use waygate_core::record::{Fix, Record, SignalPath, SignalValue};
use waygate_core::time::Wall;

/// What records have said last. Signals beyond [`SIGNALS_MAX`] are not kept: VSS names about 1400.
#[derive(Debug, Default)]
pub(super) struct Latest {
    fix: Option<Fix>,
    signals: BTreeMap<SignalPath, SignalValue>,
}

impl Latest {
    /// Takes over what a record says.
    pub(super) fn note(&mut self, record: &Record) {
        self.fix = record.fix.or(self.fix);
        for (path, value) in &record.signals {
            if let Some(known) = self.signals.get_mut(path) {
                known.clone_from(value);
            } else if self.signals.len() < SIGNALS_MAX {
                self.signals.insert(path.clone(), value.clone());
            }
        }
    }

    /// A record of the signals that are named, of all if none is: more than one record only if they do not fit into it.
    pub(super) fn snapshot(&self, now: Wall, named: &[SignalPath]) -> Vec<Record> {
        let record = || Record { t: now, fix: self.fix, signals: Vec::new() };
        let mut records = vec![record()];
        let wanted = |path: &SignalPath| named.is_empty() || named.contains(path);
        for (path, value) in self.signals.iter().filter(|(path, _)| wanted(path)) {
            let Some(last) = records.last_mut() else { break };
            last.signals.push((path.clone(), value.clone()));
            let full = last.signals.len() > RECORD_SIGNALS_MAX || message_bytes(last) > RECORD_BYTES_MAX;
            if full && last.signals.len() > 1 {
                let over = last.signals.pop();
                records.push(Record { signals: over.into_iter().collect(), ..record() });
            }
        }
        records
    }
}

#[cfg(test)]
#[path = "latest_tests.rs"]
mod tests;
