//! Bytes ⇄ the core's types: what vehicles, gateways and operators say, in protobuf and in JSON.
//!
//! This is the edge where everything from outside is checked once: counts and sizes before memory is spent on them,
//! then each field by type. Inside, nothing is checked twice. The crate does no IO, reads no clock and draws no
//! random bits.

pub mod codec;
mod column;
mod command;
mod convert;
mod downlink;
pub mod error;
mod json;
pub mod membership;
pub mod operator;
pub mod orders;
pub mod peer;
mod rest;
mod scan;
pub mod sight;
pub mod telemetry;
mod uplink;

pub use codec::Codec;
pub use command::{COMMAND_JSON_DEPTH_MAX, is_command_json};
pub use error::WireError;
pub use json::record_from_json;
pub use telemetry::{decode_columns, encode_columns, telemetry_from_proto, telemetry_to_proto};

/// The generated types and services of `proto/waygate/v1`.
#[allow(missing_docs, missing_debug_implementations, unused_qualifications)]
#[allow(clippy::all, clippy::pedantic, clippy::unwrap_used, clippy::wildcard_enum_match_arm)]
pub mod proto {
    include!(concat!(env!("OUT_DIR"), "/waygate.v1.rs"));
}
