//! One vehicle's records, merged from every gateway that holds some.
//!
//! Each source gives batches in the order of their earliest time; batches may overlap. Records leave in the
//! order (time, spool, sequence number), each once, and only as many batches are held as overlap in time.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;
use waygate_core::record::Record;
use waygate_core::time::Wall;
use waygate_store::History;
use waygate_wire::decode_columns;
use waygate_wire::proto;

/// How long a peer may take for each piece.
const DEADLINE: Duration = Duration::from_secs(3);

/// Where a record stands in the merged order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key {
    /// The vehicle's clock.
    pub t: Wall,
    /// Which life of its spool.
    pub spool: u64,
    /// The number in that spool.
    pub seq: u64,
}

/// A record and when it came.
#[derive(Clone, Debug)]
pub struct Row {
    /// The gateway's clock.
    pub received: Wall,
    /// What the vehicle said.
    pub record: Record,
}

/// Where batches come from.
#[derive(Debug)]
enum Batches {
    Own(Box<History>),
    Peer(Box<tonic::Streaming<proto::HistoryChunk>>, VecDeque<proto::StoredBatch>),
}

/// One gateway's records.
#[derive(Debug)]
pub struct Source {
    region: String,
    batches: Batches,
    rows: BTreeMap<Key, Row>,
    /// The batch that was read ahead: everything before its earliest time is complete.
    ahead: Option<(Wall, BTreeMap<Key, Row>)>,
    ended: bool,
}

/// A gateway did not answer to the end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lost {
    /// Its region.
    pub region: String,
}

impl Source {
    /// What this gateway holds.
    pub fn own(region: String, history: History) -> Self {
        Self::new(region, Batches::Own(Box::new(history)))
    }

    /// What a peer holds.
    pub fn peer(region: String, stream: tonic::Streaming<proto::HistoryChunk>) -> Self {
        Self::new(region, Batches::Peer(Box::new(stream), VecDeque::new()))
    }

    fn new(region: String, batches: Batches) -> Self {
        Self { region, batches, rows: BTreeMap::new(), ahead: None, ended: false }
    }

    /// Its next record, not taken out.
    async fn peek(&mut self) -> Result<Option<Key>, Lost> {
        loop {
            let first = self.rows.first_key_value().map(|(key, _)| *key);
            match (first, &self.ahead) {
                (Some(key), Some((earliest, _))) if key.t < *earliest => return Ok(Some(key)),
                (_, Some(_)) => {
                    if let Some((_, rows)) = self.ahead.take() {
                        self.rows.extend(rows);
                    }
                }
                (first, None) if self.ended => return Ok(first),
                (_, None) => self.read_ahead().await?,
            }
        }
    }

    async fn read_ahead(&mut self) -> Result<(), Lost> {
        let Some((spool, received, columns)) = self.next_batch().await? else {
            self.ended = true;
            return Ok(());
        };
        let telemetry = match decode_columns(&columns) {
            Ok(telemetry) => telemetry,
            Err(error) => {
                tracing::error!(%error, region = self.region, "a stored batch cannot be read; it is left out");
                return Ok(());
            }
        };
        let rows: BTreeMap<Key, Row> = (telemetry.first_seq..)
            .zip(telemetry.records)
            .map(|(seq, record)| (Key { t: record.t, spool, seq }, Row { received, record }))
            .collect();
        if let Some(key) = rows.keys().next() {
            self.ahead = Some((key.t, rows));
        }
        Ok(())
    }

    async fn next_batch(&mut self) -> Result<Option<(u64, Wall, Vec<u8>)>, Lost> {
        let lost = || Lost { region: self.region.clone() };
        match &mut self.batches {
            Batches::Own(history) => loop {
                match history.next().await {
                    Ok(Some(Ok(batch))) => return Ok(Some((batch.spool.0, batch.received, batch.columns))),
                    Ok(Some(Err(damaged))) => tracing::error!(%damaged, "a stored batch is damaged"),
                    Ok(None) => return Ok(None),
                    Err(error) => {
                        tracing::error!(%error, "history cannot be read");
                        return Err(lost());
                    }
                }
            },
            Batches::Peer(stream, waiting) => loop {
                if let Some(batch) = waiting.pop_front() {
                    return Ok(Some((batch.spool, Wall(batch.received_ms), batch.columns.into())));
                }
                match tokio::time::timeout(DEADLINE, stream.message()).await {
                    Ok(Ok(Some(chunk))) => waiting.extend(chunk.batches),
                    Ok(Ok(None)) => return Ok(None),
                    Ok(Err(_)) | Err(_) => return Err(lost()),
                }
            },
        }
    }
}

/// The records of all sources, each once.
#[derive(Debug)]
pub struct Merge {
    sources: Vec<Source>,
    from: Wall,
    to: Wall,
    after: Option<Key>,
    /// Regions that did not answer to the end.
    pub lost: Vec<String>,
}

impl Merge {
    /// Records with `from <= t < to` that stand after `after`.
    pub fn new(sources: Vec<Source>, from: Wall, to: Wall, after: Option<Key>) -> Self {
        Self { sources, from, to, after, lost: Vec::new() }
    }

    /// The next record.
    pub async fn next(&mut self) -> Option<(Key, Row)> {
        loop {
            let mut least: Option<Key> = None;
            let mut at = 0;
            while at < self.sources.len() {
                match self.sources[at].peek().await {
                    Ok(key) => {
                        least = [least, key].into_iter().flatten().min();
                        at += 1;
                    }
                    Err(Lost { region }) => {
                        self.sources.remove(at);
                        self.lost.push(region);
                    }
                }
            }
            let key = least?;
            let mut taken = None;
            for source in &mut self.sources {
                taken = source.rows.remove(&key).or(taken);
            }
            let wanted = self.from <= key.t && key.t < self.to && self.after.is_none_or(|after| key > after);
            if let Some(row) = taken.filter(|_| wanted) {
                self.after = Some(key);
                return Some((key, row));
            }
            if key.t >= self.to {
                return None;
            }
        }
    }
}
