//! Presence, commands and transitions as bytes of a journal entry; the vehicle's number stands before them.

use crate::bytes::{Bytes, put_bytes, put_i64, put_option, put_u64};
use crate::write::{CommandRecord, PresenceRecord, TransitionRecord};
use waygate_core::cell::Cell;
use waygate_core::epoch::Epoch;
use waygate_core::id::{Incarnation, NodeId, RegionId, SessionId, SpoolId, VehicleId};
use waygate_core::time::{Millis, Wall};

pub(crate) fn put_presence(out: &mut Vec<u8>, record: &PresenceRecord) {
    put_u64(out, record.epoch.0);
    put_u64(out, record.session.0);
    out.push(record.state);
    put_u64(out, u64::from(record.cause));
    put_option(out, record.cell.map(Cell::index));
    put_i64(out, record.contact.0);
    put_option(out, record.spool.map(|s| s.0));
    put_u64(out, record.sleep.0);
    out.push(record.wake);
    out.push(record.flags);
}

pub(crate) fn take_presence(bytes: &mut Bytes<'_>, vehicle: VehicleId) -> Option<PresenceRecord> {
    let mut record = PresenceRecord {
        vehicle,
        epoch: Epoch(bytes.u64()?),
        session: SessionId(bytes.u64()?),
        state: bytes.u8()?,
        cause: u32::try_from(bytes.u64()?).ok()?,
        cell: bytes.option()?.and_then(Cell::from_index),
        contact: Wall(bytes.i64()?),
        spool: bytes.option()?.map(SpoolId),
        sleep: Millis(0),
        wake: 0,
        flags: 0,
    };
    // A program of schema version 1 ended here; its rows may still be unfolded.
    if !bytes.0.is_empty() {
        record.sleep = Millis(bytes.u64()?);
        record.wake = bytes.u8()?;
        record.flags = bytes.u8()?;
    }
    Some(record)
}

pub(crate) fn put_command(out: &mut Vec<u8>, record: &CommandRecord) {
    out.extend_from_slice(&record.id.to_le_bytes());
    out.push(u8::from(record.ended));
    put_i64(out, record.expires.0);
    put_i64(out, record.updated.0);
    put_bytes(out, &record.body);
}

pub(crate) fn take_command(bytes: &mut Bytes<'_>, vehicle: VehicleId) -> Option<CommandRecord> {
    Some(CommandRecord {
        id: u128::from_le_bytes(*bytes.take(16)?.first_chunk()?),
        vehicle,
        ended: match bytes.u8()? {
            0 => false,
            1 => true,
            _ => return None,
        },
        expires: Wall(bytes.i64()?),
        updated: Wall(bytes.i64()?),
        body: bytes.bytes()?.to_vec(),
    })
}

pub(crate) fn put_transition(out: &mut Vec<u8>, record: &TransitionRecord) {
    put_i64(out, record.at.0);
    put_bytes(out, record.owner.as_str().as_bytes());
    put_bytes(out, record.region.as_str().as_bytes());
    put_u64(out, record.incarnation.0);
    put_u64(out, record.seq);
    put_u64(out, record.epoch.0);
    put_u64(out, record.session.0);
    out.push(record.state);
    put_u64(out, u64::from(record.cause));
    put_option(out, record.cell.map(Cell::index));
    out.push(record.flags);
}

pub(crate) fn take_transition(bytes: &mut Bytes<'_>, vehicle: VehicleId) -> Option<TransitionRecord> {
    Some(TransitionRecord {
        vehicle,
        at: Wall(bytes.i64()?),
        owner: NodeId::new(take_text(bytes)?).ok()?,
        region: RegionId::new(take_text(bytes)?).ok()?,
        incarnation: Incarnation(bytes.u64()?),
        seq: bytes.u64()?,
        epoch: Epoch(bytes.u64()?),
        session: SessionId(bytes.u64()?),
        state: bytes.u8()?,
        cause: u32::try_from(bytes.u64()?).ok()?,
        cell: bytes.option()?.and_then(Cell::from_index),
        flags: bytes.u8()?,
    })
}

fn take_text<'a>(bytes: &mut Bytes<'a>) -> Option<&'a str> {
    std::str::from_utf8(bytes.bytes()?).ok()
}
