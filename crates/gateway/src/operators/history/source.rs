//! One gateway's records of a vehicle, as they come.
//!
//! A gateway gives batches in the order of their earliest time; batches may overlap. A record is ready once nothing
//! earlier can come. If more overlaps than may be held, the latest records are let go and asked for again when
//! everything before them has left.

use super::{Key, Patience, Row, Span};
use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use std::collections::BTreeMap;
use tokio::time::Instant;
use waygate_core::record::SignalValue;
use waygate_core::time::Wall;
use waygate_wire::decode_columns;
use waygate_wire::operator::MissingSource;
use waygate_wire::proto::{HistoryChunk, StoredBatch};

/// Batches, a few at a time, or why there are no more.
pub type Pieces = BoxStream<'static, Result<HistoryChunk, String>>;

/// Begins to read what stands after a record, or at the beginning.
type Opener = Box<dyn Fn(Option<Key>) -> Pieces + Send + Sync>;

/// What a record costs in memory beyond its signals.
const ROW_COST_BYTES: usize = 192;

/// What a signal costs beyond its text: its path is shared within a batch.
const SIGNAL_COST_BYTES: usize = 64;

/// A source did not answer to the end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lost(pub MissingSource);

/// One gateway's records.
pub struct Source {
    /// Named where it is missing.
    gateway: String,
    region: String,
    open: Opener,
    span: Span,
    /// None is not waited for less than it takes.
    patience: Option<Patience>,
    pieces: Pieces,
    /// Batches of the last piece that were not opened yet, the next one last.
    waiting: Vec<StoredBatch>,
    rows: BTreeMap<Key, Row>,
    held: usize,
    held_max: usize,
    /// Nothing that is still to come is earlier.
    watermark: Option<Wall>,
    /// The first record that was let go.
    let_go: Option<Key>,
    ended: bool,
    /// Something of it could not be read.
    damaged: bool,
}

impl std::fmt::Debug for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Source").field("gateway", &self.gateway).field("rows", &self.rows.len()).finish_non_exhaustive()
    }
}

impl Source {
    /// What a gateway holds within a span.
    pub fn new(
        (gateway, region): (String, String),
        span: Span,
        patience: Option<Patience>,
        open: impl Fn(Option<Key>) -> Pieces + Send + Sync + 'static,
    ) -> Self {
        let pieces = open(span.after);
        Self {
            gateway,
            region,
            open: Box::new(open),
            span,
            patience,
            pieces,
            waiting: Vec::new(),
            rows: BTreeMap::new(),
            held: 0,
            held_max: 0,
            watermark: None,
            let_go: None,
            ended: false,
            damaged: false,
        }
    }

    /// Itself, if something of it could not be read and is left out.
    pub fn lacks(&self) -> Option<MissingSource> {
        self.damaged.then(|| self.missing("some of what it stored is damaged, and left out".to_owned()))
    }

    fn missing(&self, why: String) -> MissingSource {
        MissingSource { gateway: Some(self.gateway.clone()), region: self.region.clone(), why }
    }

    /// It holds no more than so many bytes, but always one record and the batch it opens.
    pub fn hold_at_most(&mut self, bytes: usize) {
        self.held_max = bytes;
    }

    /// How much it holds, as it lies in memory.
    pub fn held_bytes(&self) -> usize {
        self.held
    }

    /// Whether its next record is known, or that there is none.
    pub fn is_ready(&self) -> bool {
        match self.rows.first_key_value() {
            Some((key, _)) => self.ended || self.watermark.is_some_and(|watermark| key.t < watermark),
            None => self.ended && self.let_go.is_none(),
        }
    }

    /// Whether nothing is to come of it any more; it stays so.
    pub fn is_exhausted(&self) -> bool {
        self.ended && self.rows.is_empty() && self.let_go.is_none()
    }

    /// Its next record, if it is ready.
    pub fn first(&self) -> Option<Key> {
        self.rows.first_key_value().map(|(key, _)| *key).filter(|_| self.is_ready())
    }

    /// Takes a record out, if it is there. Nothing up to it is wanted any more.
    pub fn take(&mut self, key: Key) -> Option<Row> {
        self.span.after = Some(key);
        let row = self.rows.remove(&key)?;
        self.held = self.held.saturating_sub(cost(&row));
        Some(row)
    }

    /// Reads on until its next record is known.
    pub async fn fill(&mut self) -> Result<(), Lost> {
        while !self.is_ready() {
            let all_left = |let_go: Key| self.ended || self.watermark.is_some_and(|watermark| watermark > let_go.t);
            if self.rows.is_empty() && self.let_go.is_some_and(all_left) {
                self.read_again();
            }
            match self.waiting.pop() {
                Some(batch) => self.take_in(&batch),
                None => self.read_on().await?,
            }
        }
        Ok(())
    }

    fn read_again(&mut self) {
        self.pieces = (self.open)(self.span.after);
        self.waiting.clear();
        (self.watermark, self.let_go, self.ended) = (None, None, false);
    }

    async fn read_on(&mut self) -> Result<(), Lost> {
        let asked = Instant::now();
        let next = match self.patience {
            Some(patience) => tokio::time::timeout(patience.left(), self.pieces.next()).await,
            None => Ok(self.pieces.next().await),
        };
        let why = match next {
            Ok(Some(Ok(HistoryChunk { mut batches, damaged }))) => {
                self.damaged |= damaged > 0;
                if let Some(patience) = &mut self.patience {
                    let bytes = batches.iter().map(|batch| batch.columns.len()).sum();
                    patience.spend(asked.elapsed(), bytes);
                }
                batches.reverse();
                self.waiting = batches;
                return Ok(());
            }
            Ok(None) => {
                self.ended = true;
                return Ok(());
            }
            Ok(Some(Err(why))) => why,
            Err(_) => {
                let most = self.patience.map_or(0.0, |patience| patience.most().as_secs_f64());
                format!("it kept the answer waiting for more than {most} s")
            }
        };
        // What came of it stands; what was let go is not asked for again.
        self.pieces = futures_util::stream::empty().boxed();
        (self.ended, self.let_go) = (true, None);
        Err(Lost(self.missing(why)))
    }

    fn take_in(&mut self, batch: &StoredBatch) {
        let telemetry = match decode_columns(&batch.columns) {
            Ok(telemetry) => telemetry,
            Err(error) => {
                self.damaged = true;
                tracing::error!(%error, gateway = self.gateway, "a stored batch cannot be read; it is left out");
                return;
            }
        };
        let Some(earliest) = telemetry.records.iter().map(|record| record.t).min() else { return };
        self.watermark = Some(earliest);
        if earliest >= self.span.to {
            self.pieces = futures_util::stream::empty().boxed();
            self.waiting.clear();
            self.ended = true;
            return;
        }
        for (seq, record) in (telemetry.first_seq..).zip(telemetry.records) {
            let key = Key { t: record.t, spool: batch.spool, seq };
            if self.span.holds(key) && self.let_go.is_none_or(|let_go| key < let_go) {
                self.hold(key, Row { received: Wall(batch.received_ms), record });
            }
        }
    }

    fn hold(&mut self, key: Key, row: Row) {
        self.held += cost(&row);
        if let Some(double) = self.rows.insert(key, row) {
            self.held = self.held.saturating_sub(cost(&double));
        }
        while self.held > self.held_max
            && self.rows.len() > 1
            && let Some((latest, row)) = self.rows.pop_last()
        {
            self.held = self.held.saturating_sub(cost(&row));
            self.let_go = Some(latest);
        }
    }
}

fn cost(row: &Row) -> usize {
    let text = |value: &SignalValue| match value {
        SignalValue::Text(text) => text.len(),
        SignalValue::Number(_) | SignalValue::Integer(_) | SignalValue::Flag(_) => 0,
    };
    let signals = row.record.signals.iter().map(|(_, value)| SIGNAL_COST_BYTES + text(value));
    ROW_COST_BYTES + signals.sum::<usize>()
}
