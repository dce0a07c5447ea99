//! Where a command's answer and its complaints go. The only place that writes to the standard streams, apart
//! from the full-screen `watch`.

use std::io::{self, BufWriter, IsTerminal, Write};

use serde::Serialize;

/// Width of tables when standard output is not a terminal: wide enough that nothing is wrapped.
const PIPED_WIDTH: u16 = 400;

/// The answer's stream and how it is dressed.
pub struct Output {
    sink: Box<dyn Write + Send>,
    /// The answer is wanted as JSON.
    pub json: bool,
    /// The answer goes to a terminal.
    pub terminal: bool,
    /// Colours are wanted: a terminal, and `NO_COLOR` is not set.
    pub colour: bool,
    /// Columns that tables may use.
    pub width: u16,
}

impl Output {
    pub fn to_stdout(json: bool) -> Self {
        let terminal = io::stdout().is_terminal();
        let no_colour = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let width = match crossterm::terminal::size() {
            Ok((columns, _)) if terminal && columns > 0 => columns,
            Ok(_) | Err(_) => PIPED_WIDTH,
        };
        Self { sink: Box::new(BufWriter::new(io::stdout())), json, terminal, colour: terminal && !no_colour, width }
    }

    /// Writes the answer into memory, as on a terminal of this width without colours.
    #[cfg(test)]
    pub fn in_memory(json: bool, width: u16) -> (Self, Written) {
        let written = Written::default();
        (Self { sink: Box::new(written.clone()), json, terminal: false, colour: false, width }, written)
    }

    /// One line of the answer.
    pub fn line(&mut self, line: impl AsRef<str>) -> io::Result<()> {
        self.sink.write_all(line.as_ref().as_bytes())?;
        self.sink.write_all(b"\n")?;
        Ok(())
    }

    /// The answer as indented JSON.
    pub fn json<T: Serialize>(&mut self, value: &T) -> io::Result<()> {
        serde_json::to_writer_pretty(&mut self.sink, value)?;
        self.sink.write_all(b"\n")
    }

    /// The answer, or a part of it, as JSON on one line.
    pub fn json_line<T: Serialize>(&mut self, value: &T) -> io::Result<()> {
        serde_json::to_writer(&mut self.sink, value)?;
        self.sink.write_all(b"\n")
    }

    pub fn flush(&mut self) -> io::Result<()> {
        self.sink.flush()
    }

    /// What is not part of the answer but should be known: to standard error.
    pub fn warn(&mut self, message: &str) {
        self.aside("warning", "33", message);
    }

    /// A remark that is neither answer nor warning: to standard error.
    pub fn note(&mut self, message: &str) {
        self.aside("note", "36", message);
    }

    /// Why the command failed: to standard error.
    pub fn complain(&mut self, message: &str) {
        self.aside("error", "31", message);
    }

    /// A line on the terminal that the next one takes the place of; none takes it away. Only on a terminal.
    pub fn progress(&mut self, text: Option<&str>) {
        let mut stderr = io::stderr();
        if self.terminal && !self.json && stderr.is_terminal() {
            let _ = self.sink.flush();
            let text: String = text.unwrap_or_default().chars().take(usize::from(self.width).max(2) - 1).collect();
            let _ = write!(stderr, "\r\u{1b}[K{text}");
            let _ = stderr.flush();
        }
    }

    /// How far a long reading is, on the terminal; not among records that are written to the same terminal.
    pub fn reading(&mut self, kept: bool, text: Option<&str>) {
        let mut stderr = io::stderr();
        if stderr.is_terminal() && (kept || !self.terminal) {
            let _ = write!(stderr, "\r\u{1b}[K{}", text.unwrap_or_default());
            let _ = stderr.flush();
        }
    }

    /// A text in a colour of the terminal's own, if colours are wanted.
    pub fn dressed(&self, ansi: &str, text: &str) -> String {
        if self.colour { format!("\u{1b}[{ansi}m{text}\u{1b}[0m") } else { text.to_owned() }
    }

    fn aside(&mut self, label: &str, colour: &str, message: &str) {
        let mut stderr = io::stderr();
        let coloured = self.colour && stderr.is_terminal();
        // The answer so far comes first where both streams end on one screen. A stream that is gone takes no complaint.
        let _ = self.sink.flush();
        let _ = if coloured {
            writeln!(stderr, "\u{1b}[1;{colour}m{label}:\u{1b}[0m {message}")
        } else {
            writeln!(stderr, "{label}: {message}")
        };
    }
}

impl Drop for Output {
    fn drop(&mut self) {
        // For an end that nobody planned; whoever ends as planned flushes before and looks at what comes of it.
        let _ = self.sink.flush();
    }
}

/// What was written into memory.
#[cfg(test)]
#[derive(Clone, Debug, Default)]
pub struct Written(std::sync::Arc<std::sync::Mutex<Vec<u8>>>);

#[cfg(test)]
impl Written {
    pub fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

#[cfg(test)]
impl Write for Written {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
