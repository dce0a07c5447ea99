//! The session token: what the vehicle carries from one attach to the next, authenticated by the gateways.

use crate::epoch::Epoch;
use crate::id::{Incarnation, NodeId, RegionId, SessionId, VehicleId};
use hmac::{Hmac, Mac};
use sha2::Sha256;
use std::collections::BTreeMap;
use std::fmt;

/// What a token says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claims {
    /// Whose it is.
    pub vehicle: VehicleId,
    /// The region that issued it, whose key authenticates it.
    pub region: RegionId,
    /// The node that serves the session.
    pub node: NodeId,
    /// That node's life.
    pub incarnation: Incarnation,
    /// The session.
    pub session: SessionId,
    /// The epoch of the attach.
    pub epoch: Epoch,
}

/// Names one of a region's keys, so that a key can be replaced while tokens of the former one are still about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId(pub u8);

/// The keys of the regions of one cluster.
#[derive(Clone, Default)]
pub struct KeyRing(BTreeMap<RegionId, RegionKeys>);

/// The keys of one region: one seals, all open.
#[derive(Clone)]
struct RegionKeys {
    seals: KeyId,
    keys: BTreeMap<KeyId, Vec<u8>>,
}

impl fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyRing({} regions)", self.0.len())
    }
}

/// Why a token is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadToken {
    /// It is no token, or its seal is not right.
    #[error("the token was not issued by a gateway of this cluster for this vehicle")]
    Forged,
    /// It is well formed, and no gateway of this configuration can tell whether it is right.
    #[error("the token names a key that this gateway does not have; attach without it")]
    UnknownKey,
}

/// Names the key that sealed it.
const VERSION: u8 = 2;
/// Without a key's id: sealed with key 0. Still opened, so that an upgrade cuts no vehicle off.
const VERSION_WITHOUT_KEY_ID: u8 = 1;
const MAC_BYTES: usize = 16;

impl KeyRing {
    /// Makes this key, with id 0, a region's only one.
    pub fn insert(&mut self, region: RegionId, key: Vec<u8>) {
        let seals = KeyId(0);
        self.0.insert(region, RegionKeys { seals, keys: BTreeMap::from([(seals, key)]) });
    }

    /// Adds a key to a region's, in the place of one with the same id. The first that is added seals.
    pub fn add(&mut self, region: RegionId, id: KeyId, key: Vec<u8>) {
        let of_region = self.0.entry(region).or_insert_with(|| RegionKeys { seals: id, keys: BTreeMap::new() });
        of_region.keys.insert(id, key);
    }

    /// Makes the token of `claims`; empty if the region has no key.
    pub fn seal(&self, claims: &Claims) -> Vec<u8> {
        let Some((id, key)) = self.0.get(&claims.region).and_then(|of| Some((of.seals, of.keys.get(&of.seals)?)))
        else {
            return Vec::new();
        };
        let mut body = vec![VERSION, id.0];
        for number in [claims.incarnation.0, claims.session.0, claims.epoch.0] {
            body.extend_from_slice(&number.to_be_bytes());
        }
        for text in [claims.region.as_str(), claims.node.as_str()] {
            // Identifiers have at most 64 characters.
            body.push(text.len() as u8);
            body.extend_from_slice(text.as_bytes());
        }
        match mac(key, &claims.vehicle, &body) {
            Some(mac) => {
                body.extend_from_slice(&mac.finalize().into_bytes()[..MAC_BYTES]);
                body
            }
            None => Vec::new(),
        }
    }

    /// Reads a token that `vehicle` presented.
    pub fn open(&self, vehicle: &VehicleId, token: &[u8]) -> Result<Claims, BadToken> {
        let (body, tag) = token.len().checked_sub(MAC_BYTES).map(|at| token.split_at(at)).ok_or(BadToken::Forged)?;
        let (version, rest) = body.split_first().ok_or(BadToken::Forged)?;
        let (id, rest) = match *version {
            VERSION => rest.split_first().map(|(id, rest)| (KeyId(*id), rest)).ok_or(BadToken::Forged)?,
            VERSION_WITHOUT_KEY_ID => (KeyId(0), rest),
            _ => return Err(BadToken::Forged),
        };
        let (incarnation, rest) = take_u64(rest)?;
        let (session, rest) = take_u64(rest)?;
        let (epoch, rest) = take_u64(rest)?;
        let (region, rest) = take_text(rest)?;
        let (node, rest) = take_text(rest)?;
        if !rest.is_empty() {
            return Err(BadToken::Forged);
        }
        let claims = Claims {
            vehicle: vehicle.clone(),
            region: RegionId::new(region).map_err(|_| BadToken::Forged)?,
            node: NodeId::new(node).map_err(|_| BadToken::Forged)?,
            incarnation: Incarnation(incarnation),
            session: SessionId(session),
            epoch: Epoch(epoch),
        };
        let key = self.0.get(&claims.region).and_then(|of| of.keys.get(&id)).ok_or(BadToken::UnknownKey)?;
        let mac = mac(key, vehicle, body).ok_or(BadToken::Forged)?;
        mac.verify_truncated_left(tag).map_err(|_| BadToken::Forged)?;
        Ok(claims)
    }
}

/// Over all that the token says, and over whose it is.
fn mac(key: &[u8], vehicle: &VehicleId, body: &[u8]) -> Option<Hmac<Sha256>> {
    let mut mac = <Hmac<Sha256> as Mac>::new_from_slice(key).ok()?;
    mac.update(body);
    mac.update(vehicle.as_str().as_bytes());
    Some(mac)
}

fn take_u64(bytes: &[u8]) -> Result<(u64, &[u8]), BadToken> {
    let (head, rest) = bytes.split_first_chunk::<8>().ok_or(BadToken::Forged)?;
    Ok((u64::from_be_bytes(*head), rest))
}

fn take_text(bytes: &[u8]) -> Result<(&str, &[u8]), BadToken> {
    let (len, rest) = bytes.split_first().ok_or(BadToken::Forged)?;
    let (text, rest) = rest.split_at_checked(usize::from(*len)).ok_or(BadToken::Forged)?;
    Ok((std::str::from_utf8(text).map_err(|_| BadToken::Forged)?, rest))
}

#[cfg(test)]
#[path = "token_tests.rs"]
mod tests;
