//! A batch as it lies on disk: a short header, the columns, a checksum.
//!
//! The same bytes stand in the journal and in a block, so that folding copies and never rewrites. The
//! checksum also covers the vehicle and the spool, which are not among the bytes: a batch that turns up
//! under another vehicle is damaged, not someone else's data.

use crate::bytes::{Bytes, put_bytes, put_i64, put_u64};
use crate::history::StoredBatch;
use crate::write::Batch;
use waygate_core::id::SpoolId;
use waygate_core::time::Wall;

/// The header of a sealed batch and its columns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Sealed<'a> {
    pub(crate) first_seq: u64,
    pub(crate) last_seq: u64,
    pub(crate) t_min: Wall,
    pub(crate) t_max: Wall,
    pub(crate) received: Wall,
    pub(crate) count: u32,
    pub(crate) columns: &'a [u8],
}

impl Sealed<'_> {
    pub(crate) fn stored(&self, spool: SpoolId) -> StoredBatch {
        StoredBatch {
            t_min: self.t_min,
            spool,
            first_seq: self.first_seq,
            last_seq: self.last_seq,
            t_max: self.t_max,
            received: self.received,
            count: self.count,
            columns: self.columns.to_vec(),
        }
    }
}

const CHECKSUM_BYTES: usize = 4;

/// The sealed bytes are not what was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unsealable {
    /// The length is intact, so the batches after this one can be read.
    Checksum,
    /// Not even the length can be trusted.
    Framing,
}

/// Appends the sealed form of `batch` of the vehicle with this number.
pub(crate) fn seal(out: &mut Vec<u8>, vehicle: i64, batch: &Batch) {
    let mut body = Vec::with_capacity(batch.columns.len() + 40);
    put_u64(&mut body, batch.first_seq);
    put_u64(&mut body, batch.last_seq - batch.first_seq);
    put_i64(&mut body, batch.t_min.0);
    put_u64(&mut body, batch.t_max.0.wrapping_sub(batch.t_min.0) as u64);
    put_i64(&mut body, batch.received.0.wrapping_sub(batch.t_max.0));
    put_u64(&mut body, u64::from(batch.count));
    body.extend_from_slice(&batch.columns);
    put_bytes(out, &body);
    out.extend_from_slice(&checksum(vehicle, batch.spool, &body).to_le_bytes());
}

/// Reads the sealed batch at the front of `bytes` and leaves what follows it.
pub(crate) fn unseal<'a>(bytes: &mut Bytes<'a>, vehicle: i64, spool: SpoolId) -> Result<Sealed<'a>, Unsealable> {
    let body = bytes.bytes().ok_or(Unsealable::Framing)?;
    let sum = bytes.take(CHECKSUM_BYTES).ok_or(Unsealable::Framing)?;
    if checksum(vehicle, spool, body).to_le_bytes() != sum {
        return Err(Unsealable::Checksum);
    }
    read(body).ok_or(Unsealable::Checksum)
}

fn read(body: &[u8]) -> Option<Sealed<'_>> {
    let mut bytes = Bytes(body);
    let first_seq = bytes.u64()?;
    let last_seq = first_seq.checked_add(bytes.u64()?)?;
    let t_min = bytes.i64()?;
    let t_max = t_min.wrapping_add(bytes.u64()? as i64);
    let received = t_max.wrapping_add(bytes.i64()?);
    let count = u32::try_from(bytes.u64()?).ok()?;
    let (t_min, t_max, received) = (Wall(t_min), Wall(t_max), Wall(received));
    Some(Sealed { first_seq, last_seq, t_min, t_max, received, count, columns: bytes.0 })
}

fn checksum(vehicle: i64, spool: SpoolId, body: &[u8]) -> u32 {
    let mut sum = crc32fast::Hasher::new();
    sum.update(&vehicle.to_le_bytes());
    sum.update(&spool.0.to_le_bytes());
    sum.update(body);
    sum.finalize()
}
