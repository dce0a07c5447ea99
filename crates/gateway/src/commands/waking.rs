//! Waking vehicles for commands: the queue of those to be woken goes to the pager, and what did not come is told.

use super::Desk;
use crate::pager::Pager;
use std::collections::BTreeSet;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::mpsc;
use waygate_core::commands::Event;
use waygate_core::id::VehicleId;
use waygate_wire::operator::PageOutcome;

/// Vehicles that may wait to be woken; beyond it a wake-up fails at once.
pub const WAKES_MAX: usize = 4096;

/// Has every vehicle of the queue woken, until the queue ends, and tells what became of it.
pub async fn by_pager(mut queue: mpsc::Receiver<VehicleId>, pager: Pager, desk: Desk) {
    let mut ended = pager.ended();
    let mut asked = BTreeSet::new();
    loop {
        tokio::select! {
            // A page that has ended before a vehicle is asked for is none of its wake-ups.
            biased;
            page = ended.recv() => match page {
                Ok(page) => {
                    if asked.remove(&page.vehicle) {
                        desk.happened(match page.outcome {
                            PageOutcome::Reachable | PageOutcome::Woken => Event::Woken(page.vehicle),
                            PageOutcome::Unreachable => Event::WakeFailed(page.vehicle, page.detail),
                        })
                        .await;
                    }
                }
                Err(RecvError::Lagged(missed)) => {
                    tracing::warn!(missed, "ends of pages were missed: what is being woken counts as not woken");
                    for vehicle in std::mem::take(&mut asked) {
                        let why = "what became of its wake-up was missed".to_owned();
                        desk.happened(Event::WakeFailed(vehicle, why)).await;
                    }
                }
                Err(RecvError::Closed) => return,
            },
            vehicle = queue.recv() => match vehicle {
                Some(vehicle) => {
                    asked.insert(vehicle.clone());
                    pager.wake(vehicle).await;
                }
                None => return,
            },
        }
    }
}
