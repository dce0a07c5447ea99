//! Tells the presence task which certificates were revoked, whenever that changes: sessions that they opened are cut.

use super::certificate::id;
use crate::presence::{Barred, Command, Presence};
use crate::tls::Revocations;
use std::sync::Arc;

/// Tells what is revoked now; to be awaited before any vehicle may attach.
pub async fn tell(revocations: &Revocations, presence: &Presence) {
    let all = revocations.all().iter().map(id).collect();
    presence.tell(Command::Bar(Barred::Revoked(Arc::new(all)))).await;
}

/// Tells it again with every list that comes, for as long as this is polled.
pub async fn run(revocations: Revocations, presence: Presence) {
    let mut lists = revocations.changes();
    loop {
        tell(&revocations, &presence).await;
        if lists.changed().await.is_err() {
            return;
        }
    }
}
