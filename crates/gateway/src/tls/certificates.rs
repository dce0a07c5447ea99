//! The certificates in use: loaded from files, and loaded anew when the files change.
//!
//! A connection keeps what it was made with; a new one gets what was loaded last. Files that cannot be used change nothing.

use super::accept::Protocols;
use super::fault::Fault;
use super::files::{Bytes, FileFault, Files};
use super::peer::Peer;
use super::provider;
use super::revocation::{ListFault, Revocations};
use super::verify::{Side, Verifier};
use crate::tasks::Tasks;
use rustls::client::Resumption;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::NoServerSessionStorage;
use rustls::version::TLS13;
use rustls::{ClientConfig, ServerConfig};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Notify, watch};
use waygate_core::identity::Identity;
use x509_parser::prelude::{FromDer, X509Certificate};

/// How often it is looked whether the files have changed.
pub const LOOK: Duration = Duration::from_secs(2);

/// So long before its end a certificate is warned of, seconds: 14 days.
const WARN_BEFORE_S: i64 = 14 * 24 * 3600;

/// Whose certificate the files hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Owner {
    /// This node's: it must be issued by a CA of its own bundle, for both sides, with this name.
    Node(Identity),
    /// A server's whom clients know by its host: only its key must fit.
    Host,
}

/// The certificates in use. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Certificates(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    /// For logs and metrics: the section of the configuration.
    section: &'static str,
    files: Files,
    owner: Owner,
    revocations: Revocations,
    current: watch::Sender<Arc<Material>>,
    look: Notify,
}

/// What one loading gave.
#[derive(Debug)]
pub struct Material {
    bytes: Bytes,
    servers: [Arc<ServerConfig>; 2],
    client: Arc<ClientConfig>,
    verifier: Arc<Verifier>,
    /// When the own certificate ends, seconds since 1970.
    expires: i64,
}

impl Material {
    /// For a listener that speaks these.
    pub fn server(&self, protocols: Protocols) -> Arc<ServerConfig> {
        let [web, http1] = &self.servers;
        match protocols {
            Protocols::Web => web.clone(),
            Protocols::Http1 => http1.clone(),
        }
    }

    /// For a dialler.
    pub fn client(&self) -> Arc<ClientConfig> {
        self.client.clone()
    }

    /// Who showed these certificates, now; `None` if nobody showed any.
    pub fn peer(&self, chain: Option<&[CertificateDer<'_>]>, side: Side) -> Result<Option<Arc<Peer>>, Fault> {
        let peer = chain.map(|chain| self.verifier.peer(chain, side, UnixTime::now())).transpose()?;
        Ok(peer.map(Arc::new))
    }
}

impl Certificates {
    /// Loads them. An error names the file at fault.
    pub fn load(
        section: &'static str,
        files: Files,
        owner: Owner,
        revocations: Revocations,
    ) -> Result<Self, FileFault> {
        let bytes = files.read()?;
        let material = load(section, &files, bytes, &owner, &revocations)?;
        let current = watch::Sender::new(Arc::new(material));
        let this = Self(Arc::new(Inner { section, files, owner, revocations, current, look: Notify::new() }));
        this.tell_expiry();
        Ok(this)
    }

    /// What a new handshake uses.
    pub fn material(&self) -> Arc<Material> {
        self.0.current.borrow().clone()
    }

    /// The lists that it refuses certificates by.
    pub fn revocations(&self) -> &Revocations {
        &self.0.revocations
    }

    /// Looks at the files now instead of with the next turn.
    pub fn reload(&self) {
        self.0.look.notify_one();
    }

    /// Loads anew what changes, until the gateway stops.
    pub async fn run(self, tasks: Tasks) {
        let stopping = tasks.stopping();
        tokio::pin!(stopping);
        let mut failed = None;
        loop {
            tokio::select! {
                () = tokio::time::sleep(LOOK) => {}
                () = self.0.look.notified() => {}
                () = &mut stopping => return,
            }
            let this = self.clone();
            let looked = tokio::task::spawn_blocking(move || this.look()).await;
            let fault = looked.ok().and_then(Result::err);
            // Told at the second sight: of a pair of files that is being replaced, one comes first.
            if let Some(fault) = &fault
                && failed.as_ref().is_some_and(|(known, told)| known == fault && !told)
            {
                let (section, fault) = (self.0.section, fault.to_string());
                tracing::error!(
                    section,
                    fault,
                    "new certificates cannot be used; those in use stay until the file is right"
                );
                metrics::counter!("waygate_certificate_reload_failures_total", "section" => section).increment(1);
                failed = failed.map(|(known, _)| (known, true));
                continue;
            }
            let known = failed.as_ref().map(|(known, _)| known) == fault.as_ref();
            if !known {
                failed = fault.map(|fault| (fault, false));
            }
        }
    }

    /// Loads the files if they are others than before.
    fn look(&self) -> Result<(), FileFault> {
        let inner = &self.0;
        let bytes = inner.files.read()?;
        if inner.current.borrow().bytes == bytes {
            return Ok(());
        }
        let material = load(inner.section, &inner.files, bytes, &inner.owner, &inner.revocations)?;
        inner.current.send_replace(Arc::new(material));
        tracing::info!(section = inner.section, "new certificates are in use; open connections keep theirs");
        self.tell_expiry();
        Ok(())
    }

    fn tell_expiry(&self) {
        let expires = self.material().expires;
        let section = self.0.section;
        metrics::gauge!("waygate_certificate_expires_seconds", "section" => section).set(expires as f64);
        let left_s = expires - i64::try_from(UnixTime::now().as_secs()).unwrap_or(i64::MAX);
        let file = self.0.files.cert.display();
        if left_s < 0 {
            tracing::error!(section, %file, "this certificate has expired: nobody will take it; renew it");
        } else if left_s < WARN_BEFORE_S {
            tracing::warn!(section, %file, days_left = left_s / 86_400, "this certificate ends soon: renew it");
        }
    }
}

/// Reads, checks, and builds what handshakes use.
fn load(
    section: &'static str,
    files: &Files,
    bytes: Bytes,
    owner: &Owner,
    revocations: &Revocations,
) -> Result<Material, FileFault> {
    let chain = files.chain(&bytes)?;
    let key = files.private_key(&bytes)?;
    let anchors = files.anchors(&bytes)?;
    let lists = files.lists(&bytes)?;
    let verifier = Arc::new(Verifier::new(anchors.clone(), revocations.clone()));
    if let Some(path) = &files.crl {
        let fault = |fault: ListFault| FileFault::new(path, fault.to_string());
        lists.iter().try_for_each(|list| revocations.take_from(list, &anchors).map(drop).map_err(fault))?;
    }
    if let Owner::Node(meant) = owner {
        check_own(&files.cert, &chain, meant, &verifier)?;
    }
    let unfit = |error: rustls::Error| FileFault::new(&files.key, unfit(&files.cert, &error));
    let server = |protocols: Protocols| {
        let mut server = ServerConfig::builder_with_provider(provider())
            .with_protocol_versions(&[&TLS13])?
            .with_client_cert_verifier(verifier.clone())
            .with_single_cert(chain.clone(), key.clone_key())?;
        server.alpn_protocols = protocols.alpn();
        server.session_storage = Arc::new(NoServerSessionStorage {});
        server.send_tls13_tickets = 0;
        Ok(Arc::new(server))
    };
    let servers = [server(Protocols::Web).map_err(unfit)?, server(Protocols::Http1).map_err(unfit)?];
    let client = ClientConfig::builder_with_provider(provider()).with_protocol_versions(&[&TLS13]).map_err(unfit)?;
    let client = client.dangerous().with_custom_certificate_verifier(verifier.clone());
    let mut client = client.with_client_auth_cert(chain.clone(), key).map_err(unfit)?;
    client.alpn_protocols = vec![b"h2".to_vec()];
    client.resumption = Resumption::disabled();
    let expires = chain.first().and_then(|own| X509Certificate::from_der(own).ok());
    let expires = expires.map_or(i64::MAX, |(_, own)| own.validity().not_after.timestamp());
    // Last: what is trusted changes only if everything else can be used.
    revocations.trust(section, anchors);
    Ok(Material { bytes, servers, client: Arc::new(client), verifier, expires })
}

/// The own certificate must be one that other nodes take, except that its time may be over: a gateway that does not
/// start would not help.
fn check_own(
    path: &Path,
    chain: &[CertificateDer<'static>],
    meant: &Identity,
    verifier: &Verifier,
) -> Result<(), FileFault> {
    for side in [Side::Server, Side::Client] {
        match verifier.peer(chain, side, UnixTime::now()) {
            Ok(own) if own.identity == *meant => {}
            Ok(own) => {
                let fault = Fault::Another { is: own.identity.to_string(), meant: meant.to_string() };
                return Err(FileFault::new(
                    path,
                    format!("{fault}: [node] id and region must be those of the certificate"),
                ));
            }
            Err(Fault::Expired(_) | Fault::NotYetValid(_)) => {}
            Err(fault) => return Err(FileFault::new(path, fault.to_string())),
        }
    }
    Ok(())
}

#[allow(clippy::wildcard_enum_match_arm, reason = "not our enum, and it may grow")]
fn unfit(cert: &Path, error: &rustls::Error) -> String {
    match error {
        rustls::Error::InconsistentKeys(_) => {
            format!("is not the key of {}: give the pair that was made together", cert.display())
        }
        other => format!("cannot be used with {}: {other}", cert.display()),
    }
}
