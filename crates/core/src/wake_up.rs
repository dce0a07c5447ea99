//! Wake-ups: the short text that calls a vehicle that has no socket, authenticated by the key of its last accept.
//!
//! ```text
//! WG1.<vehicle>.<nonce: 8 bytes, base64url>.<mac: 16 bytes, base64url>
//! ```
//!
//! It fits into one short message (140 bytes) and says nothing but "attach": whoever reads or repeats it learns no
//! command. Nonces differ from one wake-up to the next; a vehicle ignores those it has seen.

use crate::id::VehicleId;
use crate::limits::WAKE_KEY_BYTES;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, Mac};
use sha2::Sha256;

/// The longest payload, bytes: one short message.
pub const WAKE_UP_BYTES_MAX: usize = 140;

const PREFIX: &str = "WG1";
const MAC_BYTES: usize = 16;
/// What a MAC is for comes first in what is authenticated, so that none can be used for another purpose.
const WAKE_UP_LABEL: &[u8] = b"waygate wake-up 1\0";
const KEY_LABEL: &[u8] = b"waygate wake key 1\0";

/// A payload is not a wake-up for this vehicle under this key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadWakeUp {
    /// Not the text of a wake-up.
    #[error("the payload is not WG1.<vehicle>.<nonce>.<mac>")]
    Malformed,
    /// It names another vehicle.
    #[error("the wake-up is for another vehicle")]
    OtherVehicle,
    /// The MAC does not fit: forged, or of an accept before the last.
    #[error("the wake-up was not made with the key of the last accept")]
    BadMac,
    /// There is no key.
    #[error("no accept has given a key for wake-ups")]
    NoKey,
}

/// Makes the wake-up of `vehicle`. Each needs another `nonce`.
pub fn seal(key: &[u8], vehicle: &VehicleId, nonce: u64) -> String {
    let tag = mac(key, vehicle, nonce).map(|mac| mac.finalize().into_bytes()).unwrap_or_default();
    let nonce = URL_SAFE_NO_PAD.encode(nonce.to_be_bytes());
    format!("{PREFIX}.{vehicle}.{nonce}.{}", URL_SAFE_NO_PAD.encode(&tag[..MAC_BYTES]))
}

/// Reads a wake-up that reached `vehicle`; gives its nonce.
pub fn open(key: &[u8], vehicle: &VehicleId, payload: &str) -> Result<u64, BadWakeUp> {
    if key.is_empty() {
        return Err(BadWakeUp::NoKey);
    }
    // A vehicle id may hold dots, so the parts are taken from both ends.
    let rest = Some(payload).filter(|payload| payload.len() <= WAKE_UP_BYTES_MAX);
    let rest = rest.and_then(|payload| payload.strip_prefix(PREFIX)?.strip_prefix('.')).ok_or(BadWakeUp::Malformed)?;
    let (rest, tag) = rest.rsplit_once('.').ok_or(BadWakeUp::Malformed)?;
    let (named, nonce) = rest.rsplit_once('.').ok_or(BadWakeUp::Malformed)?;
    let nonce = URL_SAFE_NO_PAD.decode(nonce).ok().and_then(|bytes| bytes.try_into().ok());
    let nonce = nonce.map(u64::from_be_bytes).ok_or(BadWakeUp::Malformed)?;
    let tag = URL_SAFE_NO_PAD.decode(tag).ok().filter(|tag| tag.len() == MAC_BYTES).ok_or(BadWakeUp::Malformed)?;
    if named != vehicle.as_str() {
        return Err(BadWakeUp::OtherVehicle);
    }
    let mac = mac(key, vehicle, nonce).ok_or(BadWakeUp::NoKey)?;
    mac.verify_truncated_left(&tag).map_err(|_| BadWakeUp::BadMac)?;
    Ok(nonce)
}

/// The key of a vehicle, out of one that the gateways of a cluster share.
pub fn key_for(master: &[u8], vehicle: &VehicleId) -> [u8; WAKE_KEY_BYTES] {
    let mut key = [0; WAKE_KEY_BYTES];
    if let Ok(mut mac) = <Hmac<Sha256> as Mac>::new_from_slice(master) {
        mac.update(KEY_LABEL);
        mac.update(vehicle.as_str().as_bytes());
        key.copy_from_slice(&mac.finalize().into_bytes()[..WAKE_KEY_BYTES]);
    }
    key
}

/// HMAC takes keys of any length, so there always is one.
fn mac(key: &[u8], vehicle: &VehicleId, nonce: u64) -> Option<Hmac<Sha256>> {
    let mut mac = <Hmac<Sha256> as Mac>::new_from_slice(key).ok()?;
    mac.update(WAKE_UP_LABEL);
    mac.update(&nonce.to_be_bytes());
    mac.update(vehicle.as_str().as_bytes());
    Some(mac)
}

#[cfg(test)]
#[path = "wake_up_tests.rs"]
mod tests;
