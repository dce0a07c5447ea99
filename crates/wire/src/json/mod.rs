//! The JSON form: the same messages by name, one object a text frame.
//!
//! A frame is read twice: once for `type`, once as that message, so that a fault can name the message and the field.
//! Lists are bounded while they are read. Unknown fields are ignored.

mod command;
mod downlink;
mod record;
pub(crate) mod scalar;
mod uplink;

use crate::error::{Fault, FieldFault, WireError};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;

pub(crate) use downlink::{decode as decode_downlink, encode as encode_downlink};
pub use record::record_from_json;
pub(crate) use uplink::{decode as decode_uplink, encode as encode_uplink};

/// Longest part of a vehicle's own text that is sent back to it, characters.
const ECHO_CHARS_MAX: usize = 200;

#[derive(Deserialize)]
struct Tag<'a> {
    #[serde(rename = "type", borrow)]
    name: Option<Cow<'a, str>>,
}

/// The `type` of a frame.
fn type_of(frame: &[u8]) -> Result<Cow<'_, str>, WireError> {
    let tag: Tag<'_> = parse("", frame)?;
    tag.name.ok_or_else(|| WireError::malformed("", FieldFault::at("type", "is missing")))
}

/// The frame as the message `name`.
fn message<T: DeserializeOwned>(name: &str, frame: &[u8]) -> Result<T, WireError> {
    parse(name, frame)
}

fn parse<'a, T: Deserialize<'a>>(name: &str, frame: &'a [u8]) -> Result<T, WireError> {
    let mut reader = serde_json::Deserializer::from_slice(frame);
    let value = serde_path_to_error::deserialize(&mut reader).map_err(|error| {
        let path = error.path().to_string();
        let path = if path == "." { String::new() } else { path };
        fault(name, path, &error.into_inner())
    })?;
    reader.end().map_err(|error| fault(name, String::new(), &error))?;
    Ok(value)
}

fn fault(name: &str, path: String, error: &serde_json::Error) -> WireError {
    let what = echo(&error.to_string());
    let fault = match error.classify() {
        serde_json::error::Category::Syntax | serde_json::error::Category::Eof | serde_json::error::Category::Io
            if name.is_empty() =>
        {
            Fault::Unreadable(what)
        }
        // Once the type was read, the whole frame has been: it is JSON, with a field that cannot be taken, such as a number
        // beyond an f64 or a nesting that is too deep.
        serde_json::error::Category::Data
        | serde_json::error::Category::Syntax
        | serde_json::error::Category::Eof
        | serde_json::error::Category::Io => Fault::Malformed(FieldFault { path: echo(&path), what }),
    };
    WireError { refers_to: name.to_owned(), fault }
}

/// Text of the vehicle's, cut so that an answer stays small.
fn echo(text: &str) -> String {
    match text.char_indices().nth(ECHO_CHARS_MAX) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

fn write(message: &impl Serialize) -> Vec<u8> {
    // These types have text keys and no fallible parts, so that writing them to memory cannot fail.
    serde_json::to_vec(message).unwrap_or_default()
}
