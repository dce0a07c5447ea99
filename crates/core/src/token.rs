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

/// The keys of the regions of one cluster.
#[derive(Clone, Default)]
pub struct KeyRing(BTreeMap<RegionId, Vec<u8>>);

impl fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyRing({} regions)", self.0.len())
    }
}

/// The token is not one of this cluster's, or not this vehicle's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the token was not issued by a gateway of this cluster for this vehicle")]
pub struct BadToken;

const VERSION: u8 = 1;
const MAC_BYTES: usize = 16;

impl KeyRing {
    /// Adds or replaces a region's key.
    pub fn insert(&mut self, region: RegionId, key: Vec<u8>) {
        self.0.insert(region, key);
    }

    fn mac(&self, region: &RegionId, vehicle: &VehicleId, body: &[u8]) -> Option<Hmac<Sha256>> {
        let mut mac = <Hmac<Sha256> as Mac>::new_from_slice(self.0.get(region)?).ok()?;
        mac.update(body);
        mac.update(vehicle.as_str().as_bytes());
        Some(mac)
    }

    /// Makes the token of `claims`; empty if the region has no key.
    pub fn seal(&self, claims: &Claims) -> Vec<u8> {
        let mut body = vec![VERSION];
        for number in [claims.incarnation.0, claims.session.0, claims.epoch.0] {
            body.extend_from_slice(&number.to_be_bytes());
        }
        for text in [claims.region.as_str(), claims.node.as_str()] {
            // Identifiers have at most 64 characters.
            body.push(text.len() as u8);
            body.extend_from_slice(text.as_bytes());
        }
        match self.mac(&claims.region, &claims.vehicle, &body) {
            Some(mac) => {
                body.extend_from_slice(&mac.finalize().into_bytes()[..MAC_BYTES]);
                body
            }
            None => Vec::new(),
        }
    }

    /// Reads a token that `vehicle` presented.
    pub fn open(&self, vehicle: &VehicleId, token: &[u8]) -> Result<Claims, BadToken> {
        let (body, tag) = token.len().checked_sub(MAC_BYTES).map(|at| token.split_at(at)).ok_or(BadToken)?;
        let (version, rest) = body.split_first().ok_or(BadToken)?;
        if *version != VERSION {
            return Err(BadToken);
        }
        let (incarnation, rest) = take_u64(rest)?;
        let (session, rest) = take_u64(rest)?;
        let (epoch, rest) = take_u64(rest)?;
        let (region, rest) = take_text(rest)?;
        let (node, rest) = take_text(rest)?;
        if !rest.is_empty() {
            return Err(BadToken);
        }
        let claims = Claims {
            vehicle: vehicle.clone(),
            region: RegionId::new(region).map_err(|_| BadToken)?,
            node: NodeId::new(node).map_err(|_| BadToken)?,
            incarnation: Incarnation(incarnation),
            session: SessionId(session),
            epoch: Epoch(epoch),
        };
        let mac = self.mac(&claims.region, vehicle, body).ok_or(BadToken)?;
        mac.verify_truncated_left(tag).map_err(|_| BadToken)?;
        Ok(claims)
    }
}

fn take_u64(bytes: &[u8]) -> Result<(u64, &[u8]), BadToken> {
    let (head, rest) = bytes.split_first_chunk::<8>().ok_or(BadToken)?;
    Ok((u64::from_be_bytes(*head), rest))
}

fn take_text(bytes: &[u8]) -> Result<(&str, &[u8]), BadToken> {
    let (len, rest) = bytes.split_first().ok_or(BadToken)?;
    let (text, rest) = rest.split_at_checked(usize::from(*len)).ok_or(BadToken)?;
    Ok((std::str::from_utf8(text).map_err(|_| BadToken)?, rest))
}

#[cfg(test)]
#[path = "token_tests.rs"]
mod tests;
