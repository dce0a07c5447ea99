//! One entry of a presence log ⇄ its bytes, with what a later version says in it.

use crate::proto;
use crate::rest::{unknown_fields, varint_field};
use prost::Message;
use prost::bytes::Bytes;
use waygate_core::cause::DetachCause;
use waygate_core::cell::Cell;
use waygate_core::epoch::Epoch;
use waygate_core::id::{SessionId, VehicleId};
use waygate_core::limits::SYNC_REST_BYTES_MAX;
use waygate_core::log::{LiveState, Rest};
use waygate_core::sync::AgedEntry;
use waygate_core::time::Millis;
use waygate_core::wake::WakeChannels;

/// Two units seem to use the identity.
const FLAG_CLONED: u32 = 1;

/// Channels that are kept as they are, known or not.
const WAKE_BITS: u32 = 0xff;

/// Fields of an Entry that this version knows: 1 to this.
const FIELDS: u64 = 11;
const WAKE_FIELD: u8 = 10;
const FLAGS_FIELD: u8 = 11;

/// Entries as far as they could be read.
#[derive(Debug, Default)]
pub(super) struct ReadEntries {
    /// Those that could.
    pub entries: Vec<AgedEntry>,
    /// How many could not.
    pub skipped: usize,
    /// How many say more than is kept.
    pub shortened: usize,
}

pub(super) fn entries_to_proto(entries: Vec<AgedEntry>) -> Vec<Bytes> {
    entries.into_iter().map(entry_to_proto).collect()
}

pub(super) fn entries_from_proto(entries: &[Bytes]) -> ReadEntries {
    let mut read = ReadEntries { entries: Vec::with_capacity(entries.len()), ..ReadEntries::default() };
    for bytes in entries {
        match proto::Entry::decode(bytes.clone()).ok().and_then(|entry| entry_from_proto(bytes, entry)) {
            Some((entry, whole)) => {
                read.shortened += usize::from(!whole);
                read.entries.push(entry);
            }
            None => read.skipped += 1,
        }
    }
    read
}

fn entry_to_proto(entry: AgedEntry) -> Bytes {
    let rest = entry.rest.as_deref();
    let wire = proto::Entry {
        vehicle: entry.vehicle.into(),
        epoch: entry.epoch.0,
        session: entry.session.0,
        seq: entry.seq,
        state: state_to_proto(entry.state).into(),
        cause: entry.cause.map(DetachCause::number).or(rest.map(|rest| rest.cause)).unwrap_or(0),
        cell: entry.cell.map(Cell::index).or(rest.map(|rest| rest.cell)).unwrap_or(0),
        contact_age_ms: entry.age.0,
        sleep_s: crate::convert::seconds(entry.sleep),
        wake: entry.wake.bits().into(),
        flags: if entry.cloned { FLAG_CLONED } else { 0 },
    };
    let fields: &[u8] = rest.map_or(&[], |rest| &rest.fields);
    let mut bytes = Vec::with_capacity(wire.encoded_len() + fields.len());
    // A vector grows as needed: this cannot fail.
    let _ = wire.encode(&mut bytes);
    // Of a field that is there twice, the last one counts: channels and flags with all their bits are among these.
    bytes.extend_from_slice(fields);
    bytes.into()
}

/// The entry, and whether all that it says is kept; `None` if it cannot be read.
fn entry_from_proto(bytes: &[u8], wire: proto::Entry) -> Option<(AgedEntry, bool)> {
    let (cause, cell) = (DetachCause::from_number(wire.cause), Cell::from_told(wire.cell));
    let (rest, whole) = rest_of(bytes, &wire, cause, cell);
    let entry = AgedEntry {
        vehicle: VehicleId::new(&wire.vehicle).ok()?,
        seq: wire.seq,
        epoch: Epoch(wire.epoch),
        session: SessionId(wire.session),
        state: state_from_proto(proto::EntryState::try_from(wire.state).ok()?)?,
        cause,
        cell,
        age: Millis(wire.contact_age_ms),
        sleep: Millis::secs(wire.sleep_s.into()),
        wake: WakeChannels::from_bits((wire.wake & WAKE_BITS) as u8),
        cloned: wire.flags & FLAG_CLONED != 0,
        rest,
    };
    Some((entry, whole))
}

fn rest_of(
    bytes: &[u8],
    wire: &proto::Entry,
    cause: Option<DetachCause>,
    cell: Option<Cell>,
) -> (Option<Box<Rest>>, bool) {
    // What is as long as this version would write it holds nothing else.
    let mut fields = if wire.encoded_len() == bytes.len() { Vec::new() } else { unknown_fields(bytes, FIELDS) };
    if wire.wake & !WAKE_BITS != 0 {
        varint_field(WAKE_FIELD, wire.wake.into(), &mut fields);
    }
    if wire.flags & !FLAG_CLONED != 0 {
        varint_field(FLAGS_FIELD, wire.flags.into(), &mut fields);
    }
    let whole = fields.len() <= SYNC_REST_BYTES_MAX;
    if !whole {
        fields = Vec::new();
    }
    let cause = if cause.is_none() { wire.cause } else { 0 };
    let cell = if cell.is_none() { wire.cell } else { 0 };
    let rest = Rest { cause, cell, fields: fields.into() };
    ((rest != Rest::default()).then(|| Box::new(rest)), whole)
}

fn state_to_proto(state: LiveState) -> proto::EntryState {
    match state {
        LiveState::Connected => proto::EntryState::Connected,
        LiveState::Idle => proto::EntryState::Idle,
        LiveState::Asleep => proto::EntryState::Asleep,
        LiveState::Unreachable => proto::EntryState::Unreachable,
        LiveState::Detached => proto::EntryState::Detached,
        LiveState::Removed => proto::EntryState::Removed,
    }
}

fn state_from_proto(state: proto::EntryState) -> Option<LiveState> {
    match state {
        proto::EntryState::Connected => Some(LiveState::Connected),
        proto::EntryState::Idle => Some(LiveState::Idle),
        proto::EntryState::Unreachable => Some(LiveState::Unreachable),
        proto::EntryState::Detached => Some(LiveState::Detached),
        proto::EntryState::Removed => Some(LiveState::Removed),
        proto::EntryState::Asleep => Some(LiveState::Asleep),
        proto::EntryState::Unspecified => None,
    }
}
