//! What was wrong with a message: in which message, at which field, and what.

use std::fmt;
use waygate_core::message::ErrorReport;

/// Codes of the protocol's Error message.
pub mod code {
    /// The frame is not protobuf or JSON at all.
    pub const UNREADABLE: &str = "unreadable";
    /// A field is missing, of the wrong type or beyond a limit; the text names it.
    pub const MALFORMED: &str = "malformed";
    /// The message is of a type this gateway does not know.
    pub const UNKNOWN_MESSAGE: &str = "unknown_message";
    /// The message needs a session, and there is none yet.
    pub const NOT_ATTACHED: &str = "not_attached";
    /// A second AttachRequest on a socket that has a session.
    pub const ALREADY_ATTACHED: &str = "already_attached";
    /// A code of a later version.
    pub const OTHER: &str = "other";

    /// The known code of this name; a later version's reads as [`OTHER`].
    pub fn known(name: &str) -> &'static str {
        [UNREADABLE, MALFORMED, UNKNOWN_MESSAGE, NOT_ATTACHED, ALREADY_ATTACHED]
            .into_iter()
            .find(|c| *c == name)
            .unwrap_or(OTHER)
    }
}

/// A message could not be taken. Nothing of it was used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{refers_to}: {fault}")]
pub struct WireError {
    /// The type of the message at fault; empty if it could not be told.
    pub refers_to: String,
    /// What is wrong.
    pub fault: Fault,
}

/// What is wrong with a message.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// Not protobuf or JSON at all.
    #[error("the frame cannot be read: {0}")]
    Unreadable(String),
    /// A type that is not known here.
    #[error("this message is not known here")]
    UnknownMessage,
    /// A field is missing, of the wrong type or beyond a limit.
    #[error(transparent)]
    Malformed(#[from] FieldFault),
}

/// One field is not as it must be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldFault {
    /// Where, such as `records[3].lat`.
    pub path: String,
    /// What is wrong with it.
    pub what: String,
}

impl std::error::Error for FieldFault {}

impl fmt::Display for FieldFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.path.as_str() {
            "" => f.write_str(&self.what),
            path => write!(f, "{path}: {}", self.what),
        }
    }
}

impl FieldFault {
    /// A fault of the field at `path`.
    pub fn at(path: impl Into<String>, what: impl Into<String>) -> Self {
        Self { path: path.into(), what: what.into() }
    }

    /// The same fault, seen from the message that holds `parent`.
    #[must_use]
    pub fn under(mut self, parent: &str) -> Self {
        let dot = if self.path.is_empty() || self.path.starts_with('[') { "" } else { "." };
        self.path = format!("{parent}{dot}{}", self.path);
        self
    }
}

impl WireError {
    pub(crate) fn malformed(refers_to: &str, fault: FieldFault) -> Self {
        Self { refers_to: refers_to.to_owned(), fault: Fault::Malformed(fault) }
    }

    pub(crate) fn unreadable(refers_to: &str, why: impl fmt::Display) -> Self {
        Self { refers_to: refers_to.to_owned(), fault: Fault::Unreadable(why.to_string()) }
    }

    pub(crate) fn unknown(refers_to: impl Into<String>) -> Self {
        Self { refers_to: refers_to.into(), fault: Fault::UnknownMessage }
    }

    /// Whether the message is merely of a type that is not known here; the session goes on.
    pub fn is_unknown_message(&self) -> bool {
        self.fault == Fault::UnknownMessage
    }

    /// The Error message that tells the vehicle. Fatal only if the frame could not be read at all; the close
    /// code is then 1007.
    pub fn report(&self) -> ErrorReport {
        let (code, fatal) = match &self.fault {
            Fault::Unreadable(_) => (code::UNREADABLE, true),
            Fault::UnknownMessage => (code::UNKNOWN_MESSAGE, false),
            Fault::Malformed(_) => (code::MALFORMED, false),
        };
        ErrorReport { code, fatal, text: self.fault.to_string(), refers_to: self.refers_to.clone() }
    }
}

/// Fails unless `count` is within `max`.
pub(crate) fn at_most(path: &str, count: usize, max: usize) -> Result<(), FieldFault> {
    if count <= max {
        Ok(())
    } else {
        Err(FieldFault::at(path, format!("has {count} entries, at most {max} are taken")))
    }
}

/// Fails unless `text` has at most `max` bytes.
pub(crate) fn text_at_most(path: &str, text: &str, max: usize) -> Result<(), FieldFault> {
    if text.len() <= max {
        Ok(())
    } else {
        Err(FieldFault::at(path, format!("has {} bytes, at most {max} are taken", text.len())))
    }
}
