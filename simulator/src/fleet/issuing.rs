//! What the vehicles of a fleet show gateways.

use std::fmt;
use std::sync::Arc;
use waygate_obu::Credentials;

type Issue = dyn Fn(&str) -> Result<Credentials, String> + Send + Sync;

/// Gives each vehicle what it shows; nothing by default. Cheap to clone.
#[derive(Clone, Default)]
pub struct Issuing(Option<Arc<Issue>>);

impl fmt::Debug for Issuing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "Issuing" } else { "Issuing nothing" })
    }
}

impl Issuing {
    /// As this says, asked once a vehicle when it enters.
    pub fn by(issue: impl Fn(&str) -> Result<Credentials, String> + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(issue)))
    }

    /// What a vehicle shows.
    pub fn to(&self, vehicle: &str) -> Credentials {
        let issued = self.0.as_ref().map(|issue| issue(vehicle)).transpose();
        issued.map(Option::unwrap_or_default).unwrap_or_else(|error| {
            tracing::error!(vehicle, error, "the vehicle gets no certificate; no gateway will take it");
            Credentials::default()
        })
    }
}
