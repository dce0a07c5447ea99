//! What is printed: a heading a step, what was skipped, and the closing count. Counts tests by the lines of the
//! runners that are used here.

use std::io::Write;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::Result;

/// What passed and failed so far.
#[derive(Debug, Default)]
pub struct Report {
    pub passed: u64,
    pub failed: u64,
    skipped: Vec<String>,
}

impl Report {
    /// Runs a step under its heading, with its time behind it.
    pub fn step(&mut self, heading: &str, work: impl FnOnce(&mut Self) -> Result<()>) -> Result<()> {
        say(&format!("\n=== {heading}"));
        let start = Instant::now();
        let outcome = work(self);
        let word = if outcome.is_ok() { "done" } else { "FAILED" };
        say(&format!("=== {heading}: {word} in {}", seconds(start.elapsed())));
        outcome
    }

    /// A check that has no count of its own has passed.
    pub fn passed_check(&mut self) {
        self.passed += 1;
    }

    /// Says that something is not run, and why; said again at the end.
    pub fn skip(&mut self, what: &str, why: &str) {
        let line = format!("SKIPPED {what}: {why}");
        say(&line);
        self.skipped.push(line);
    }

    /// Adds a runner's summary, if this line is one.
    pub fn count(&mut self, line: &str) {
        if let Some((passed, failed)) = summary(line) {
            self.passed += passed;
            self.failed += failed;
        }
    }

    /// The last lines, and the exit code.
    pub fn close(mut self, outcome: Result<()>) -> ExitCode {
        if let Err(error) = &outcome {
            self.failed = self.failed.max(1);
            complain(&format!("{error:#}"));
        }
        say("");
        for line in &self.skipped {
            say(line);
        }
        say(&format!("{} passed, {} failed", self.passed, self.failed));
        if outcome.is_ok() && self.failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }
}

/// Reads the closing line of cargo test, vitest or the console's end-to-end runner.
fn summary(line: &str) -> Option<(u64, u64)> {
    let line = line.trim();
    if let Some(rest) = line.strip_prefix("test result: ") {
        let rest = rest.split_once(". ")?.1;
        return Some((number_before(rest, " passed")?, number_before(rest, " failed")?));
    }
    if let Some(rest) = line.strip_prefix("Tests ") {
        return Some((number_before(rest, " passed").unwrap_or(0), number_before(rest, " failed").unwrap_or(0)));
    }
    let (passed, rest) = line.split_once(" passed, ")?;
    let failed = rest.split_once(" failed")?.0;
    Some((passed.parse().ok()?, failed.parse().ok()?))
}

/// The number that stands before a word.
fn number_before(text: &str, word: &str) -> Option<u64> {
    let before = text.split_once(word)?.0;
    before.rsplit(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

pub fn seconds(time: Duration) -> String {
    let whole = time.as_secs();
    if whole < 60 { format!("{:.1} s", time.as_secs_f64()) } else { format!("{} min {} s", whole / 60, whole % 60) }
}

/// A line on standard output. A reader that has gone is no reason to stop testing.
pub fn say(line: &str) {
    let mut stdout = std::io::stdout().lock();
    let _ = writeln!(stdout, "{line}").and_then(|()| stdout.flush());
}

/// A line on standard error.
pub fn complain(line: &str) {
    let _ = writeln!(std::io::stderr().lock(), "error: {line}");
}

#[cfg(test)]
#[path = "report_tests.rs"]
mod tests;
