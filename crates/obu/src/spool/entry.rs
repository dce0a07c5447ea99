//! The entries of a spool's files: `length (u32 LE), CRC-32 (u32 LE), payload`; the payload begins with its kind.

use super::Token;
use std::collections::VecDeque;
use waygate_core::command::CommandId;
use waygate_core::id::SpoolId;
use waygate_core::limits::{COMMAND_IDS_REMEMBERED, FRAME_BYTES_MAX, SPOOL_RANGES_MAX};
use waygate_core::ranges::SeqRanges;
use waygate_core::record::{Lane, Record, Telemetry};
use waygate_core::time::Wall;

/// Bytes before the payload.
pub(super) const HEADER_BYTES: usize = 8;

/// No entry of a record is shorter: header, kind, number, count, time.
pub(super) const RECORD_ENTRY_BYTES_MIN: u64 = 16;

/// Longest payload: a record that fills a frame, or the state with as many ranges as are kept.
const PAYLOAD_BYTES_MAX: usize = FRAME_BYTES_MAX + (SPOOL_RANGES_MAX + COMMAND_IDS_REMEMBERED) * 16;

/// What is remembered beside the records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct State {
    pub(super) id: SpoolId,
    pub(super) last: u64,
    pub(super) settled: SeqRanges,
    pub(super) token: Option<Token>,
    /// Commands that were given, the oldest first.
    pub(super) commands: VecDeque<CommandId>,
}

impl State {
    /// Of a spool that begins.
    pub(super) fn new(id: SpoolId) -> Self {
        Self { id, last: 0, settled: SeqRanges::new(), token: None, commands: VecDeque::new() }
    }
}

/// One entry.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Entry {
    /// All that was remembered when a file was begun; the first entry of every file.
    State(State),
    /// A record, its number, and the unit's clock when it came.
    Record { seq: u64, added: Wall, record: Record },
    /// Numbers that need not be sent any more.
    Settled(SeqRanges),
    /// The token of an accept, or that it was forgotten.
    Token(Option<Token>),
    /// A command that was given.
    Command(CommandId),
}

/// What stands at a place of a file.
#[derive(Debug, PartialEq)]
pub(super) enum Found {
    /// An entry, and its length with the header.
    Entry(Entry, usize),
    /// The end.
    End,
    /// Bytes that are no entry: a torn write, or rot.
    Damaged,
}

impl Entry {
    /// Adds the entry to `out`.
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        let start = out.len();
        out.extend_from_slice(&[0; HEADER_BYTES]);
        match self {
            Self::State(state) => {
                out.push(b'Z');
                out.extend_from_slice(&state.id.0.to_le_bytes());
                out.extend_from_slice(&state.last.to_le_bytes());
                write_token(state.token.as_ref(), out);
                // As many as are remembered, which is far below 64 Ki.
                out.extend_from_slice(&(state.commands.len() as u16).to_le_bytes());
                for id in &state.commands {
                    out.extend_from_slice(&id.to_bytes());
                }
                write_ranges(&state.settled, out);
            }
            Self::Record { seq, added, record } => write_record(*seq, *added, record, out),
            Self::Settled(ranges) => {
                out.push(b'A');
                write_ranges(ranges, out);
            }
            Self::Token(token) => {
                out.push(b'T');
                write_token(token.as_ref(), out);
            }
            Self::Command(id) => {
                out.push(b'C');
                out.extend_from_slice(&id.to_bytes());
            }
        }
        let payload = &out[start + HEADER_BYTES..];
        let (length, crc) = (payload.len() as u32, crc32fast::hash(payload));
        out[start..start + 4].copy_from_slice(&length.to_le_bytes());
        out[start + 4..start + HEADER_BYTES].copy_from_slice(&crc.to_le_bytes());
    }

    /// Reads the entry that `bytes` begin with.
    pub(super) fn read(bytes: &[u8]) -> Found {
        if bytes.is_empty() {
            return Found::End;
        }
        let read = || {
            let (length, rest) = take_u32(bytes)?;
            let (crc, rest) = take_u32(rest)?;
            let length = usize::try_from(length).ok().filter(|l| *l <= PAYLOAD_BYTES_MAX)?;
            let payload = rest.get(..length).filter(|payload| crc32fast::hash(payload) == crc)?;
            Some((Self::parse(payload)?, HEADER_BYTES + length))
        };
        read().map_or(Found::Damaged, |(entry, length)| Found::Entry(entry, length))
    }

    fn parse(payload: &[u8]) -> Option<Self> {
        let (kind, rest) = payload.split_first()?;
        match kind {
            // 'S' is the state as it was before units took commands and wake-ups.
            b'S' | b'Z' => {
                let (id, rest) = take_u64(rest)?;
                let (last, rest) = take_u64(rest)?;
                let (token, rest) = take_token(rest)?;
                let (token, commands, rest) = match kind {
                    b'S' => (token, VecDeque::new(), rest),
                    _ => {
                        let (token, rest) = take_wake_key(token, rest)?;
                        let (commands, rest) = take_commands(rest)?;
                        (token, commands, rest)
                    }
                };
                Some(Self::State(State { id: SpoolId(id), last, settled: parse_ranges(rest)?, token, commands }))
            }
            b'R' => {
                let (added, rest) = take_u64(rest)?;
                let mut telemetry = waygate_wire::decode_columns(rest).ok()?;
                let record = telemetry.records.pop().filter(|_| telemetry.records.is_empty())?;
                Some(Self::Record { seq: telemetry.first_seq, added: Wall(added.cast_signed()), record })
            }
            b'A' => Some(Self::Settled(parse_ranges(rest)?)),
            b'T' => {
                let (token, rest) = take_token(rest)?;
                let (token, rest) = if rest.is_empty() { (token, rest) } else { take_wake_key(token, rest)? };
                rest.is_empty().then_some(Self::Token(token))
            }
            b'C' => CommandId::from_bytes(rest).map(Self::Command),
            _ => None,
        }
    }
}

fn write_record(seq: u64, added: Wall, record: &Record, out: &mut Vec<u8>) {
    out.push(b'R');
    out.extend_from_slice(&added.0.to_le_bytes());
    let telemetry = Telemetry { first_seq: seq, lane: Lane::Live, records: vec![record.clone()] };
    out.extend_from_slice(&waygate_wire::encode_columns(&telemetry));
}

fn write_ranges(ranges: &SeqRanges, out: &mut Vec<u8>) {
    for range in ranges.iter() {
        out.extend_from_slice(&range.start().to_le_bytes());
        out.extend_from_slice(&range.end().to_le_bytes());
    }
}

fn parse_ranges(mut bytes: &[u8]) -> Option<SeqRanges> {
    let mut ranges = SeqRanges::new();
    while !bytes.is_empty() {
        let (first, rest) = take_u64(bytes)?;
        let (last, rest) = take_u64(rest)?;
        ranges.insert(first, last);
        bytes = rest;
    }
    Some(ranges)
}

fn write_token(token: Option<&Token>, out: &mut Vec<u8>) {
    let parts = token.map_or([&[][..]; 3], |t| [&t.bytes, t.gateway.as_bytes(), &t.wake_key]);
    for part in parts {
        // A token, an address and a key are far below 64 KiB; a longer one is kept as none.
        let part = if part.len() <= usize::from(u16::MAX) { part } else { &[] };
        out.extend_from_slice(&(part.len() as u16).to_le_bytes());
        out.extend_from_slice(part);
    }
}

fn take_token(bytes: &[u8]) -> Option<(Option<Token>, &[u8])> {
    let (token, rest) = take_part(bytes)?;
    let (gateway, rest) = take_part(rest)?;
    let gateway = std::str::from_utf8(gateway).ok()?.to_owned();
    let token = (!token.is_empty()).then(|| Token { bytes: token.to_vec(), gateway, wake_key: Vec::new() });
    Some((token, rest))
}

fn take_wake_key(token: Option<Token>, bytes: &[u8]) -> Option<(Option<Token>, &[u8])> {
    let (key, rest) = take_part(bytes)?;
    Some((token.map(|token| Token { wake_key: key.to_vec(), ..token }), rest))
}

fn take_commands(bytes: &[u8]) -> Option<(VecDeque<CommandId>, &[u8])> {
    let (count, rest) = bytes.split_first_chunk::<2>()?;
    let (ids, rest) = rest.split_at_checked(usize::from(u16::from_le_bytes(*count)) * 16)?;
    Some((ids.chunks_exact(16).filter_map(CommandId::from_bytes).collect(), rest))
}

fn take_part(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<2>()?;
    rest.split_at_checked(usize::from(u16::from_le_bytes(*length)))
}

fn take_u32(bytes: &[u8]) -> Option<(u32, &[u8])> {
    let (head, rest) = bytes.split_first_chunk::<4>()?;
    Some((u32::from_le_bytes(*head), rest))
}

fn take_u64(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let (head, rest) = bytes.split_first_chunk::<8>()?;
    Some((u64::from_le_bytes(*head), rest))
}
