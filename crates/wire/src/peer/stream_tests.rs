use super::*;
use crate::peer::tests::{batch, entry, node};
use proptest::prelude::*;
use waygate_core::id::{Incarnation, NodeId, RegionId};

fn hello() -> Frame {
    Frame::Hello { node: node(), cursors: Vec::new(), kept: None }
}

/// Both ends of a stream to another region after they greeted each other.
fn greeted() -> (FrameWriter, FrameReader) {
    greeted_by("far")
}

fn greeted_by(region: &str) -> (FrameWriter, FrameReader) {
    let ((mut here, mut ear), (mut there, mut other_ear)) = (halves(), halves());
    other_ear.read(here.write(hello())).unwrap();
    let peer = NodeInfo { region: RegionId::new(region).unwrap(), ..node() };
    let answer = Frame::Hello { node: peer, cursors: Vec::new(), kept: None };
    ear.read(there.write(answer)).unwrap();
    (here, other_ear)
}

fn long() -> Frame {
    batch((1..=200).map(entry).collect())
}

fn deflated_bytes(bytes: &[u8]) -> proto::SyncFrame {
    let mut deflating = DeflateEncoder::new(Vec::new(), Compression::fast());
    deflating.write_all(bytes).unwrap();
    proto::SyncFrame { frame: Some(Wire::Deflated(deflating.finish().unwrap().into())) }
}

#[test]
fn frames_in_few_bytes_read_as_they_were() {
    let (mut writer, mut reader) = greeted();
    let mut of_another = batch(vec![entry(5)]);
    let mut of_another_life = of_another.clone();
    if let (Frame::Batch(one), Frame::Batch(two)) = (&mut of_another, &mut of_another_life) {
        one.owner.id = NodeId::new("far-1").unwrap();
        two.owner.incarnation = Incarnation(1);
    }
    for frame in [batch(vec![entry(5)]), long(), of_another, of_another_life] {
        let read = reader.read(writer.write(frame.clone())).unwrap();
        assert_eq!((read.frame, read.skipped), (Some(frame), 0));
    }
}

#[test]
fn the_own_log_is_not_named_and_a_long_batch_takes_much_less() {
    let (mut writer, _) = greeted();
    let (short, plain) = (writer.write(batch(vec![entry(5)])), frame_to_proto(batch(vec![entry(5)])));
    let named = node_to_bytes(node()).len();
    assert!(short.encoded_len() + named <= plain.encoded_len());
    let (short, plain) = (writer.write(long()).encoded_len(), frame_to_proto(long()).encoded_len());
    assert!(short * 3 < plain * 2, "{short} of {plain} bytes");
}

#[test]
fn within_a_region_nothing_is_deflated() {
    let (mut writer, mut reader) = greeted_by("west");
    let written = writer.write(long());
    assert!(matches!(&written.frame, Some(Wire::Batch(batch)) if batch.owner.is_empty()));
    assert_eq!(reader.read(written).unwrap().frame, Some(long()));
}

#[test]
fn a_peer_that_has_not_said_that_it_reads_few_bytes_is_told_at_length() {
    let ((mut writer, mut ear), (mut there, _)) = (halves(), halves());
    writer.write(hello());
    assert_eq!(writer.write(long()), frame_to_proto(long()));
    let mut earlier = there.write(hello());
    if let Some(Wire::Hello(hello)) = &mut earlier.frame {
        hello.concise = false;
    }
    ear.read(earlier).unwrap();
    assert_eq!(writer.write(long()), frame_to_proto(long()));
}

#[test]
fn what_cannot_be_inflated_and_a_batch_of_nobody_are_named() {
    let fault = |reader: &mut FrameReader, frame| reader.read(frame).unwrap_err().to_string();
    let (mut writer, _) = greeted();
    let (_, mut ear) = halves();
    let nobody = fault(&mut ear, writer.write(batch(vec![entry(5)])));
    assert!(nobody.contains("batch.owner") && nobody.contains("hello"), "{nobody}");
    let garbage = fault(&mut ear, proto::SyncFrame { frame: Some(Wire::Deflated(vec![0xff; 64].into())) });
    assert!(garbage.contains("inflated"), "{garbage}");
    let bomb = fault(&mut ear, deflated_bytes(&vec![0; INFLATED_BYTES_MAX as usize + 1]));
    assert!(bomb.contains("more than 4194304 bytes"), "{bomb}");
    let within = fault(&mut ear, deflated_bytes(&writer.write(long()).encode_to_vec()));
    assert!(within.contains("another deflated frame"), "{within}");
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let (_, mut reader) = halves();
        let _ = reader.read(proto::SyncFrame { frame: Some(Wire::Deflated(bytes.clone().into())) });
        let _ = reader.read(deflated_bytes(&bytes));
    }
}
