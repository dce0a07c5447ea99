//! The newest revocation lists on disk, so that a restart forgets none that came from other gateways.

use super::revocation::Revocations;
use crate::files;
use crate::tasks::Tasks;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rustls::pki_types::CertificateRevocationListDer;
use rustls::pki_types::pem::PemObject;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The file in the data directory.
pub const FILE: &str = "revoked.pem";

/// How long to wait before a list that could not be written is written again.
const AGAIN: Duration = Duration::from_secs(5);

/// Characters of a line of PEM.
const LINE: usize = 64;

/// Takes what an earlier life kept. A list that cannot be used any more is passed over: it says so in the log. A file that
/// cannot be read is an error: whom it names would be let in again.
pub fn restore(path: &Path, revocations: &Revocations) -> io::Result<()> {
    let pem = match std::fs::read(path) {
        Ok(pem) => pem,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    for list in CertificateRevocationListDer::pem_slice_iter(&pem) {
        let why = match list {
            Ok(list) => revocations.take(&list).err().map(|fault| fault.to_string()),
            Err(error) => Some(error.to_string()),
        };
        if let Some(why) = why {
            tracing::warn!(why, file = %path.display(), "a kept revocation list is not in force");
        }
    }
    Ok(())
}

/// Writes the lists whenever there is a newer one, until the gateway stops.
pub async fn keep(path: PathBuf, revocations: Revocations, tasks: Tasks) {
    let mut changes = revocations.changes();
    let stopping = tasks.stopping();
    tokio::pin!(stopping);
    // What came before this task is written too.
    changes.mark_changed();
    loop {
        tokio::select! {
            changed = changes.changed() => if changed.is_err() { return },
            () = &mut stopping => return,
        }
        let lists = revocations.newer_than(&Default::default());
        if lists.is_empty() {
            continue;
        }
        let file = path.clone();
        let written = tokio::task::spawn_blocking(move || files::replace(&file, &pem(&lists))).await;
        if let Ok(Err(error)) = written {
            tracing::error!(%error, file = %path.display(), "a revocation list cannot be kept: a restart would forget it");
            changes.mark_changed();
            tokio::select! {
                () = tokio::time::sleep(AGAIN) => {}
                () = &mut stopping => return,
            }
        }
    }
}

fn pem<T: AsRef<[u8]>>(lists: &[T]) -> String {
    let mut pem = String::new();
    for list in lists {
        pem.push_str("-----BEGIN X509 CRL-----\n");
        let text = STANDARD.encode(list);
        let mut rest = text.as_str();
        while !rest.is_empty() {
            let (line, after) = rest.split_at(LINE.min(rest.len()));
            pem.push_str(line);
            pem.push('\n');
            rest = after;
        }
        pem.push_str("-----END X509 CRL-----\n");
    }
    pem
}

#[cfg(test)]
#[path = "kept_tests.rs"]
mod tests;
