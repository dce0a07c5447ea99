//! Why a certificate is refused: what is wrong, and what to do about it.

use rustls::CertificateError;
use rustls::pki_types::UnixTime;
use std::sync::Arc;
use waygate_core::identity::InvalidIdentity;
use waygate_core::time::Wall;
use waygate_wire::operator::Instant;

/// Why a certificate is refused. The texts go on after "its certificate …".
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// Nobody here knows who signed it.
    #[error(
        "is signed by a CA that is not among those trusted here: add that CA to the bundle, or have it issued by one that is there"
    )]
    UnknownCa,
    /// Nobody signed it.
    #[error("is self-signed: have it issued by a CA that is trusted here")]
    SelfSigned,
    /// Its time is over.
    #[error("expired at {}: renew it", time(*.0))]
    Expired(UnixTime),
    /// Its time has not begun.
    #[error("is not valid before {}: if that is past, set the clock of this machine", time(*.0))]
    NotYetValid(UnixTime),
    /// It was made for something else.
    #[error("is not made for this use: its extended key usage must allow client and server authentication")]
    WrongUsage,
    /// It is a CA's own.
    #[error("is a CA's own: a CA issues certificates and does not speak itself")]
    IsCa,
    /// It was taken back.
    #[error("has been revoked: issue a new one if that was not meant")]
    Revoked,
    /// It says nothing of who it is for, or too much.
    #[error("does not say who it is for among its subject alternative names: {0}")]
    Name(InvalidIdentity),
    /// It speaks for another.
    #[error("is for {is} and not for {meant}")]
    Another {
        /// Whom it is for.
        is: String,
        /// Whom it should be for.
        meant: String,
    },
    /// What it says was not signed, or it was changed.
    #[error("has a signature that does not fit it")]
    BadSignature,
    /// It uses what is not supported, or is not one.
    #[error("cannot be used: {0}")]
    Unusable(String),
}

impl Fault {
    /// For a metric.
    pub fn label(&self) -> &'static str {
        match self {
            Self::UnknownCa => "unknown_ca",
            Self::SelfSigned => "self_signed",
            Self::Expired(_) => "expired",
            Self::NotYetValid(_) => "not_yet_valid",
            Self::WrongUsage => "wrong_usage",
            Self::IsCa => "is_ca",
            Self::Revoked => "revoked",
            Self::Name(_) => "no_name",
            Self::Another { .. } => "another_name",
            Self::BadSignature => "bad_signature",
            Self::Unusable(_) => "unusable",
        }
    }
}

impl From<webpki::Error> for Fault {
    #[allow(clippy::wildcard_enum_match_arm, reason = "not our enum, and it may grow")]
    fn from(error: webpki::Error) -> Self {
        use webpki::Error;
        match error {
            Error::UnknownIssuer => Self::UnknownCa,
            Error::CertExpired { not_after, .. } => Self::Expired(not_after),
            Error::CertNotValidYet { not_before, .. } => Self::NotYetValid(not_before),
            Error::RequiredEkuNotFoundContext(_) | Error::EmptyEkuExtension => Self::WrongUsage,
            Error::CaUsedAsEndEntity => Self::IsCa,
            Error::InvalidSignatureForPublicKey => Self::BadSignature,
            other => Self::Unusable(format!("{other:?}")),
        }
    }
}

/// So that the other side is told the kind of fault by the alert that there is for it.
impl From<Fault> for rustls::Error {
    fn from(fault: Fault) -> Self {
        let told = match &fault {
            Fault::UnknownCa => CertificateError::UnknownIssuer,
            Fault::Expired(not_after) => {
                CertificateError::ExpiredContext { time: UnixTime::now(), not_after: *not_after }
            }
            Fault::NotYetValid(not_before) => {
                CertificateError::NotValidYetContext { time: UnixTime::now(), not_before: *not_before }
            }
            Fault::WrongUsage => CertificateError::InvalidPurpose,
            Fault::Revoked => CertificateError::Revoked,
            Fault::BadSignature => CertificateError::BadSignature,
            Fault::SelfSigned | Fault::IsCa | Fault::Name(_) | Fault::Another { .. } | Fault::Unusable(_) => {
                CertificateError::Other(rustls::OtherError(Arc::new(fault)))
            }
        };
        Self::InvalidCertificate(told)
    }
}

impl From<&CertificateError> for Fault {
    #[allow(clippy::wildcard_enum_match_arm, reason = "not our enum, and it may grow")]
    fn from(error: &CertificateError) -> Self {
        match error {
            CertificateError::UnknownIssuer => Self::UnknownCa,
            CertificateError::ExpiredContext { not_after, .. } => Self::Expired(*not_after),
            CertificateError::NotValidYetContext { not_before, .. } => Self::NotYetValid(*not_before),
            CertificateError::InvalidPurpose => Self::WrongUsage,
            CertificateError::Revoked => Self::Revoked,
            CertificateError::BadSignature => Self::BadSignature,
            CertificateError::Other(other) => match other.0.downcast_ref::<Self>() {
                Some(fault) => fault.clone(),
                None => Self::Unusable(other.to_string()),
            },
            other => Self::Unusable(other.to_string()),
        }
    }
}

/// As operators read it.
fn time(at: UnixTime) -> Instant {
    Instant(Wall(i64::try_from(at.as_secs()).unwrap_or(i64::MAX / 1000).saturating_mul(1000)))
}
