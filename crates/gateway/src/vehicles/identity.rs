//! What a request offers to show whose it is, read from its socket and its head. Which of it counts is decided by
//! `core/credential.rs`.

use super::bearer::Keys;
use super::certificate::{Proxied, of_header, word};
use super::refusals::Refusals;
use super::upgrade::single;
use crate::config::{ConfigError, IdentityConfig};
use crate::tls::Revocations;
use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderName};
use ipnet::IpNet;
use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;
use waygate_core::credential::{Credential, Means, Offer, Refusal, Rules, VehicleName};
use waygate_core::id::FleetId;
use waygate_core::time::Wall;

/// What counts at this gateway, and what it is checked with.
#[derive(Debug)]
pub struct Identities {
    rules: Rules,
    keys: Keys,
    proxies: Vec<IpNet>,
    header: Option<HeaderName>,
    proxied: Option<Proxied>,
}

/// What proxies add: where nothing is configured, whoever stands behind one is not taken for this machine.
const OF_PROXIES: [&str; 5] = ["x-waygate-identity", "x-forwarded-for", "forwarded", "x-real-ip", "via"];

/// The certificate of a socket, if one was shown and its chain holds.
pub type Shown = Option<Result<Credential, Refusal>>;

impl Identities {
    /// From the configuration; reads the keys. `certificates` says whether the listener asks for them.
    pub fn read(config: &IdentityConfig, certificates: bool, revocations: &Revocations) -> Result<Self, ConfigError> {
        let fault = |key, what: String| ConfigError::Bounds { key, what };
        let keys = Keys::read(&config.keys, &config.audience, config.leeway_s)
            .map_err(|what| fault("[vehicles.identity] keys", what))?;
        let fleets: Result<BTreeSet<_>, _> = config.fleets.iter().map(|fleet| FleetId::new(fleet)).collect();
        let fleets = fleets.map_err(|error| fault("[vehicles.identity] fleets", error.to_string()))?;
        let (mut proxies, mut header, mut proxied) = (Vec::new(), None, None);
        if let Some(proxy) = &config.proxy {
            for from in &proxy.from {
                let what = || format!("{from:?} is no address and no network such as 10.1.0.0/16");
                proxies.push(network(from).ok_or_else(|| fault("[vehicles.identity.proxy] from", what()))?);
            }
            let name = proxy.header.parse::<HeaderName>().ok().filter(|name| *name != AUTHORIZATION);
            let what = || format!("{:?} is no name of a header of its own", proxy.header);
            header = Some(name.ok_or_else(|| fault("[vehicles.identity.proxy] header", what()))?);
            if let Some(ca) = &proxy.ca {
                let checks = Proxied::load(ca, proxy.crl.as_deref(), revocations);
                proxied = Some(checks.map_err(|error| fault("[vehicles.identity.proxy] ca", error.to_string()))?);
            }
        }
        let rules = Rules { certificates, tokens: !keys.is_empty(), proxies: header.is_some(), fleets };
        Ok(Self { rules, keys, proxies, header, proxied })
    }

    /// What counts.
    pub fn rules(&self) -> &Rules {
        &self.rules
    }

    /// Whether a configured proxy is there: whoever it speaks for is another each time.
    pub fn is_proxy(&self, from: IpAddr) -> bool {
        let from = from.to_canonical();
        self.proxies.iter().any(|network| network.contains(&from))
    }

    /// Whose request it is.
    pub fn who(
        &self,
        headers: &HeaderMap,
        from: IpAddr,
        certificate: Shown,
        now: Wall,
        refusals: &Refusals,
    ) -> Result<Option<Arc<Credential>>, Refusal> {
        let from = from.to_canonical();
        let from_proxy = self.is_proxy(from);
        let token = headers.contains_key(AUTHORIZATION).then(|| self.token(headers, now));
        let header = self.header.as_ref().filter(|name| headers.contains_key(*name));
        // What anyone else sends there is not even looked at.
        let header = header
            .map(|name| if from_proxy { self.told(headers, name, from, refusals) } else { Err(Refusal::NotAProxy) });
        let forwarded = OF_PROXIES.iter().any(|name| headers.contains_key(*name));
        self.rules.decide(Offer { local: from.is_loopback(), forwarded, from_proxy, certificate, token, header })
    }

    fn token(&self, headers: &HeaderMap, now: Wall) -> Result<Credential, Refusal> {
        // Not worth the arithmetic: it is refused whatever is in it.
        if !self.rules.tokens {
            return Err(Refusal::Uncheckable);
        }
        let value = single(headers, &AUTHORIZATION).ok_or(Refusal::TokenMalformed)?;
        let (scheme, token) = value.split_once(' ').ok_or(Refusal::TokenMalformed)?;
        if !scheme.eq_ignore_ascii_case("bearer") {
            return Err(Refusal::TokenMalformed);
        }
        self.keys.check(token.trim_start_matches(' '), now)
    }

    /// What a proxy says in its header: a certificate where there are CAs to check it with, else a name.
    fn told(
        &self,
        headers: &HeaderMap,
        name: &HeaderName,
        from: IpAddr,
        refusals: &Refusals,
    ) -> Result<Credential, Refusal> {
        let value = single(headers, name).ok_or(Refusal::ProxyHeader)?.trim();
        let Some(proxied) = &self.proxied else {
            let name = VehicleName::parse(value).map_err(|_| Refusal::ProxyHeader)?;
            return Ok(Credential { name, means: Means::Proxy(Box::default()) });
        };
        let certificate = of_header(value).ok_or(Refusal::ProxyHeader)?;
        proxied.check(certificate).map_err(|fault| {
            refusals.tell(word(&fault), Some(from), None, &format!("its certificate, passed on by a proxy, {fault}"));
            Refusal::ProxyCertificate
        })
    }
}

/// A network, or an address alone. Bits behind the prefix are a slip of the pen: 10.1.2.3/8 is refused.
fn network(text: &str) -> Option<IpNet> {
    match text.parse::<IpNet>() {
        Ok(network) => (network.trunc() == network).then_some(network),
        Err(_) => text.parse::<IpAddr>().ok().map(|address| IpNet::from(address.to_canonical())),
    }
}

#[cfg(test)]
#[path = "identity_tests.rs"]
mod tests;
