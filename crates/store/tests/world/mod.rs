//! Shorthand for what the tests write.
#![allow(dead_code)]

use std::path::PathBuf;
use waygate_core::epoch::Epoch;
use waygate_core::id::{Incarnation, NodeId, RegionId, SessionId, SpoolId, VehicleId};
use waygate_core::record::{Fix, Position};
use waygate_core::time::{Millis, Wall};
use waygate_store::{
    Batch, CommandRecord, History, Latest, OpenOptions, PresenceRecord, Reader, Store, StoredBatch, TransitionRecord,
    Write, Writer,
};

/// When the tests happen.
pub const NOW: Wall = Wall(1_795_219_200_000);

/// A clock by which nothing the tests write is old, unless they mean it to be.
pub fn options() -> OpenOptions {
    OpenOptions { wall: || NOW, ..OpenOptions::default() }
}

/// A database in a directory that goes when this does.
pub struct World {
    pub dir: tempfile::TempDir,
    pub file: String,
    pub options: OpenOptions,
}

impl World {
    pub fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap(), file: "store.db".to_owned(), options: options() }
    }

    pub fn folding_at(fold_bytes: usize) -> Self {
        let mut world = Self::new();
        world.options.fold_bytes = fold_bytes;
        world
    }

    pub fn path(&self) -> PathBuf {
        self.dir.path().join(&self.file)
    }

    pub async fn open(&self) -> (Writer, Reader) {
        Store::open(&self.path(), self.options).await.unwrap()
    }
}

pub fn vehicle(n: u64) -> VehicleId {
    VehicleId::new(&format!("LUX-{n:04}")).unwrap()
}

pub fn presence(n: u64, epoch: u64) -> PresenceRecord {
    PresenceRecord {
        vehicle: vehicle(n),
        epoch: Epoch(epoch),
        session: SessionId(epoch * 1000 + n),
        state: 1,
        cause: 0,
        cell: None,
        contact: NOW,
        spool: Some(SpoolId(7)),
        sleep: Millis(epoch * 60_000),
        wake: n as u8,
        flags: epoch as u8,
    }
}

/// A command that says in its body whose it is.
pub fn command(n: u64, id: u128, updated: i64) -> CommandRecord {
    let body = columns(n, id as u64, updated as u64, updated as u64);
    let (updated, expires) = (Wall(NOW.0 + updated), Wall(NOW.0 + 3_600_000));
    CommandRecord { id, vehicle: vehicle(n), ended: false, expires, updated, body }
}

pub fn ended(n: u64, id: u128, updated: i64) -> CommandRecord {
    CommandRecord { ended: true, ..command(n, id, updated) }
}

pub fn transition(n: u64, owner: &str, seq: u64, at: i64) -> TransitionRecord {
    TransitionRecord {
        vehicle: vehicle(n),
        at: Wall(NOW.0 + at),
        owner: NodeId::new(owner).unwrap(),
        region: RegionId::new("lux-west").unwrap(),
        incarnation: Incarnation(1_795_000_000),
        seq,
        epoch: Epoch(seq / 2),
        session: SessionId(u64::MAX - seq),
        state: (seq % 5) as u8,
        cause: seq as u32 % 7,
        cell: None,
        flags: n as u8,
    }
}

pub fn fence(n: u64, epoch: u64, spool: u64) -> Write {
    Write::Fence { vehicle: vehicle(n), epoch: Epoch(epoch), spool: SpoolId(spool) }
}

/// Another gateway has stored these.
pub fn settle(n: u64, spool: u64, ranges: &[(u64, u64)]) -> Write {
    Write::Settle { vehicle: vehicle(n), spool: SpoolId(spool), settled: ranges.iter().copied().collect() }
}

pub fn forget(n: u64) -> Write {
    Write::Forget { vehicle: vehicle(n) }
}

pub fn attach(n: u64, epoch: u64, spool: u64) -> Write {
    Write::Attach {
        presence: PresenceRecord { spool: Some(SpoolId(spool)), ..presence(n, epoch) },
        spool: SpoolId(spool),
    }
}

/// Records `first ..= last`, one a second, whose columns say which they are.
pub fn batch(n: u64, epoch: u64, spool: u64, first: u64, last: u64) -> Batch {
    let at = |seq: u64| Wall(NOW.0 + seq as i64 * 1000);
    Batch {
        vehicle: vehicle(n),
        epoch: Epoch(epoch),
        spool: SpoolId(spool),
        first_seq: first,
        last_seq: last,
        settled: [(first, last)].into_iter().collect(),
        received: Wall(at(last).0 + 250),
        t_min: at(first),
        t_max: at(last),
        count: (last - first + 1) as u32,
        columns: columns(n, spool, first, last),
        latest: Some(Latest { t: at(last), fix: fix(last as i32) }),
        latest_signals: Vec::new(),
    }
}

pub fn columns(n: u64, spool: u64, first: u64, last: u64) -> Vec<u8> {
    (first..=last).flat_map(|seq| [n, spool, seq].map(u64::to_le_bytes)).flatten().collect()
}

pub fn fix(lat_e7: i32) -> Fix {
    let position = Position { lat_e7, lon_e7: 61_300_000 };
    Fix { position, alt_cm: Some(-5), speed_cms: None, heading_cdeg: Some(35_400), hdop_centi: None }
}

pub async fn all(mut history: History) -> Vec<StoredBatch> {
    let mut batches = Vec::new();
    while let Some(item) = history.next().await.unwrap() {
        batches.push(item.unwrap());
    }
    batches
}

pub async fn history(reader: &Reader, n: u64) -> Vec<StoredBatch> {
    all(reader.history(&vehicle(n), Wall(i64::MIN), Wall(i64::MAX), None).await.unwrap()).await
}

/// Writes batches of another vehicle until everything before them is in the tables.
pub async fn fold_all(writer: &mut Writer, reader: &Reader, from: u64) {
    for i in from..from + 40 {
        writer.commit(vec![Write::Batch(batch(900, 1, 7, i * 500 + 1, i * 500 + 500))]).await.unwrap();
    }
    let counts = reader.counts().unwrap();
    assert!(counts.unfolded_batches < 20, "{counts:?}");
}
