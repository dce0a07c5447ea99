//! What the demo shows: lines that stay, and under them one status line that is written over in place.
//!
//! Without a terminal the status is a plain line every few seconds. The demo's only way to the standard
//! streams.

use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

/// How often the status is written where it cannot be written over.
const PLAIN_EVERY: Duration = Duration::from_secs(5);

/// Columns that are used where the width cannot be known.
const COLUMNS_UNKNOWN: usize = 100;

/// The demo's part of the screen.
pub struct Screen {
    sink: Box<dyn Write + Send>,
    terminal: bool,
    colour: bool,
    /// The status that stands on the last line now.
    status: Option<String>,
    plain_at: Option<Instant>,
}

impl Screen {
    pub fn to_stdout() -> Self {
        let terminal = io::stdout().is_terminal();
        let no_colour = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Self { sink: Box::new(io::stdout()), terminal, colour: terminal && !no_colour, status: None, plain_at: None }
    }

    #[cfg(test)]
    pub fn to_writer(sink: Box<dyn Write + Send>, terminal: bool) -> Self {
        Self { sink, terminal, colour: false, status: None, plain_at: None }
    }

    /// Columns a status may have.
    pub fn columns(&self) -> usize {
        match crossterm::terminal::size() {
            Ok((columns, _)) if self.terminal && columns > 0 => usize::from(columns),
            Ok(_) | Err(_) if self.terminal => COLUMNS_UNKNOWN,
            Ok(_) | Err(_) => usize::MAX,
        }
    }

    /// Text in bold, where that can be shown.
    pub fn strong(&self, text: &str) -> String {
        if self.colour { format!("\u{1b}[1m{text}\u{1b}[0m") } else { text.to_owned() }
    }

    /// Text that stands back, where that can be shown.
    pub fn faint(&self, text: &str) -> String {
        if self.colour { format!("\u{1b}[2m{text}\u{1b}[0m") } else { text.to_owned() }
    }

    /// A line that stays; the status moves below it.
    pub fn line(&mut self, text: &str) {
        let status = self.status.take();
        let clear = if status.is_some() { "\r\u{1b}[K" } else { "" };
        self.write(&format!("{clear}{text}\n"));
        if let Some(status) = status {
            self.write(&status);
            self.status = Some(status);
        }
    }

    /// The state of things now.
    pub fn status(&mut self, text: &str) {
        if self.terminal {
            let shown: String = text.chars().take(self.columns().saturating_sub(1)).collect();
            if self.status.as_deref() != Some(shown.as_str()) {
                self.write(&format!("\r{shown}\u{1b}[K"));
                self.status = Some(shown);
            }
        } else if self.plain_at.is_none_or(|at| at.elapsed() >= PLAIN_EVERY) {
            self.plain_at = Some(Instant::now());
            self.write(&format!("{text}\n"));
        }
    }

    /// Takes the status away; what follows are lines only.
    pub fn end_status(&mut self) {
        if self.status.take().is_some() {
            self.write("\r\u{1b}[K");
        }
    }

    fn write(&mut self, text: &str) {
        // A reader that has gone (`| head`) is no reason to leave vehicles and gateways behind.
        let _ = self.sink.write_all(text.as_bytes()).and_then(|()| self.sink.flush());
    }
}

#[cfg(test)]
#[path = "screen_tests.rs"]
mod tests;
