//! Certificates of a demo with TLS, made when it starts: one for each gateway, and one for each vehicle as it enters.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context;
use serde::Serialize;
use waygate_gateway::tls::Identity;
use waygate_simulator::fleet::{Credentials, Issuing, Source};

use super::plan::{Seat, write_private};
use crate::commands::pki::make::{Authority, Order};

/// The fleet that the demo's vehicles belong to.
const FLEET: &str = "demo";

/// How long a certificate of the demo is valid, days.
const DAYS: u32 = 7;

/// The demo's own CA.
pub struct Pki {
    authority: Authority,
    ca: Arc<str>,
    folder: PathBuf,
}

/// The files of one gateway, as its configuration names them.
#[derive(Clone, Debug, Serialize)]
pub struct TlsTable {
    cert: PathBuf,
    key: PathBuf,
    ca: PathBuf,
}

impl Pki {
    /// Makes a CA; what an earlier demo left in the folder is written over.
    pub fn make(folder: &Path) -> anyhow::Result<Self> {
        let (authority, ca, _) = Authority::make("Waygate demo", DAYS).map_err(anyhow::Error::msg)?;
        let folder = folder.join("pki");
        write(&folder.join("ca.pem"), &ca)?;
        Ok(Self { authority, ca: ca.into(), folder })
    }

    /// A certificate for a gateway on this machine.
    pub fn gateway(&self, seat: &Seat) -> anyhow::Result<TlsTable> {
        let name = format!("urn:waygate:node:{0}:{0}", seat.name);
        let made = self.issue(&name, vec!["127.0.0.1".to_owned(), "localhost".to_owned()]);
        let made = made.map_err(anyhow::Error::msg)?;
        let at = |end: &str| self.folder.join(format!("{}.{end}", seat.name));
        let table = TlsTable { cert: at("pem"), key: at("key"), ca: self.folder.join("ca.pem") };
        write(&table.cert, &made.cert)?;
        write(&table.key, &made.key)?;
        Ok(table)
    }

    /// Gives each vehicle its certificate.
    pub fn vehicles(self) -> Issuing {
        Issuing::by(move |vehicle| {
            let made = self.issue(&format!("urn:waygate:vehicle:{FLEET}:{vehicle}"), Vec::new())?;
            let text = |pem: String| Source::Text(pem.into());
            let certificate = Some((text(made.cert), text(made.key)));
            Ok(Credentials { ca: Some(Source::Text(self.ca.clone())), certificate, token: None })
        })
    }

    fn issue(&self, name: &str, hosts: Vec<String>) -> Result<crate::commands::pki::make::Made, String> {
        let identity = Identity::parse(name).map_err(|error| error.to_string())?;
        self.authority.issue(&identity, &Order { hosts, days: DAYS })
    }
}

fn write(path: &Path, text: &str) -> anyhow::Result<()> {
    write_private(path, text).with_context(|| format!("cannot write {}", path.display()))
}
