//! What came of a scenario: its conditions, how long it took to agree, what it cost. One table at the end, or JSON.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::{Value, json};

use crate::report;

/// Something that had to hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Condition {
    pub what: String,
    pub held: bool,
    /// What was seen, with its figures.
    pub saw: String,
}

/// What came of one scenario.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    pub scenario: String,
    pub conditions: Vec<Condition>,
    /// What ended it early.
    pub fault: Option<String>,
    pub took: Duration,
    /// From the end of the disturbance until all views were equal.
    pub converged: Option<Duration>,
    /// What all views had in common at the end.
    pub hash: Option<u64>,
    /// Bytes between gateways, by sender and receiver.
    pub link_bytes: BTreeMap<(String, String), u64>,
    /// The most memory of each gateway, kB.
    pub peak_kb: BTreeMap<String, u64>,
    /// Where its logs are, if they were kept.
    pub folder: Option<PathBuf>,
}

impl Outcome {
    pub fn passed(&self) -> bool {
        self.fault.is_none() && !self.conditions.is_empty() && self.conditions.iter().all(|condition| condition.held)
    }

    fn failures(&self) -> impl Iterator<Item = String> {
        let broken = self.conditions.iter().filter(|condition| !condition.held);
        broken.map(|condition| format!("{}: {}", condition.what, condition.saw)).chain(self.fault.clone())
    }

    /// For machines.
    pub fn json(&self) -> Value {
        let conditions = self.conditions.iter();
        let conditions: Vec<_> = conditions.map(|c| json!({"what": c.what, "held": c.held, "saw": c.saw})).collect();
        let links = self.link_bytes.iter();
        let links: Vec<_> = links.map(|((from, to), n)| json!({"from": from, "to": to, "bytes": n})).collect();
        json!({
            "scenario": self.scenario,
            "passed": self.passed(),
            "conditions": conditions,
            "fault": self.fault,
            "took_s": self.took.as_secs_f64(),
            "converged_s": self.converged.map(|took| took.as_secs_f64()),
            "hash": self.hash.map(|hash| format!("{hash:016x}")),
            "links": links,
            "peak_kb": self.peak_kb,
            "folder": self.folder.as_ref().map(|folder| folder.display().to_string()),
        })
    }

    fn row(&self) -> [String; 7] {
        let (all, most) = (self.link_bytes.values().sum(), self.link_bytes.iter().max_by_key(|(_, bytes)| **bytes));
        let most = most.map(|((from, to), bytes)| format!("{} {from}→{to}", size(*bytes)));
        let held = self.conditions.iter().filter(|condition| condition.held).count();
        [
            self.scenario.clone(),
            if self.passed() { "passed" } else { "FAILED" }.to_owned(),
            format!("{held}/{}", self.conditions.len()),
            self.converged.map(report::seconds).unwrap_or_default(),
            format!("{} ({})", size(all), most.unwrap_or_default()),
            self.peak_kb.values().max().map(|kb| size(kb * 1024)).unwrap_or_default(),
            report::seconds(self.took),
        ]
    }
}

fn size(bytes: u64) -> String {
    match bytes {
        0..10_000 => format!("{bytes} B"),
        10_000..10_000_000 => format!("{} kB", bytes / 1000),
        _ => format!("{} MB", bytes / 1_000_000),
    }
}

/// All of them, a line each, and below them what did not hold and where to look.
pub fn table(outcomes: &[Outcome]) -> String {
    let head = ["scenario", "", "held", "agreed after", "bytes between gateways (most)", "peak memory", "took"];
    let mut rows = vec![head.map(str::to_owned)];
    rows.extend(outcomes.iter().map(Outcome::row));
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or_default();
    let widths: Vec<_> = (0..head.len()).map(width).collect();
    let line = |row: &[String; 7]| {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    let mut lines: Vec<_> = rows.iter().map(line).collect();
    for outcome in outcomes.iter().filter(|outcome| !outcome.passed()) {
        lines.extend(outcome.failures().map(|failure| format!("{}: {failure}", outcome.scenario)));
        let folder = outcome.folder.as_ref().map(|folder| folder.display().to_string()).unwrap_or_default();
        lines.push(format!("{}: the gateways' logs are in {folder}", outcome.scenario));
    }
    lines.join("\n")
}

#[cfg(test)]
#[path = "outcome_tests.rs"]
mod tests;
