//! `[vehicles.identity]`: how vehicles show who they are, and which of them may attach.

use super::ConfigError;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use waygate_core::id::FleetId;

/// Keys for tokens: those of some fleets, each with its successor.
const KEYS_MAX: usize = 64;

/// The longest name of a key, bytes.
const KID_BYTES_MAX: usize = 128;

/// The longest difference of clocks, seconds: longer, and the end of a token means nothing.
const LEEWAY_S_MAX: u64 = 300;

/// Fleets that one gateway may name.
const FLEETS_MAX: usize = 4096;

/// Networks of proxies.
const PROXIES_MAX: usize = 256;

/// How vehicles show who they are.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct IdentityConfig {
    /// The fleets that are served; empty for any.
    pub fleets: Vec<String>,
    /// Whether a vehicle that shows who it is may attach at once.
    pub admission: AdmissionMode,
    /// Whom tokens must be for.
    pub audience: String,
    /// By how many seconds the clock of whoever made a token may be off.
    pub leeway_s: u64,
    /// The public keys that tokens are checked with.
    pub keys: Vec<KeyConfig>,
    /// Proxies that tell who a vehicle is.
    pub proxy: Option<ProxyConfig>,
}

impl Default for IdentityConfig {
    fn default() -> Self {
        Self {
            fleets: Vec::new(),
            admission: AdmissionMode::Open,
            audience: "waygate".to_owned(),
            leeway_s: 30,
            keys: Vec::new(),
            proxy: None,
        }
    }
}

/// Who may attach.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AdmissionMode {
    /// Whoever shows who it is, and is not refused.
    Open,
    /// Those that an operator admitted; others wait.
    Listed,
}

/// A public key for tokens.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyConfig {
    /// What tokens call it.
    pub kid: String,
    /// A PEM file or a JWK, beside the configuration file.
    pub file: PathBuf,
}

/// Proxies that tell who a vehicle is.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProxyConfig {
    /// Their addresses or networks.
    pub from: Vec<String>,
    /// The header that tells.
    #[serde(default = "header")]
    pub header: String,
    /// The CAs of certificates that they pass on, PEM, beside the configuration file; without it they pass on names only.
    #[serde(default)]
    pub ca: Option<PathBuf>,
    /// The revocation lists of these CAs.
    #[serde(default)]
    pub crl: Option<PathBuf>,
}

fn header() -> String {
    "x-waygate-identity".to_owned()
}

impl IdentityConfig {
    /// Files are named from the configuration file.
    pub(super) fn beside(&mut self, folder: &Path) {
        for key in &mut self.keys {
            key.file = folder.join(&key.file);
        }
        let proxied = self.proxy.iter_mut().flat_map(|proxy| proxy.ca.iter_mut().chain(&mut proxy.crl));
        proxied.for_each(|file| *file = folder.join(&*file));
    }

    /// Checks what can be checked without reading the keys. `certificates` says whether vehicles show theirs to this gateway itself.
    pub(super) fn check(&self, certificates: bool) -> Result<(), ConfigError> {
        let fault = |key, what: String| Err(ConfigError::Bounds { key, what });
        if self.fleets.len() > FLEETS_MAX {
            return fault("[vehicles.identity] fleets", format!("names {}, at most {FLEETS_MAX}", self.fleets.len()));
        }
        if let Some(wrong) = self.fleets.iter().find_map(|fleet| FleetId::new(fleet).err()) {
            return fault("[vehicles.identity] fleets", wrong.to_string());
        }
        if self.leeway_s > LEEWAY_S_MAX {
            let what = format!("is {}, at most {LEEWAY_S_MAX} is allowed", self.leeway_s);
            return fault("[vehicles.identity] leeway_s", what);
        }
        if self.audience.is_empty() {
            return fault("[vehicles.identity] audience", "is empty: tokens for anyone would be taken".to_owned());
        }
        if self.keys.len() > KEYS_MAX {
            return fault("[vehicles.identity] keys", format!("has {}, at most {KEYS_MAX}", self.keys.len()));
        }
        for (at, key) in self.keys.iter().enumerate() {
            if key.kid.is_empty() || key.kid.len() > KID_BYTES_MAX {
                let what = format!("kid {:?} must have 1 to {KID_BYTES_MAX} bytes", key.kid);
                return fault("[vehicles.identity] keys", what);
            }
            if self.keys[..at].iter().any(|other| other.kid == key.kid) {
                let what = format!("kid {:?} is there twice; each key has its own", key.kid);
                return fault("[vehicles.identity] keys", what);
            }
        }
        let shows = certificates || self.proxy.is_some() || !self.keys.is_empty();
        let rule = match self.admission {
            AdmissionMode::Listed => Some("[vehicles.identity] admission"),
            AdmissionMode::Open => (!self.fleets.is_empty()).then_some("[vehicles.identity] fleets"),
        };
        if let Some(key) = rule.filter(|_| !shows) {
            let what = "says who may attach, and there is nothing by which vehicles show who they are: configure [vehicles.tls], \
                        [[vehicles.identity.keys]] or [vehicles.identity.proxy], or leave this key out";
            return fault(key, what.to_owned());
        }
        if let Some(proxy) = &self.proxy
            && !(1..=PROXIES_MAX).contains(&proxy.from.len())
        {
            let what = format!("has {} entries; it must have 1 to {PROXIES_MAX}", proxy.from.len());
            return fault("[vehicles.identity.proxy] from", what);
        }
        Ok(())
    }
}

#[cfg(test)]
#[path = "identity_tests.rs"]
mod tests;
