//! What happened, as one number and, if asked for, as lines.
//!
//! Two runs of a seed are the same run if their traces hash alike.

use std::collections::BTreeMap;
use std::fmt::{self, Write};

/// A running hash over everything that was noted.
#[derive(Clone, Debug)]
pub struct Trace {
    hash: Fnv,
    noted: u64,
    lines: Option<Vec<String>>,
    reached: BTreeMap<&'static str, u64>,
}

impl Trace {
    /// An empty trace; `keep_lines` if a person is going to read it.
    pub fn new(keep_lines: bool) -> Self {
        Self { hash: Fnv(0xcbf2_9ce4_8422_2325), noted: 0, lines: keep_lines.then(Vec::new), reached: BTreeMap::new() }
    }

    /// Notes what happened at `now`.
    pub fn note(&mut self, now: u64, what: fmt::Arguments<'_>) {
        self.noted += 1;
        // Neither a hash nor a string refuses to be written to.
        let _ = writeln!(self.hash, "{now} {what}");
        if let Some(lines) = &mut self.lines {
            lines.push(format!("{:>12.3} {what}", now as f64 / 1000.0));
        }
    }

    /// Counts that a rare situation came up.
    pub fn reach(&mut self, what: &'static str) {
        *self.reached.entry(what).or_default() += 1;
    }

    /// Which rare situations came up, and how often.
    pub fn reached(&self) -> &BTreeMap<&'static str, u64> {
        &self.reached
    }

    /// The hash so far.
    pub fn hash(&self) -> u64 {
        self.hash.0
    }

    /// How much was noted.
    pub fn len(&self) -> u64 {
        self.noted
    }

    /// Whether nothing was noted.
    pub fn is_empty(&self) -> bool {
        self.noted == 0
    }

    /// The lines, if they were kept.
    pub fn lines(&self) -> &[String] {
        self.lines.as_deref().unwrap_or_default()
    }
}

#[derive(Clone, Debug)]
struct Fnv(u64);

impl Write for Fnv {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for &byte in text.as_bytes() {
            self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
        Ok(())
    }
}
