//! What this node is to its peers, and whom it takes for one: its certificates, and the list of the cluster's nodes.

use super::certificates::{Certificates, Owner};
use super::files::FileFault;
use super::revocation::Revocations;
use crate::config::{Config, ConfigError};
use std::sync::Arc;
use waygate_core::identity::{Identity, NodePattern};

/// The section of the configuration.
const SECTION: &str = "tls";

/// Trust between nodes. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Trust {
    certificates: Certificates,
    nodes: Arc<[NodePattern]>,
}

/// Trust cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum TrustFault {
    /// The configuration cannot be used.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A file cannot be used.
    #[error("[tls] {0}")]
    File(#[from] FileFault),
}

impl Trust {
    /// As the configuration says; `None` without `[tls]`.
    pub fn load(config: &Config, revocations: Revocations) -> Result<Option<Self>, TrustFault> {
        let Some(tls) = &config.tls else { return Ok(None) };
        let owner = Owner::Node(config.node_identity()?);
        let certificates = Certificates::load(SECTION, tls.files(), owner, revocations)?;
        Ok(Some(Self { certificates, nodes: config.cluster_nodes()?.into() }))
    }

    /// The node's certificates.
    pub fn certificates(&self) -> &Certificates {
        &self.certificates
    }

    /// Whether this is a node of the cluster. A vehicle never is.
    pub fn admits(&self, identity: &Identity) -> bool {
        self.nodes.iter().any(|pattern| pattern.admits(identity))
    }
}
