//! Who a certificate or a token speaks for: one name, written as a URN.
//!
//! `urn:waygate:node:<region>:<node>` is a gateway, `urn:waygate:vehicle:<fleet>:<vehicle>` a vehicle. A certificate carries
//! it as a URI among its subject's alternative names. What a name may do is decided by whoever is asked.

use crate::id::{FleetId, InvalidId, NodeId, RegionId, VehicleId};
use std::fmt;

/// What every name begins with.
const PREFIX: &str = "urn:waygate:";

/// A verified name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Identity {
    /// A gateway.
    Node {
        /// The region it serves.
        region: RegionId,
        /// Its name in the cluster.
        node: NodeId,
    },
    /// A vehicle.
    Vehicle {
        /// The fleet it belongs to.
        fleet: FleetId,
        /// The vehicle.
        vehicle: VehicleId,
    },
}

/// A text is no name, or there is not exactly one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidIdentity {
    /// It does not have the form of a name.
    #[error("a name is urn:waygate:node:<region>:<node> or urn:waygate:vehicle:<fleet>:<vehicle>")]
    Form,
    /// One of its parts may not be so called.
    #[error(transparent)]
    Part(#[from] InvalidId),
    /// None of the names given is one of ours.
    #[error("there is no name that begins with urn:waygate:")]
    Missing,
    /// It could not be told who it is.
    #[error("there is more than one name that begins with urn:waygate:")]
    Several,
}

impl Identity {
    /// A gateway's name.
    pub fn node(region: RegionId, node: NodeId) -> Self {
        Self::Node { region, node }
    }

    /// A vehicle's name.
    pub fn vehicle(fleet: FleetId, vehicle: VehicleId) -> Self {
        Self::Vehicle { fleet, vehicle }
    }

    /// Reads a name.
    pub fn parse(text: &str) -> Result<Self, InvalidIdentity> {
        let (kind, owner, name) = parts(text)?;
        match kind {
            "node" => Ok(Self::node(RegionId::new(owner)?, NodeId::new(name)?)),
            "vehicle" => Ok(Self::vehicle(FleetId::new(owner)?, VehicleId::new(name)?)),
            _ => Err(InvalidIdentity::Form),
        }
    }

    /// The one name among the URIs of a certificate; those of others are passed over.
    pub fn among<'a>(uris: impl IntoIterator<Item = &'a str>) -> Result<Self, InvalidIdentity> {
        let mut ours = uris.into_iter().filter(|uri| uri.starts_with(PREFIX));
        let first = ours.next().ok_or(InvalidIdentity::Missing)?;
        if ours.next().is_some() {
            return Err(InvalidIdentity::Several);
        }
        Self::parse(first)
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Node { region, node } => write!(f, "{PREFIX}node:{region}:{node}"),
            Self::Vehicle { fleet, vehicle } => write!(f, "{PREFIX}vehicle:{fleet}:{vehicle}"),
        }
    }
}

/// Which gateways belong to a cluster: a name whose region, or node, or both may be `*` for any.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodePattern {
    region: Option<RegionId>,
    node: Option<NodeId>,
}

impl NodePattern {
    /// Every gateway.
    pub const ANY: Self = Self { region: None, node: None };

    /// Reads `urn:waygate:node:west:*` and the like.
    pub fn parse(text: &str) -> Result<Self, InvalidIdentity> {
        let ("node", region, node) = parts(text)? else { return Err(InvalidIdentity::Form) };
        let named = |part: &'_ str| part != "*";
        Ok(Self {
            region: named(region).then(|| RegionId::new(region)).transpose()?,
            node: named(node).then(|| NodeId::new(node)).transpose()?,
        })
    }

    /// Whether this is a gateway that is meant.
    pub fn admits(&self, identity: &Identity) -> bool {
        match identity {
            Identity::Node { region, node } => {
                self.region.as_ref().is_none_or(|meant| meant == region)
                    && self.node.as_ref().is_none_or(|meant| meant == node)
            }
            Identity::Vehicle { .. } => false,
        }
    }
}

/// Kind, owner and name.
fn parts(text: &str) -> Result<(&str, &str, &str), InvalidIdentity> {
    let mut parts = text.strip_prefix(PREFIX).ok_or(InvalidIdentity::Form)?.split(':');
    match (parts.next(), parts.next(), parts.next(), parts.next()) {
        (Some(kind), Some(owner), Some(name), None) => Ok((kind, owner, name)),
        _ => Err(InvalidIdentity::Form),
    }
}

#[cfg(test)]
#[path = "identity_tests.rs"]
mod tests;
