//! Waking vehicles for commands: the queue of those to be woken, and what answers it without a way to wake them.

use super::Desk;
use tokio::sync::mpsc;
use waygate_core::commands::Event;
use waygate_core::id::VehicleId;

/// Vehicles that may wait to be woken; beyond it a wake-up fails at once.
pub const WAKES_MAX: usize = 4096;

/// Says of every vehicle that it cannot be woken, until the queue ends. What wakes vehicles reads the queue in its place:
/// it wakes the vehicle, whose attach is seen by itself, and tells [`Event::WakeFailed`] if it does not come.
pub async fn without_channel(mut queue: mpsc::Receiver<VehicleId>, desk: Desk) {
    while let Some(vehicle) = queue.recv().await {
        desk.happened(Event::WakeFailed(vehicle, "no wake channel is configured at this gateway".to_owned())).await;
    }
}
