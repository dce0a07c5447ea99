//! The telemetry of one vehicle, batch by batch in the order of their earliest time.
//!
//! Batches lie in blocks and in the unfolded tail, and blocks overlap in time when a vehicle sent a backlog.
//! The stream merges them: it opens a block when the next batch could be in it, so that memory holds the
//! blocks that overlap at one time and no more. If more overlap than may be held, as those of a vehicle whose
//! clock began anew with every start, the latest batches are let go and read again when their turn comes. It
//! sees what was committed when it was opened; what comes later may or may not be seen.

use crate::bytes::Bytes;
use crate::reader::{ReadError, Reader};
use crate::sealed::{self, Unsealable};
use crate::tail::TailBatch;
use sqlx::Row;
use std::collections::{BTreeSet, HashSet, VecDeque};
use waygate_core::id::{SpoolId, VehicleId};
use waygate_core::time::Wall;

/// A batch as it was written.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct StoredBatch {
    /// Earliest device time.
    pub t_min: Wall,
    /// The spool its numbers are counted in.
    pub spool: SpoolId,
    /// Lowest sequence number.
    pub first_seq: u64,
    /// Highest sequence number.
    pub last_seq: u64,
    /// Latest device time.
    pub t_max: Wall,
    /// The gateway's clock at arrival.
    pub received: Wall,
    /// Records in `columns`.
    pub count: u32,
    /// The records, as the writer was given them.
    pub columns: Vec<u8>,
}

/// A batch is not what was written: its checksum does not hold. Those beside it are not concerned.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a batch of vehicle {vehicle} is damaged on disk ({place}); it is left out, the others are sound")]
pub struct DamagedBatch {
    /// Whose it was.
    pub vehicle: VehicleId,
    /// Where it lies.
    pub place: Place,
}

/// Where in the database a batch lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// A row of the table `block` and the byte the batch begins at.
    Block {
        /// The row.
        id: i64,
        /// The byte.
        at: usize,
    },
    /// In memory, not folded yet.
    Tail,
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Block { id, at } => write!(f, "block {id}, byte {at}"),
            Self::Tail => f.write_str("not folded yet"),
        }
    }
}

/// The batches of one vehicle within a time, in the order of their earliest time.
#[derive(Debug)]
pub struct History {
    reader: Reader,
    vehicle: VehicleId,
    /// Its number, if it is in the tables.
    number: Option<i64>,
    from: Wall,
    to: Wall,
    /// The unfolded batches when the history was opened, by earliest time.
    tail: Vec<TailBatch>,
    /// How many of them were opened.
    tail_opened: usize,
    /// Which those are: a fold may put them into blocks while the history is read.
    from_tail: HashSet<(SpoolId, u64)>,
    /// Blocks that were read and not opened yet, by earliest time.
    blocks: VecDeque<Block>,
    /// Where the next page of blocks begins; none once all were read.
    next_block: Option<(Wall, i64)>,
    /// Batches of opened blocks.
    ready: BTreeSet<StoredBatch>,
    /// How large they are.
    held: Held,
    /// The last batch that was given out: nothing at or before it is opened again.
    given: Option<Position>,
    /// The earliest batch that was let go: from here on all is read again.
    let_go: Option<Position>,
    damaged: VecDeque<DamagedBatch>,
    /// Which of those in blocks were told of: each is once, however often its block is read.
    told: BTreeSet<(i64, usize)>,
}

/// Where a batch stands in the order of a history: earliest time, spool, first number.
type Position = (Wall, SpoolId, u64);

/// Bytes of batches that are held, and the most that were.
#[derive(Clone, Copy, Debug, Default)]
struct Held {
    bytes: usize,
    peak: usize,
    max: usize,
}

/// Bytes of the batches that a history holds at most, but always one: some blocks for each of hundreds of drives that
/// overlap are within it.
const HELD_BYTES_MAX: usize = 4 * 1024 * 1024;

/// What a batch costs beyond its columns.
const BATCH_COST_BYTES: usize = 128;

impl StoredBatch {
    fn position(&self) -> Position {
        (self.t_min, self.spool, self.first_seq)
    }

    fn cost(&self) -> usize {
        self.columns.len() + BATCH_COST_BYTES
    }
}

#[derive(Debug)]
struct Block {
    id: i64,
    spool: SpoolId,
    t_min: Wall,
    body: Vec<u8>,
}

/// Blocks read in one statement: with blocks of about 8 KiB this is half a mebibyte.
const BLOCKS_PAGE: i64 = 64;

impl History {
    pub(crate) async fn open(reader: Reader, vehicle: &VehicleId, from: Wall, to: Wall) -> Result<Self, ReadError> {
        // The tail first: a batch that is folded from here on is found twice, not missed.
        let wanted = |batch: &&TailBatch| batch.at.t_min < to && batch.at.t_max >= from;
        let mut tail: Vec<TailBatch> =
            reader.tail.read().of(vehicle).flat_map(|tail| tail.batches().iter().filter(wanted).cloned()).collect();
        tail.sort_by_key(|batch| (batch.at.t_min, batch.spool, batch.at.first_seq));
        let from_tail = tail.iter().map(|batch| (batch.spool, batch.at.first_seq)).collect();
        let number = sqlx::query_scalar("SELECT id FROM vehicle WHERE name = ?1");
        let number = number.bind(vehicle.as_str()).fetch_optional(&reader.pool).await;
        let number: Option<i64> = number.map_err(|e| reader.failed(e))?;
        let vehicle = vehicle.clone();
        let next_block = number.map(|_| (Wall(i64::MIN), i64::MIN));
        Ok(Self {
            reader,
            vehicle,
            number,
            from,
            to,
            tail,
            tail_opened: 0,
            from_tail,
            blocks: VecDeque::new(),
            next_block,
            ready: BTreeSet::new(),
            held: Held { max: HELD_BYTES_MAX, ..Held::default() },
            given: None,
            let_go: None,
            damaged: VecDeque::new(),
            told: BTreeSet::new(),
        })
    }

    /// Holds at most so many bytes of batches, but always one.
    #[must_use]
    pub fn holding(mut self, bytes_max: usize) -> Self {
        self.held.max = bytes_max;
        self
    }

    /// The most bytes of batches that were held at once.
    pub fn held_bytes_peak(&self) -> usize {
        self.held.peak
    }

    /// The next batch, or a damaged one in its place; none at the end.
    ///
    /// After an error it may be called again and goes on where it was.
    pub async fn next(&mut self) -> Result<Option<Result<StoredBatch, DamagedBatch>>, ReadError> {
        loop {
            if self.blocks.is_empty() && self.next_block.is_some() {
                self.read_blocks().await?;
                continue;
            }
            if let Some(damaged) = self.damaged.pop_front() {
                return Ok(Some(Err(damaged)));
            }
            let of_block = self.blocks.front().map(|block| block.t_min);
            let of_tail = self.tail.get(self.tail_opened).map(|batch| batch.at.t_min);
            let of_ready = self.ready.first().map(|batch| batch.t_min);
            let earliest = [of_block, of_tail, of_ready].into_iter().flatten().min();
            if let Some((again, _, _)) = self.let_go
                && earliest.is_none_or(|earliest| of_ready.is_none() && earliest > again)
            {
                self.read_again(again);
                continue;
            }
            let Some(earliest) = earliest else {
                return Ok(None);
            };
            if of_block == Some(earliest) {
                self.open_block();
            } else if of_tail == Some(earliest) {
                self.open_tail();
            } else if let Some(batch) = self.ready.pop_first() {
                self.held.bytes = self.held.bytes.saturating_sub(batch.cost());
                self.given = Some(batch.position());
                return Ok(Some(Ok(batch)));
            }
        }
    }

    /// Begins anew with what was let go: it stands at this time or after it.
    fn read_again(&mut self, from: Wall) {
        self.from = self.from.max(from);
        self.let_go = None;
        self.tail_opened = 0;
        self.blocks.clear();
        self.next_block = self.number.map(|_| (Wall(i64::MIN), i64::MIN));
    }

    /// Holds a batch, unless it was given out or is read again; lets the latest go if that is more than may be held.
    fn hold(&mut self, batch: StoredBatch) {
        let position = Some(batch.position());
        if position <= self.given || self.let_go.is_some_and(|let_go| position >= Some(let_go)) {
            return;
        }
        self.held.bytes += batch.cost();
        self.ready.insert(batch);
        while self.held.bytes > self.held.max
            && self.ready.len() > 1
            && let Some(latest) = self.ready.pop_last()
        {
            self.held.bytes = self.held.bytes.saturating_sub(latest.cost());
            self.let_go = Some(latest.position());
        }
        self.held.peak = self.held.peak.max(self.held.bytes);
    }

    async fn read_blocks(&mut self) -> Result<(), ReadError> {
        let (Some(number), Some((t_min, id))) = (self.number, self.next_block) else { return Ok(()) };
        let sql = "SELECT id, spool, t_min, body FROM block \
                   WHERE vehicle = ?1 AND (t_min, id) > (?2, ?3) AND t_min < ?4 AND t_max >= ?5 \
                   ORDER BY t_min, id LIMIT ?6";
        let query = sqlx::query(sql).bind(number).bind(t_min.0).bind(id).bind(self.to.0).bind(self.from.0);
        let rows = query.bind(BLOCKS_PAGE).fetch_all(&self.reader.pool).await;
        let rows = rows.map_err(|e| self.reader.failed(e))?;
        for row in &rows {
            let block = read_block(row).map_err(|e| self.reader.failed(e))?;
            self.blocks.push_back(block);
        }
        let full = rows.len() as i64 == BLOCKS_PAGE;
        self.next_block = self.blocks.back().filter(|_| full).map(|block| (block.t_min, block.id));
        Ok(())
    }

    fn open_block(&mut self) {
        let Some(block) = self.blocks.pop_front() else { return };
        let Some(number) = self.number else { return };
        let mut bytes = Bytes(&block.body);
        while !bytes.0.is_empty() {
            let at = block.body.len() - bytes.0.len();
            match sealed::unseal(&mut bytes, number, block.spool) {
                Ok(batch) => {
                    let wanted = batch.t_min < self.to && batch.t_max >= self.from;
                    if wanted && !self.from_tail.contains(&(block.spool, batch.first_seq)) {
                        self.hold(batch.stored(block.spool));
                    }
                }
                Err(unsealable) => {
                    if self.told.insert((block.id, at)) {
                        let place = Place::Block { id: block.id, at };
                        self.damaged.push_back(DamagedBatch { vehicle: self.vehicle.clone(), place });
                    }
                    if unsealable == Unsealable::Framing {
                        break;
                    }
                }
            }
        }
    }

    fn open_tail(&mut self) {
        let Some(batch) = self.tail.get(self.tail_opened) else { return };
        let position = (batch.at.t_min, batch.spool, batch.at.first_seq);
        let wanted = Some(position) > self.given && self.let_go.is_none_or(|let_go| position < let_go);
        let opened = wanted.then(|| {
            let sealed = sealed::unseal(&mut Bytes(batch.sealed()), batch.vehicle, batch.spool);
            sealed.map(|sealed| sealed.stored(batch.spool))
        });
        self.tail_opened += 1;
        match opened {
            Some(Ok(batch)) => self.hold(batch),
            Some(Err(Unsealable::Checksum | Unsealable::Framing)) => {
                self.damaged.push_back(DamagedBatch { vehicle: self.vehicle.clone(), place: Place::Tail });
            }
            None => {}
        }
    }
}

fn read_block(row: &sqlx::sqlite::SqliteRow) -> sqlx::Result<Block> {
    Ok(Block {
        id: row.try_get(0)?,
        spool: SpoolId(row.try_get::<i64, _>(1)? as u64),
        t_min: Wall(row.try_get(2)?),
        body: row.try_get(3)?,
    })
}
