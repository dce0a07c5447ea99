//! A store as an earlier life of a gateway left it: thousands of vehicles without thousands of sockets.

use super::now_ms;
use std::path::Path;
use waygate_core::cause::DetachCause;
use waygate_core::cell::Cell;
use waygate_core::epoch::Epoch;
use waygate_core::id::{SessionId, SpoolId, VehicleId};
use waygate_core::log::LiveState;
use waygate_core::ranges::SeqRanges;
use waygate_core::record::{Fix, Lane, Position, Record, Telemetry};
use waygate_core::time::{Millis, Wall};
use waygate_store::{Batch, Latest, OpenOptions, PresenceRecord, Store, Write};
use waygate_wire::encode_columns;

/// One vehicle that was seen once.
pub struct Seen {
    pub id: String,
    pub lat: f64,
    pub lon: f64,
    /// Its goodbye, if it said one.
    pub left: Option<DetachCause>,
}

impl Seen {
    pub fn idle(id: String, lat: f64, lon: f64) -> Self {
        Self { id, lat, lon, left: None }
    }
}

/// Writes them to the store of a gateway that is not running.
pub async fn prefill(data_dir: &Path, vehicles: impl IntoIterator<Item = Seen>) {
    let (mut writer, reader) = Store::open(&data_dir.join("waygate.db"), OpenOptions::default()).await.unwrap();
    let writes: Vec<Write> = vehicles.into_iter().flat_map(|seen| writes(&seen)).collect();
    for chunk in writes.chunks(2000) {
        writer.commit(chunk.to_vec()).await.unwrap();
    }
    reader.close().await;
    writer.close().await.unwrap();
}

fn writes(seen: &Seen) -> [Write; 2] {
    let vehicle = VehicleId::new(&seen.id).unwrap();
    let (epoch, spool, now) = (Epoch(1_000), SpoolId(42), Wall(now_ms()));
    let position = Position::from_degrees(seen.lat, seen.lon);
    let fix = Fix { position, alt_cm: None, speed_cms: Some(500), heading_cdeg: None, hdop_centi: None };
    let records = vec![Record { t: now, fix: Some(fix), signals: Vec::new() }];
    let presence = PresenceRecord {
        vehicle: vehicle.clone(),
        epoch,
        session: SessionId(7),
        state: if seen.left.is_some() { LiveState::Detached } else { LiveState::Idle }.number(),
        cause: seen.left.map_or(0, DetachCause::number),
        cell: Cell::of(position),
        contact: now,
        spool: Some(spool),
        sleep: Millis(0),
        wake: 0,
        flags: 0,
    };
    let batch = Batch {
        vehicle,
        epoch,
        spool,
        first_seq: 1,
        last_seq: 1,
        settled: SeqRanges::from_iter([(1, 1)]),
        received: now,
        t_min: now,
        t_max: now,
        count: 1,
        columns: encode_columns(&Telemetry { first_seq: 1, lane: Lane::Live, records }),
        latest: Some(Latest { t: now, fix }),
        latest_signals: Vec::new(),
    };
    [Write::Attach { presence, spool }, Write::Batch(batch)]
}
