use super::{ReadFrame, frame_from_proto, frame_to_proto, greeter};
use crate::proto;
use proptest::prelude::*;
use prost::Message;
use std::collections::BTreeSet;
use waygate_core::cause::DetachCause;
use waygate_core::cell::Cell;
use waygate_core::epoch::Epoch;
use waygate_core::homes::HomeRegions;
use waygate_core::id::{Incarnation, NodeId, RegionId, SessionId, VehicleId};
use waygate_core::limits::SYNC_REST_BYTES_MAX;
use waygate_core::log::{LiveState, LogId, Rest, Scope};
use waygate_core::record::Position;
use waygate_core::sync::{AgedEntry, Audit, Batch, Cursor, Frame, Kept};
use waygate_core::time::Millis;
use waygate_core::view::NodeInfo;
use waygate_core::wake::WakeChannels;

pub(super) fn node() -> NodeInfo {
    NodeInfo {
        id: NodeId::new("west-1").unwrap(),
        region: RegionId::new("west").unwrap(),
        incarnation: Incarnation(3),
        vehicles_url: "ws://127.0.0.1:1/v1/obu".to_owned(),
        operators_url: "http://127.0.0.1:2".to_owned(),
        draining: false,
        rest: Box::default(),
    }
}

pub(super) fn entry(seq: u64) -> AgedEntry {
    AgedEntry {
        vehicle: VehicleId::new("LUX-1").unwrap(),
        seq,
        epoch: Epoch(9),
        session: SessionId(u64::MAX),
        state: LiveState::Detached,
        cause: Some(DetachCause::Implicit),
        cell: None,
        age: Millis(1500),
        sleep: Millis::secs(3600),
        wake: WakeChannels::from_bits(3),
        cloned: true,
        rest: None,
    }
}

pub(super) fn batch(entries: Vec<AgedEntry>) -> Frame {
    Frame::Batch(Box::new(Batch {
        owner: node(),
        scope: Scope::Detail,
        from: 4,
        to: 9,
        entries,
        snapshot_end: Some(12),
    }))
}

fn log() -> LogId {
    LogId::detail(node().id, Incarnation(3))
}

fn whole(frame: Frame) -> ReadFrame {
    ReadFrame { frame: Some(frame), ..ReadFrame::default() }
}

/// As a peer reads what was written.
fn crossed(frame: proto::SyncFrame) -> ReadFrame {
    frame_from_proto(proto::SyncFrame::decode(frame.encode_to_vec().as_slice()).unwrap()).unwrap()
}

/// A batch of entries as they stand on the wire.
fn wire_batch(entries: Vec<Vec<u8>>) -> proto::SyncFrame {
    let mut wire = frame_to_proto(batch(Vec::new()));
    if let Some(proto::sync_frame::Frame::Batch(batch)) = &mut wire.frame {
        batch.entries = entries.into_iter().map(Into::into).collect();
    }
    wire
}

fn wire_entry(seq: u64) -> proto::Entry {
    let Some(proto::sync_frame::Frame::Batch(batch)) = frame_to_proto(batch(vec![entry(seq)])).frame else {
        unreachable!("it was made as one")
    };
    proto::Entry::decode(batch.entries[0].clone()).unwrap()
}

fn entries_of(read: &ReadFrame) -> &[AgedEntry] {
    match &read.frame {
        Some(Frame::Batch(batch)) => &batch.entries,
        other => panic!("{other:?}"),
    }
}

#[test]
fn frames_survive_the_wire() {
    let cursor = Cursor {
        log: log(),
        seq: 5,
        count: 4,
        digest: u64::MAX,
        rebuilding: 3,
        blank_from: None,
        heard: true,
        level: Some(Millis(70)),
    };
    let rest = Rest { cause: 900, cell: 1, fields: Box::from([0x62, 1, 5]) };
    let later = AgedEntry { rest: Some(Box::new(rest)), cause: None, ..entry(6) };
    let some = VehicleId::new("LUX-1").ok();
    let (asked, all) = (BTreeSet::from([0, 7, 255]), (0..=255).collect::<BTreeSet<u8>>());
    let stretch = |after, through, buckets, entries| {
        Frame::Audit(Box::new(Audit::Stretch { log: log(), seq: 9, buckets, after, through, entries }))
    };
    let homes = HomeRegions::new(vec![node().region, RegionId::new("mid").unwrap()], Some(1)).unwrap();
    let kept = Kept { interest: homes.interest(&node().region), homes: homes.fingerprint() };
    let log_abroad = LogId::directory(node().id, Incarnation(3));
    let elsewhere = Cursor { log: log_abroad, blank_from: Some(0), ..cursor.clone() };
    let coarse = Cell::of(Position::from_degrees(49.6, 6.1)).map(Cell::coarse);
    let coarse = AgedEntry { cell: coarse, ..entry(5) };
    let mut directory = batch(vec![coarse]);
    if let Frame::Batch(batch) = &mut directory {
        batch.scope = Scope::Directory;
    }
    for frame in [
        Frame::Hello { node: node(), cursors: vec![cursor.clone()], kept: None },
        Frame::Hello { node: NodeInfo { rest: Box::from([0x38, 1]), ..node() }, cursors: Vec::new(), kept: None },
        batch(vec![entry(5), later.clone(), entry(9)]),
        Frame::Cursors { cursors: vec![cursor], nodes: vec![NodeInfo { draining: true, ..node() }] },
        Frame::Audit(Box::new(Audit::Asked { log: log(), buckets: BTreeSet::new() })),
        Frame::Audit(Box::new(Audit::Asked { log: log(), buckets: all.clone() })),
        Frame::Audit(Box::new(Audit::Hashes { log: log(), seq: 9, hashes: (0..256).collect() })),
        stretch(None, some.clone(), asked, vec![entry(3), later]),
        stretch(some, None, all, Vec::new()),
        Frame::Hello { node: node(), cursors: vec![elsewhere.clone()], kept: Some(Box::new(kept)) },
        Frame::Cursors { cursors: vec![elsewhere.clone()], nodes: Vec::new() },
        Frame::Audit(Box::new(Audit::Asked { log: elsewhere.log, buckets: BTreeSet::new() })),
        directory,
    ] {
        assert_eq!(crossed(frame_to_proto(frame.clone())), whole(frame));
    }
}

#[test]
fn who_knows_no_directory_reads_nothing_of_it() {
    let homes = HomeRegions::new(vec![node().region], None).unwrap();
    let kept = Some(Box::new(Kept { interest: homes.interest(&node().region), homes: homes.fingerprint() }));
    let log = LogId::directory(node().id, Incarnation(3));
    let cursors =
        vec![Cursor { log, seq: 5, count: 4, digest: 1, rebuilding: 0, blank_from: None, heard: false, level: None }];
    let wire = frame_to_proto(Frame::Hello { node: node(), cursors, kept });
    let Some(proto::sync_frame::Frame::Hello(hello)) = wire.frame else { panic!() };
    assert!(hello.cursors.is_empty() && hello.directory.len() == 1, "an earlier version would take it for the detail");
    let short = proto::Hello { interest: vec![1; 127], ..hello };
    let wire = proto::SyncFrame { frame: Some(proto::sync_frame::Frame::Hello(short)) };
    let fault = frame_from_proto(wire).unwrap_err().to_string();
    assert!(fault.contains("hello.interest") && fault.contains("127"), "{fault}");
}

#[test]
fn a_poison_entry_is_counted_and_delays_no_other() {
    let nameless = proto::Entry { vehicle: "no such/vehicle".to_owned(), ..wire_entry(6) };
    let of_no_state = proto::Entry { state: 0, ..wire_entry(6) };
    let of_a_later_state = proto::Entry { state: 7, ..wire_entry(6) };
    let mut cut = wire_entry(6).encode_to_vec();
    cut.pop();
    for poison in [
        nameless.encode_to_vec(),
        of_no_state.encode_to_vec(),
        of_a_later_state.encode_to_vec(),
        cut,
        b"\xff\xff\xff".to_vec(),
        Vec::new(),
    ] {
        let wire = wire_batch(vec![wire_entry(5).encode_to_vec(), poison, wire_entry(7).encode_to_vec()]);
        let expected = ReadFrame { skipped: 1, ..whole(batch(vec![entry(5), entry(7)])) };
        assert_eq!(crossed(wire), expected);
    }
}

/// Fields that a version after this one might add: a number, text, a message, fixed numbers.
const LATER_FIELDS: &[u8] = b"\x60\x96\x01\x6a\x03new\x72\x04\x08\x01\x12\x00\x79abcdefgh\x85\x01wxyz";

#[test]
fn what_a_later_version_adds_to_an_entry_is_passed_on_byte_for_byte() {
    let mut bytes = wire_entry(5).encode_to_vec();
    // Before, between and after what is known.
    bytes.splice(0..0, *b"\x60\x01");
    bytes.extend_from_slice(LATER_FIELDS);
    let read = crossed(wire_batch(vec![bytes]));
    assert_eq!((read.skipped, read.shortened), (0, 0));
    let rest = entries_of(&read)[0].rest.clone().unwrap();
    assert_eq!(&*rest.fields, [b"\x60\x01".as_slice(), LATER_FIELDS].concat());
    assert_eq!(entries_of(&read)[0], AgedEntry { rest: Some(rest), ..entry(5) });
    // The relay writes it, the next one reads the very same.
    let relayed = frame_to_proto(read.frame.clone().unwrap());
    assert_eq!(crossed(relayed.clone()), read);
    let Some(proto::sync_frame::Frame::Batch(relayed)) = relayed.frame else { panic!() };
    assert!(relayed.entries[0].ends_with(LATER_FIELDS));
}

#[test]
fn values_of_a_later_version_are_passed_on_too_and_what_is_known_of_them_is_heeded() {
    let later = proto::Entry { cause: 900, cell: 12, wake: 0x301, flags: 0x85, ..wire_entry(5) };
    let read = crossed(wire_batch(vec![later.encode_to_vec()]));
    let at = &entries_of(&read)[0];
    assert_eq!((at.cause, at.cell, at.wake, at.cloned), (None, None, WakeChannels::from_bits(1), true));
    assert_eq!(at.rest.as_ref().map(|rest| (rest.cause, rest.cell)), Some((900, 12)));
    let Some(proto::sync_frame::Frame::Batch(relayed)) = frame_to_proto(read.frame.clone().unwrap()).frame else {
        panic!()
    };
    assert_eq!(proto::Entry::decode(relayed.entries[0].clone()).unwrap(), later);
    assert!(entries_of(&crossed(wire_batch(vec![wire_entry(5).encode_to_vec()])))[0].rest.is_none(), "costs nothing");
}

#[test]
fn what_an_entry_says_beyond_the_bound_is_dropped_and_counted_and_the_entry_kept() {
    let fields = |bytes: usize| {
        let mut entry = wire_entry(5).encode_to_vec();
        (0..bytes / 2).for_each(|_| entry.extend_from_slice(b"\x60\x01"));
        crossed(wire_batch(vec![entry]))
    };
    let most = fields(SYNC_REST_BYTES_MAX);
    assert_eq!(entries_of(&most)[0].rest.as_ref().unwrap().fields.len(), SYNC_REST_BYTES_MAX);
    assert_eq!(most.shortened, 0);
    let more = fields(SYNC_REST_BYTES_MAX + 2);
    assert_eq!(more, ReadFrame { shortened: 1, ..whole(batch(vec![entry(5)])) });
}

#[test]
fn what_a_later_version_says_of_a_node_is_passed_on_with_it() {
    let mut wire = frame_to_proto(batch(Vec::new()));
    if let Some(proto::sync_frame::Frame::Batch(batch)) = &mut wire.frame {
        batch.owner.extend_from_slice(LATER_FIELDS);
    }
    let read = crossed(wire.clone());
    assert_eq!(frame_to_proto(read.frame.unwrap()), wire);
}

#[test]
fn a_frame_of_a_later_kind_has_no_effect_and_ends_no_stream() {
    for bytes in [b"\x4a\x02\x08\x01".as_slice(), b"", b"\x22\x05\x0a\x01a\x52\x00", b"\x22\x00"] {
        let read = frame_from_proto(proto::SyncFrame::decode(bytes).unwrap()).unwrap();
        assert_eq!(read, ReadFrame::default(), "{bytes:?}");
    }
}

#[test]
fn cursors_batches_and_nodes_that_cannot_be_named_here_are_skipped_alone() {
    let nameless = proto::Cursor { owner: "no such/node".to_owned(), ..proto::Cursor::default() };
    let cursor =
        Cursor { log: log(), seq: 5, count: 4, digest: 1, rebuilding: 0, blank_from: None, heard: false, level: None };
    let mut wire = frame_to_proto(Frame::Cursors { cursors: vec![cursor.clone()], nodes: Vec::new() });
    if let Some(proto::sync_frame::Frame::Cursors(cursors)) = &mut wire.frame {
        cursors.cursors.push(nameless);
        cursors.nodes.push(b"\xff".to_vec());
    }
    let expected = whole(Frame::Cursors { cursors: vec![cursor], nodes: Vec::new() });
    assert_eq!(crossed(wire), ReadFrame { skipped: 2, ..expected });
    let mut wire = frame_to_proto(batch(vec![entry(5), entry(6)]));
    if let Some(proto::sync_frame::Frame::Batch(batch)) = &mut wire.frame {
        batch.owner = proto::Node::default().encode_to_vec();
    }
    assert_eq!(crossed(wire), ReadFrame { skipped: 2, ..ReadFrame::default() });
}

fn hello(protocol: u32, oldest: u32) -> proto::SyncFrame {
    let mut wire = frame_to_proto(Frame::Hello { node: node(), cursors: Vec::new(), kept: None });
    if let Some(proto::sync_frame::Frame::Hello(hello)) = &mut wire.frame {
        (hello.protocol, hello.oldest_protocol) = (protocol, oldest);
    }
    wire
}

#[test]
fn a_peer_of_the_next_version_is_welcome_if_it_speaks_this_one_too() {
    assert_eq!(greeter(&hello(2, 1)), Some(node().id));
    for (protocol, oldest) in [(1, 0), (1, 1), (2, 1), (900, 1), (2, 0)] {
        let read = crossed(hello(protocol, oldest));
        assert_eq!(read, whole(Frame::Hello { node: node(), cursors: Vec::new(), kept: None }));
    }
}

#[test]
fn a_peer_too_far_from_this_version_is_refused_with_both_numbers_and_what_to_do() {
    let fault = |protocol, oldest| frame_from_proto(hello(protocol, oldest)).unwrap_err().to_string();
    assert_eq!(
        fault(3, 2),
        "hello.protocol: is 2 or later, this node speaks 1: no more than one version may lie between two nodes of a \
         cluster, upgrade the older one first"
    );
    assert!(fault(0, 0).starts_with("hello.protocol: is at most 0, this node speaks 1: "));
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        if let Ok(frame) = proto::SyncFrame::decode(bytes.as_slice()) {
            let _ = frame_from_proto(frame);
        }
        let _ = frame_from_proto(wire_batch(vec![bytes]));
    }
}
