//! Reads SUMO floating-car data (`--fcd-output`), XML or gzip of it, in one pass.
//!
//! Only what a vehicle can know of itself is taken: id, x, y, speed, angle. Unknown attributes and elements
//! are passed over, what contradicts the format is refused with its line, its byte and what was expected.
//! It never guesses: a trace in the network's own metres is refused, not projected.

use crate::trace::{SampleFault, TimestepFault, Trace, TraceBuilder};
use flate2::bufread::MultiGzDecoder;
use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};
use std::borrow::Cow;
use std::fmt;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

/// Bytes read from a file at a time.
const READ_BYTES: usize = 64 * 1024;

/// Bytes of one tag or text. A vehicle with every attribute SUMO knows has under 1000; a file that is no XML
/// is refused before it fills the memory.
const TOKEN_BYTES_MAX: u64 = 1024 * 1024;

/// Characters of a value that an error repeats.
const SHOWN_CHARS_MAX: usize = 60;

/// A file is not a trace that can be replayed.
#[derive(Debug)]
pub struct FcdError {
    /// Which file; none if it was read from elsewhere.
    pub file: Option<PathBuf>,
    /// Where in it; none if nothing was read.
    pub at: Option<Place>,
    /// What is wrong with it.
    pub fault: FcdFault,
}

/// A place in a file after decompression.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Counted from 1.
    pub line: u64,
    /// Counted from 0.
    pub byte: u64,
}

impl fmt::Display for FcdError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(file) = &self.file {
            write!(f, "{}: ", file.display())?;
        }
        if let Some(Place { line, byte }) = self.at {
            write!(f, "line {line} (byte {byte}): ")?;
        }
        self.fault.fmt(f)
    }
}

impl std::error::Error for FcdError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.fault.source()
    }
}

/// What is wrong with floating-car data. Nothing was taken from it.
#[derive(Debug, thiserror::Error)]
pub enum FcdFault {
    /// The file cannot be opened.
    #[error("cannot open it: {0}")]
    Open(#[source] io::Error),
    /// Reading or decompressing failed on the way.
    #[error("cannot read on: {0}")]
    Read(#[source] io::Error),
    /// The file has no bytes.
    #[error("it is empty; expected SUMO floating-car data (sumo --fcd-output FILE --fcd-output.geo)")]
    Empty,
    /// It is not well-formed XML.
    #[error("not well-formed XML: {0}")]
    Xml(#[source] quick_xml::Error),
    /// It is another kind of file.
    #[error("expected <fcd-export> (SUMO floating-car data), found {found}")]
    NotFcd {
        /// What stands there.
        found: String,
    },
    /// It ends within an element.
    #[error("the file ends before </fcd-export>; it was cut off or is still being written")]
    CutOff,
    /// There is no vehicle in it.
    #[error("it has {timesteps} timesteps and no vehicle in any of them")]
    NoVehicles {
        /// How many.
        timesteps: u64,
    },
    /// An element where it may not be.
    #[error("<{element}> outside of <{parent}>")]
    Outside {
        /// This one.
        element: &'static str,
        /// Where it belongs.
        parent: &'static str,
    },
    /// An attribute that must be there is not.
    #[error("<{element}> has no attribute {attribute}{hint}")]
    Missing {
        /// Of this element.
        element: &'static str,
        /// This one.
        attribute: &'static str,
        /// What to do.
        hint: &'static str,
    },
    /// An attribute that is not what it must be.
    #[error("{attribute}=\"{found}\" in <{element}>: expected {expected}")]
    Attribute {
        /// Of this element.
        element: &'static str,
        /// This one.
        attribute: &'static str,
        /// As in the file, shortened.
        found: String,
        /// What it must be.
        expected: &'static str,
    },
    /// A timestep out of order.
    #[error(transparent)]
    Timestep(#[from] TimestepFault),
    /// A vehicle's sample that cannot be.
    #[error("vehicle {vehicle}: {fault}")]
    Sample {
        /// Its id, shortened.
        vehicle: String,
        /// What is wrong.
        #[source]
        fault: SampleFault,
    },
}

/// Reads a file; whether it is compressed is seen from its first bytes, not from its name.
pub fn read_file(path: &Path) -> Result<Trace, FcdError> {
    let named = |mut error: FcdError| {
        error.file = Some(path.to_owned());
        error
    };
    match File::open(path) {
        Ok(file) => read(file).map_err(named),
        Err(e) => Err(named(FcdError { file: None, at: None, fault: FcdFault::Open(e) })),
    }
}

/// Reads floating-car data from its bytes, compressed or not.
pub fn read(input: impl Read) -> Result<Trace, FcdError> {
    let nowhere = |fault| FcdError { file: None, at: None, fault };
    let mut input = BufReader::with_capacity(READ_BYTES, input);
    let head = input.fill_buf().map_err(|e| nowhere(FcdFault::Read(e)))?;
    if head.is_empty() {
        return Err(nowhere(FcdFault::Empty));
    }
    if head.starts_with(&[0x1f, 0x8b]) {
        Parser::new(BufReader::with_capacity(READ_BYTES, MultiGzDecoder::new(input))).run()
    } else {
        Parser::new(input).run()
    }
}

/// Counts lines, and refuses a token that does not end.
#[derive(Debug)]
struct LineReader<R> {
    inner: R,
    line: u64,
    token_bytes: u64,
}

impl<R: BufRead> Read for LineReader<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let available = self.fill_buf()?;
        let n = available.len().min(out.len());
        out[..n].copy_from_slice(&available[..n]);
        self.consume(n);
        Ok(n)
    }
}

impl<R: BufRead> BufRead for LineReader<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.token_bytes > TOKEN_BYTES_MAX {
            let text = format!("no tag ends within {TOKEN_BYTES_MAX} bytes");
            return Err(io::Error::new(io::ErrorKind::InvalidData, text));
        }
        self.inner.fill_buf()
    }

    fn consume(&mut self, n: usize) {
        // What is consumed was filled before: this reads no further and cannot fail.
        if let Ok(available) = self.inner.fill_buf() {
            self.line += available.iter().take(n).filter(|&&b| b == b'\n').count() as u64;
        }
        self.token_bytes += n as u64;
        self.inner.consume(n);
    }
}

/// The elements that mean something, from the outside in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Within {
    Nothing,
    Export,
    Timestep,
    /// A vehicle, or anything unknown: what is inside of it means nothing here.
    Ignored {
        depth: u32,
        timestep: bool,
    },
    Closed,
}

#[derive(Debug)]
struct Parser<R: BufRead> {
    reader: Reader<LineReader<R>>,
    builder: TraceBuilder,
    within: Within,
    timesteps: u64,
    /// Where the current tag begins.
    byte: u64,
}

impl<R: BufRead> Parser<R> {
    fn new(input: R) -> Self {
        let reader = Reader::from_reader(LineReader { inner: input, line: 1, token_bytes: 0 });
        Self { reader, builder: TraceBuilder::new(), within: Within::Nothing, timesteps: 0, byte: 0 }
    }

    fn run(mut self) -> Result<Trace, FcdError> {
        let read = self.read_all();
        let at = Some(Place { line: self.reader.get_ref().line, byte: self.byte });
        let timesteps = self.timesteps;
        match read {
            Ok(()) => match self.builder.build() {
                Some(trace) => Ok(trace),
                None => Err(FcdError { file: None, at: None, fault: FcdFault::NoVehicles { timesteps } }),
            },
            Err(fault) => Err(FcdError { file: None, at, fault }),
        }
    }

    fn read_all(&mut self) -> Result<(), FcdFault> {
        let mut buffer = Vec::new();
        loop {
            buffer.clear();
            self.byte = self.reader.buffer_position();
            self.reader.get_mut().token_bytes = 0;
            match self.reader.read_event_into(&mut buffer) {
                Ok(Event::Start(tag)) => self.open(&tag, false)?,
                Ok(Event::Empty(tag)) => self.open(&tag, true)?,
                Ok(Event::End(_)) => self.close(),
                Ok(Event::Text(text)) => self.text(&text)?,
                Ok(Event::Eof) => break,
                Ok(
                    Event::CData(_)
                    | Event::Comment(_)
                    | Event::Decl(_)
                    | Event::PI(_)
                    | Event::DocType(_)
                    | Event::GeneralRef(_),
                ) => {}
                Err(quick_xml::Error::Io(e)) if e.kind() == io::ErrorKind::UnexpectedEof => {
                    return Err(FcdFault::CutOff);
                }
                Err(quick_xml::Error::Io(e)) => {
                    return Err(FcdFault::Read(io::Error::new(e.kind(), e.to_string())));
                }
                // The parser names an unfinished tag only once there is nothing left to read.
                Err(quick_xml::Error::Syntax(_)) if self.within != Within::Nothing => return Err(FcdFault::CutOff),
                Err(e) => return Err(FcdFault::Xml(e)),
            }
        }
        match self.within {
            Within::Nothing => Err(FcdFault::NotFcd { found: "no element at all".to_owned() }),
            Within::Export | Within::Timestep | Within::Ignored { .. } => Err(FcdFault::CutOff),
            Within::Closed => Ok(()),
        }
    }

    fn open(&mut self, tag: &BytesStart<'_>, empty: bool) -> Result<(), FcdFault> {
        let name = tag.local_name();
        let name = name.as_ref();
        let inner = match self.within {
            Within::Nothing if name == b"fcd-export" => Within::Export,
            Within::Nothing => {
                let found = format!("<{}>", shown(&String::from_utf8_lossy(name)));
                return Err(FcdFault::NotFcd { found });
            }
            Within::Export if name == b"timestep" => {
                self.timestep(tag)?;
                Within::Timestep
            }
            Within::Export if name == b"vehicle" => {
                return Err(FcdFault::Outside { element: "vehicle", parent: "timestep" });
            }
            Within::Timestep if name == b"timestep" => {
                return Err(FcdFault::Outside { element: "timestep", parent: "fcd-export" });
            }
            Within::Timestep if name == b"vehicle" => {
                self.vehicle(tag)?;
                Within::Ignored { depth: 1, timestep: true }
            }
            Within::Timestep => Within::Ignored { depth: 1, timestep: true },
            Within::Export => Within::Ignored { depth: 1, timestep: false },
            Within::Ignored { depth, timestep } => Within::Ignored { depth: depth.saturating_add(1), timestep },
            Within::Closed => return Err(FcdFault::NotFcd { found: "another element after </fcd-export>".to_owned() }),
        };
        self.within = inner;
        if empty {
            self.close();
        }
        Ok(())
    }

    /// The parser has checked that the end tag belongs to the innermost open element.
    fn close(&mut self) {
        self.within = match self.within {
            Within::Nothing | Within::Export | Within::Closed => Within::Closed,
            Within::Timestep => Within::Export,
            Within::Ignored { depth: 0 | 1, timestep: true } => Within::Timestep,
            Within::Ignored { depth: 0 | 1, timestep: false } => Within::Export,
            Within::Ignored { depth, timestep } => Within::Ignored { depth: depth - 1, timestep },
        };
    }

    /// Text between elements means nothing, unless the file has no element and is no XML at all.
    fn text(&self, text: &[u8]) -> Result<(), FcdFault> {
        let text = text.trim_ascii();
        if self.within == Within::Nothing && !text.is_empty() && text != b"\xef\xbb\xbf" {
            return Err(FcdFault::NotFcd { found: format!("\"{}\"", shown(&String::from_utf8_lossy(text))) });
        }
        Ok(())
    }

    fn timestep(&mut self, tag: &BytesStart<'_>) -> Result<(), FcdFault> {
        let hint = "";
        let Some(value) = attribute(tag, "time")? else {
            return Err(FcdFault::Missing { element: "timestep", attribute: "time", hint });
        };
        let Some(time_s) = seconds(&value) else {
            let expected = "seconds (900.00) or a time (0:15:00)";
            return Err(FcdFault::Attribute { element: "timestep", attribute: "time", found: shown(&value), expected });
        };
        self.timesteps += 1;
        Ok(self.builder.timestep(time_s)?)
    }

    fn vehicle(&mut self, tag: &BytesStart<'_>) -> Result<(), FcdFault> {
        let missing = |attribute, hint| FcdFault::Missing { element: "vehicle", attribute, hint };
        let (mut id, mut x, mut y, mut speed, mut angle) = (None, None, None, None, None);
        for part in tag.attributes().with_checks(false) {
            let part = part.map_err(|e| FcdFault::Xml(e.into()))?;
            let slot = match part.key.as_ref() {
                b"id" => {
                    id = Some(part.unescape_value().map_err(FcdFault::Xml)?);
                    continue;
                }
                b"x" => (&mut x, "x", "degrees east"),
                b"y" => (&mut y, "y", "degrees north"),
                b"speed" => (&mut speed, "speed", "metres a second"),
                b"angle" => (&mut angle, "angle", "degrees clockwise from north"),
                _ => continue,
            };
            let (slot, attribute, expected) = slot;
            *slot = Some(number(&part.value).ok_or_else(|| FcdFault::Attribute {
                element: "vehicle",
                attribute,
                found: shown(&String::from_utf8_lossy(&part.value)),
                expected,
            })?);
        }
        let hint = "; write the trace with --fcd-output.attributes x,y,speed,angle";
        let id = id.ok_or_else(|| missing("id", ""))?;
        let x = x.ok_or_else(|| missing("x", hint))?;
        let y = y.ok_or_else(|| missing("y", hint))?;
        self.builder.sample(&id, x, y, speed, angle).map_err(|fault| FcdFault::Sample { vehicle: shown(&id), fault })
    }
}

fn attribute<'a>(tag: &'a BytesStart<'_>, name: &str) -> Result<Option<Cow<'a, str>>, FcdFault> {
    let found = tag.try_get_attribute(name).map_err(|e| FcdFault::Xml(e.into()))?;
    found.map(|a| a.unescape_value().map_err(FcdFault::Xml)).transpose()
}

fn number(bytes: &[u8]) -> Option<f64> {
    let value: f64 = std::str::from_utf8(bytes).ok()?.trim().parse().ok()?;
    value.is_finite().then_some(value)
}

/// `900.00`, or with `--human-readable-time` `0:15:00` or `1:00:15:00.5`.
fn seconds(text: &str) -> Option<f64> {
    let mut parts = text.trim().rsplit(':');
    let mut total = number(parts.next()?.as_bytes())?;
    let mut unit = 60.0;
    for (part, factor) in parts.zip([60.0, 24.0, 1.0]) {
        total += f64::from(part.parse::<u32>().ok()?) * unit;
        unit *= factor;
    }
    (text.matches(':').count() != 1 && text.matches(':').count() <= 3 && total >= 0.0).then_some(total)
}

/// A value as an error may repeat it: short, and without what a terminal would obey.
fn shown(value: &str) -> String {
    let mut text: String =
        value.chars().take(SHOWN_CHARS_MAX).map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect();
    if value.chars().count() > SHOWN_CHARS_MAX {
        text.push('…');
    }
    text
}

#[cfg(test)]
#[path = "fcd_tests.rs"]
mod tests;
