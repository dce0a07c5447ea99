use super::{ReadFrame, frame_from_proto, frame_to_proto};
use crate::proto;
use proptest::prelude::*;
use prost::Message;
use waygate_core::cause::DetachCause;
use waygate_core::epoch::Epoch;
use waygate_core::id::{Incarnation, NodeId, RegionId, SessionId, VehicleId};
use waygate_core::log::{LiveState, LogId};
use waygate_core::sync::{AgedEntry, Batch, Cursor, Frame};
use waygate_core::time::Millis;
use waygate_core::view::NodeInfo;
use waygate_core::wake::WakeChannels;

fn node() -> NodeInfo {
    NodeInfo {
        id: NodeId::new("west-1").unwrap(),
        region: RegionId::new("west").unwrap(),
        incarnation: Incarnation(3),
        vehicles_url: "ws://127.0.0.1:1/v1/obu".to_owned(),
        operators_url: "http://127.0.0.1:2".to_owned(),
        draining: false,
    }
}

fn entry(seq: u64) -> AgedEntry {
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
    }
}

fn batch(entries: Vec<AgedEntry>) -> Frame {
    Frame::Batch(Box::new(Batch { owner: node(), from: 4, to: 9, entries, snapshot_end: Some(12) }))
}

#[test]
fn frames_survive_the_wire() {
    let cursor =
        Cursor { log: LogId { owner: node().id, incarnation: Incarnation(3) }, seq: 5, count: 4, digest: u64::MAX };
    for frame in [
        Frame::Hello { node: node(), cursors: vec![cursor.clone()] },
        batch(vec![entry(5), entry(9)]),
        Frame::Cursors { cursors: vec![cursor], nodes: vec![NodeInfo { draining: true, ..node() }] },
    ] {
        let bytes = frame_to_proto(frame.clone()).encode_to_vec();
        let read = frame_from_proto(proto::SyncFrame::decode(bytes.as_slice()).unwrap()).unwrap();
        assert_eq!(read, ReadFrame { frame, skipped: 0 });
    }
}

#[test]
fn a_poison_entry_is_counted_and_delays_no_other() {
    let mut wire = frame_to_proto(batch(vec![entry(5), entry(6), entry(7)]));
    if let Some(proto::sync_frame::Frame::Batch(batch)) = &mut wire.frame {
        batch.entries[1].vehicle = "no such/vehicle".to_owned();
    }
    let read = frame_from_proto(wire).unwrap();
    assert_eq!(read, ReadFrame { frame: batch(vec![entry(5), entry(7)]), skipped: 1 });
}

#[test]
fn another_protocol_version_is_refused_with_both_numbers() {
    let mut wire = frame_to_proto(Frame::Hello { node: node(), cursors: Vec::new() });
    if let Some(proto::sync_frame::Frame::Hello(hello)) = &mut wire.frame {
        hello.protocol = 7;
    }
    let fault = frame_from_proto(wire).unwrap_err().to_string();
    assert_eq!(fault, "hello.protocol: is 7, this node speaks 1");
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        if let Ok(frame) = proto::SyncFrame::decode(bytes.as_slice()) {
            let _ = frame_from_proto(frame);
        }
    }
}
