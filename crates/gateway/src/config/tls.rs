//! `[tls]`: the certificate that this node has for its peers and operators, and which nodes it takes for peers.

use super::{Config, ConfigError};
use crate::tls::Files;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use waygate_core::identity::{Identity, NodePattern};

/// Which nodes belong to the cluster if the configuration does not say it: all that its CAs have named so.
const EVERY_NODE: &str = "urn:waygate:node:*:*";

/// The files of TLS, all of them PEM. Relative paths start at the configuration file.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TlsConfig {
    /// The node's certificate, and behind it those between it and the CA.
    pub cert: PathBuf,
    /// Its key.
    pub key: PathBuf,
    /// The CAs whose certificates are taken.
    pub ca: PathBuf,
    /// Their revocation lists, if there are any.
    pub crl: Option<PathBuf>,
}

impl TlsConfig {
    /// Where the files lie.
    pub fn files(&self) -> Files {
        Files { cert: self.cert.clone(), key: self.key.clone(), ca: self.ca.clone(), crl: self.crl.clone() }
    }

    /// Puts relative paths beside the configuration file.
    pub(super) fn beside(&mut self, folder: &Path) {
        for file in [&mut self.cert, &mut self.key, &mut self.ca].into_iter().chain(&mut self.crl) {
            *file = folder.join(&*file);
        }
    }
}

impl Config {
    /// The name that the node's certificate must have.
    pub fn node_identity(&self) -> Result<Identity, ConfigError> {
        let (node, region) = self.identity()?;
        Ok(Identity::node(region, node))
    }

    /// Which nodes are taken for peers.
    pub fn cluster_nodes(&self) -> Result<Vec<NodePattern>, ConfigError> {
        let every = [EVERY_NODE.to_owned()];
        let listed = if self.cluster.nodes.is_empty() { every.as_slice() } else { &self.cluster.nodes };
        let read = |text: &String| {
            NodePattern::parse(text).map_err(|_| {
                let what = format!("{text:?} is no urn:waygate:node:REGION:NODE; either may be * for any");
                ConfigError::Bounds { key: "[cluster] nodes", what }
            })
        };
        listed.iter().map(read).collect()
    }

    /// With TLS every address of a gateway says so, without it none does.
    pub(super) fn check_tls(&self) -> Result<(), ConfigError> {
        let own = self.node_identity()?;
        if !self.cluster_nodes()?.iter().any(|pattern| pattern.admits(&own)) {
            let what = format!("does not admit this node itself, {own}: give all gateways the same list");
            return Err(ConfigError::Bounds { key: "[cluster] nodes", what });
        }
        let scheme = if self.tls.is_some() { "https://" } else { "http://" };
        let why = if self.tls.is_some() { "there is a [tls] section" } else { "there is no [tls] section" };
        let addresses = self.peers.seeds.iter().map(|seed| ("[peers] seeds", seed));
        let addresses = addresses.chain(self.operators.url.iter().map(|url| ("[operators] url", url)));
        for (key, address) in addresses {
            if !address.starts_with(scheme) {
                let what = format!("{address:?} is no {scheme}host:port, as it must be where {why}");
                return Err(ConfigError::Bounds { key, what });
            }
        }
        Ok(())
    }
}

#[cfg(test)]
#[path = "tls_tests.rs"]
mod tests;
