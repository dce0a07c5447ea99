//! The two forms of the vehicle protocol, one a subprotocol: protobuf in binary frames, JSON in text frames.

use crate::error::{FieldFault, WireError};
use crate::proto;
use crate::{downlink, json, scan, uplink};
use bytes::Bytes;
use prost::Message;
use waygate_core::limits::FRAME_BYTES_MAX;
use waygate_core::message::{Downlink, Uplink};
use waygate_core::record::SignalPath;

/// The form of one session's messages. One frame carries one message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Codec {
    /// Protobuf, in binary frames.
    Proto,
    /// JSON, in text frames.
    Json,
}

impl Codec {
    /// Both forms, the better one first.
    pub const ALL: &[Self] = &[Self::Proto, Self::Json];

    /// The name of the WebSocket subprotocol.
    pub const fn subprotocol(self) -> &'static str {
        match self {
            Self::Proto => "waygate.v1.proto",
            Self::Json => "waygate.v1.json",
        }
    }

    /// The form with this subprotocol name.
    pub fn from_subprotocol(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|c| c.subprotocol() == name)
    }

    /// Whether frames are text; binary otherwise. A frame of the other kind is closed with 1003.
    pub const fn is_text(self) -> bool {
        match self {
            Self::Proto => false,
            Self::Json => true,
        }
    }

    /// Reads a message from a vehicle. `catalogue` is that of the session's AttachRequest.
    pub fn decode_uplink(self, frame: &[u8], catalogue: &[SignalPath]) -> Result<Uplink, WireError> {
        check_size(frame)?;
        match self {
            Self::Json => json::decode_uplink(frame),
            Self::Proto => {
                let number = scan::check_uplink(frame).map_err(|e| e.into_wire_error(&first_name(frame)))?;
                let message = proto::Uplink::decode(frame).map_err(|e| WireError::unreadable("", e))?;
                match message.message {
                    Some(message) => uplink::from_proto(message, catalogue),
                    None => Err(WireError::unknown(number.map_or_else(String::new, uplink::name_of))),
                }
            }
        }
    }

    /// Writes a message of a vehicle.
    pub fn encode_uplink(self, uplink: &Uplink, catalogue: &[SignalPath]) -> Bytes {
        match self {
            Self::Json => json::encode_uplink(uplink).into(),
            Self::Proto => {
                let message = Some(uplink::to_proto(uplink, catalogue));
                proto::Uplink { message }.encode_to_vec().into()
            }
        }
    }

    /// Reads a message from a gateway.
    pub fn decode_downlink(self, frame: &[u8]) -> Result<Downlink, WireError> {
        check_size(frame)?;
        match self {
            Self::Json => json::decode_downlink(frame),
            Self::Proto => {
                let message = proto::Downlink::decode(frame).map_err(|e| WireError::unreadable("", e))?;
                match message.message {
                    Some(message) => downlink::from_proto(message),
                    None => Err(WireError::unknown("")),
                }
            }
        }
    }

    /// Writes a message of a gateway.
    pub fn encode_downlink(self, downlink: &Downlink) -> Bytes {
        match self {
            Self::Json => json::encode_downlink(downlink).into(),
            Self::Proto => {
                let message = Some(downlink::to_proto(downlink));
                proto::Downlink { message }.encode_to_vec().into()
            }
        }
    }
}

fn check_size(frame: &[u8]) -> Result<(), WireError> {
    if frame.len() <= FRAME_BYTES_MAX {
        return Ok(());
    }
    let what = format!("the frame has {} bytes, at most {FRAME_BYTES_MAX} are taken", frame.len());
    Err(WireError::malformed("", FieldFault::at("", what)))
}

/// The message a frame begins with, for an error that comes before it is decoded.
fn first_name(frame: &[u8]) -> String {
    match scan::Fields(frame).next() {
        Some(Ok((number, _))) => uplink::name_of(number),
        Some(Err(_)) | None => String::new(),
    }
}

#[cfg(test)]
#[path = "codec_tests.rs"]
mod tests;

#[cfg(test)]
#[path = "codec_properties.rs"]
mod properties;
