//! The live stream's bytes cut into events (`text/event-stream`), however the network has split them.

/// The longest line: the positions of a hundred thousand vehicles.
const LINE_BYTES_MAX: usize = 16 * 1024 * 1024;

/// One event of the stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// What it is about: `hello`, `presence`, `positions`, `regions`, `missed`.
    pub kind: String,
    /// Where to go on after a break; empty when the stream has named none.
    pub id: String,
    /// JSON.
    pub data: String,
}

/// A line that is longer than any the API sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the stream sent a line of more than {LINE_BYTES_MAX} bytes")]
pub struct LineTooLong;

/// Collects bytes and gives events.
#[derive(Debug, Default)]
pub struct EventReader {
    line: Vec<u8>,
    /// The last byte was a carriage return: a line feed that follows belongs to it.
    after_return: bool,
    kind: String,
    id: String,
    data: String,
    has_data: bool,
}

impl EventReader {
    /// The id of the last event that named one.
    pub fn last_id(&self) -> Option<&str> {
        if self.id.is_empty() { None } else { Some(&self.id) }
    }

    /// Takes the next bytes and appends the events they complete.
    pub fn read(&mut self, bytes: &[u8], out: &mut Vec<Event>) -> Result<(), LineTooLong> {
        for &byte in bytes {
            match byte {
                b'\n' if self.after_return => self.after_return = false,
                b'\n' | b'\r' => {
                    self.after_return = byte == b'\r';
                    self.end_line(out);
                }
                byte => {
                    self.after_return = false;
                    if self.line.len() == LINE_BYTES_MAX {
                        return Err(LineTooLong);
                    }
                    self.line.push(byte);
                }
            }
        }
        Ok(())
    }

    fn end_line(&mut self, out: &mut Vec<Event>) {
        let line = String::from_utf8_lossy(&self.line).into_owned();
        self.line.clear();
        if line.is_empty() {
            self.end_event(out);
            return;
        }
        let (field, value) = line.split_once(':').unwrap_or((&line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "event" => value.clone_into(&mut self.kind),
            "id" if !value.contains('\0') => value.clone_into(&mut self.id),
            "data" => {
                if self.has_data {
                    self.data.push('\n');
                }
                self.has_data = true;
                self.data.push_str(value);
            }
            // A comment keeps the connection alive; other fields are for other readers.
            _ => {}
        }
    }

    fn end_event(&mut self, out: &mut Vec<Event>) {
        let kind = std::mem::take(&mut self.kind);
        let data = std::mem::take(&mut self.data);
        if std::mem::take(&mut self.has_data) {
            let kind = if kind.is_empty() { "message".to_owned() } else { kind };
            out.push(Event { kind, id: self.id.clone(), data });
        }
    }
}

#[cfg(test)]
#[path = "events_tests.rs"]
mod tests;
