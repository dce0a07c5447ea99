//! Who a vehicle is: what a request offers to show it, and which of that counts. Decided without IO.
//!
//! A name is `urn:waygate:vehicle:<fleet>:<vehicle>`, the same in a certificate, a token and a proxy's header. What a
//! request *says* of itself never counts: only what a key, a certificate authority or a configured proxy stands for. Two
//! sources that name different vehicles are refused, as one of them must be wrong.

use crate::id::{FleetId, VehicleId};
use crate::identity::Identity;
use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

/// A vehicle and the fleet it belongs to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct VehicleName {
    /// Whose it is.
    pub fleet: FleetId,
    /// Which one.
    pub vehicle: VehicleId,
}

/// A text is no vehicle's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a vehicle's name is urn:waygate:vehicle:FLEET:VEHICLE, each 1 to 64 characters out of A-Z a-z 0-9 . _ -")]
pub struct InvalidName;

impl VehicleName {
    /// Reads a name.
    pub fn parse(text: &str) -> Result<Self, InvalidName> {
        Identity::parse(text).ok().as_ref().and_then(Self::of).ok_or(InvalidName)
    }

    /// The name of a vehicle; `None` if it is a gateway's.
    pub fn of(identity: &Identity) -> Option<Self> {
        match identity {
            Identity::Vehicle { fleet, vehicle } => Some(Self { fleet: fleet.clone(), vehicle: vehicle.clone() }),
            Identity::Node { .. } => None,
        }
    }
}

impl fmt::Display for VehicleName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Identity::vehicle(self.fleet.clone(), self.vehicle.clone()).fmt(f)
    }
}

/// How a revocation list names a certificate: who issued it, and its number there.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CertificateId {
    /// The issuer, as whoever reads certificates and lists names it.
    pub issuer: Box<[u8]>,
    /// The number, without leading zeros.
    pub serial: Box<[u8]>,
}

/// What stands for a vehicle's name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Means {
    /// A client certificate on this socket, and those between it and the CA.
    Certificate(Box<[CertificateId]>),
    /// A token, signed by the key with this id.
    Token(String),
    /// A configured proxy; it may pass on the certificate that it was shown.
    Proxy(Box<[CertificateId]>),
}

impl Means {
    /// The word for it in logs, answers and metrics.
    pub const fn wire(&self) -> &'static str {
        match self {
            Self::Certificate(_) => "certificate",
            Self::Token(_) => "token",
            Self::Proxy(_) => "proxy",
        }
    }

    /// The certificates behind it, as far as this gateway has seen them.
    pub const fn certificates(&self) -> &[CertificateId] {
        match self {
            Self::Certificate(ids) | Self::Proxy(ids) => ids,
            Self::Token(_) => &[],
        }
    }
}

/// A vehicle's name, and what stands for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credential {
    /// Who.
    pub name: VehicleName,
    /// How it is known.
    pub means: Means,
}

macro_rules! refusals {
    ($($(#[$doc:meta])* $name:ident = ($wire:literal, $class:ident, $text:literal),)*) => {
        /// Why a request shows no identity that counts.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Refusal { $($(#[$doc])* $name,)* }

        impl Refusal {
            /// Every one.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// The word for it in logs and metrics.
            pub const fn wire(self) -> &'static str {
                match self { $(Self::$name => $wire,)* }
            }

            /// Whether other credentials may help.
            pub const fn class(self) -> Class {
                match self { $(Self::$name => Class::$class,)* }
            }

            /// For a person.
            pub const fn text(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }
        }
    };
}

/// What kind of a refusal it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// Credentials are missing or do not hold: HTTP 401.
    Unauthorized,
    /// They hold, or might, and it is not allowed all the same: HTTP 403.
    Forbidden,
}

refusals! {
    /// Nothing is offered, and something must be.
    Missing = ("missing", Unauthorized, "no client certificate and no token came; a vehicle must show who it is"),
    /// Nothing is configured, and the vehicle comes from elsewhere.
    NotLocal = ("not_local", Unauthorized, "this gateway has no credentials configured and takes vehicles from its own machine only"),
    /// Nothing is configured, and it did not come from the vehicle itself.
    Forwarded = ("forwarded", Unauthorized, "the request came through a proxy, and none is configured in [vehicles.identity.proxy]: whose it is cannot be known"),
    /// Nothing is configured that could check it.
    Uncheckable = ("uncheckable", Unauthorized, "this gateway has no keys to check credentials with; send none, or ask elsewhere"),
    /// `Authorization` is sent twice, or is no bearer token.
    TokenMalformed = ("token_malformed", Unauthorized, "Authorization must be sent once, as Bearer and a JWT"),
    /// The token is not signed with EdDSA.
    TokenAlgorithm = ("token_algorithm", Unauthorized, "the token must be signed with EdDSA"),
    /// The token names no key, or one that is not known.
    TokenKey = ("token_key", Unauthorized, "the token's kid names no key that this gateway knows"),
    /// The signature does not fit.
    TokenSignature = ("token_signature", Unauthorized, "the token's signature does not fit its key"),
    /// The token is over.
    TokenExpired = ("token_expired", Unauthorized, "the token has expired"),
    /// The token's time has not come.
    TokenEarly = ("token_early", Unauthorized, "the token is not valid yet; is a clock wrong?"),
    /// The token is for someone else.
    TokenAudience = ("token_audience", Unauthorized, "the token is for another audience"),
    /// The token lacks what it must say.
    TokenClaims = ("token_claims", Unauthorized, "the token must say sub, aud and exp, each once"),
    /// The token's subject is no vehicle.
    TokenSubject = ("token_subject", Unauthorized, "the token's sub is not urn:waygate:vehicle:FLEET:VEHICLE"),
    /// The certificate names no vehicle, or several.
    CertificateName = ("certificate_name", Forbidden, "the certificate must have one name urn:waygate:vehicle:FLEET:VEHICLE as a URI"),
    /// The header of proxies comes from someone who is none.
    NotAProxy = ("not_a_proxy", Forbidden, "the identity header is taken from configured proxies only; do not send it"),
    /// The certificate in a proxy's header is refused; the log says why.
    ProxyCertificate = ("proxy_certificate", Forbidden, "the certificate that the proxy passes on does not hold"),
    /// A proxy's header cannot be read.
    ProxyHeader = ("proxy_header", Forbidden, "the proxy's identity header must be sent once, with a vehicle's name or certificate"),
    /// Two sources name two vehicles.
    Contradiction = ("contradiction", Forbidden, "the credentials name different vehicles"),
    /// The fleet is not served here.
    Fleet = ("fleet", Forbidden, "this gateway does not serve the vehicle's fleet"),
}

/// What counts at this gateway.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rules {
    /// Client certificates are asked for.
    pub certificates: bool,
    /// There are keys for tokens.
    pub tokens: bool,
    /// There are proxies whose header counts.
    pub proxies: bool,
    /// The fleets that are served; empty for any.
    pub fleets: BTreeSet<FleetId>,
}

/// What one request offers, each checked by what it is made of.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Offer {
    /// It comes from this machine.
    pub local: bool,
    /// It says that somebody passed it on.
    pub forwarded: bool,
    /// It comes from a configured proxy.
    pub from_proxy: bool,
    /// The certificate of the socket, whose chain holds.
    pub certificate: Option<Result<Credential, Refusal>>,
    /// What `Authorization` holds.
    pub token: Option<Result<Credential, Refusal>>,
    /// What the header of proxies holds.
    pub header: Option<Result<Credential, Refusal>>,
}

impl Rules {
    /// Whether nothing is configured: vehicles are then taken from this machine only, as whoever they say they are.
    pub fn open(&self) -> bool {
        !self.certificates && !self.tokens && !self.proxies
    }

    /// Whose request it is; `None` for one that need not say, as nothing is configured.
    pub fn decide(&self, offer: Offer) -> Result<Option<Arc<Credential>>, Refusal> {
        let Offer { local, forwarded, from_proxy, certificate, token, header } = offer;
        if header.is_some() && !from_proxy {
            return Err(Refusal::NotAProxy);
        }
        if self.open() {
            return match token {
                Some(_) => Err(Refusal::Uncheckable),
                None if forwarded => Err(Refusal::Forwarded),
                None if local => Ok(None),
                None => Err(Refusal::NotLocal),
            };
        }
        if token.is_some() && !self.tokens {
            return Err(Refusal::Uncheckable);
        }
        let mut known: Option<Credential> = None;
        // One that is sent and does not hold is never passed over for another.
        for credential in [certificate, header, token].into_iter().flatten() {
            let credential = credential?;
            if known.as_ref().is_some_and(|known| known.name != credential.name) {
                return Err(Refusal::Contradiction);
            }
            known.get_or_insert(credential);
        }
        let known = known.ok_or(Refusal::Missing)?;
        if !self.fleets.is_empty() && !self.fleets.contains(&known.name.fleet) {
            return Err(Refusal::Fleet);
        }
        Ok(Some(Arc::new(known)))
    }
}

/// Why a vehicle that shows who it is may not attach.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bar {
    /// Its certificate was revoked.
    Revoked,
    /// An operator refuses it.
    Refused,
}

/// Who may not have a session, whatever they show. Cheap to clone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bars {
    /// Certificates that were revoked.
    pub revoked: Arc<BTreeSet<CertificateId>>,
    /// Vehicles that operators refuse.
    pub refused: Arc<BTreeSet<VehicleId>>,
}

impl Bars {
    /// Whether a vehicle may not have a session with what it showed; `None` if it showed nothing.
    pub fn against(&self, vehicle: &VehicleId, shown: Option<&Credential>) -> Option<Bar> {
        let ids = shown.map(|credential| credential.means.certificates()).unwrap_or_default();
        if ids.iter().any(|id| self.revoked.contains(id)) {
            Some(Bar::Revoked)
        } else if self.refused.contains(vehicle) {
            Some(Bar::Refused)
        } else {
            None
        }
    }
}

#[cfg(test)]
#[path = "credential_tests.rs"]
mod tests;
