use super::*;
use foca::Codec;
use proptest::prelude::*;
use waygate_core::id::RegionId;
use waygate_core::view::NodeInfo;

fn member(name: &str, incarnation: u64, renewal: u32) -> Member {
    let info = NodeInfo {
        id: NodeId::new(name).unwrap(),
        region: RegionId::new("west").unwrap(),
        incarnation: Incarnation(incarnation),
        vehicles_url: format!("ws://{name}:7701/v1/obu"),
        operators_url: format!("http://{name}:7801"),
        draining: false,
        rest: Box::default(),
    };
    Member { renewal, ..Member::new(info) }
}

fn header(message: Message<Member>) -> Header<Member> {
    Header { src: member("a", 7, 1), src_incarnation: 65_535, dst: member("b", 9, 0), message }
}

#[test]
fn every_message_of_the_protocol_crosses_the_wire() {
    let other = || member("c", 1 << 40, 3);
    let messages = [
        Message::Ping(255),
        Message::Ack(0),
        Message::PingReq { target: other(), probe_number: 1 },
        Message::IndirectPing { origin: other(), probe_number: 2 },
        Message::IndirectAck { target: other(), probe_number: 3 },
        Message::ForwardedAck { origin: other(), probe_number: 4 },
        Message::Announce,
        Message::Feed,
        Message::Gossip,
        Message::Broadcast,
        Message::TurnUndead,
    ];
    for message in messages {
        let header = header(message);
        let mut bytes = Vec::new();
        SwimCodec.encode_header(&header, &mut bytes).unwrap();
        bytes.push(0xFF);
        let mut rest = &bytes[..];
        assert_eq!(SwimCodec.decode_header(&mut rest).unwrap(), header);
        assert_eq!(rest, [0xFF]);
    }
    for state in [State::Alive, State::Suspect, State::Down] {
        let said = foca::Member::new(other(), 12, state);
        let mut bytes = Vec::new();
        SwimCodec.encode_member(&said, &mut bytes).unwrap();
        assert_eq!(SwimCodec.decode_member(&bytes[..]).unwrap(), said);
    }
}

#[test]
fn what_has_no_room_leaves_the_datagram_as_it_was() {
    let mut bytes = Vec::new();
    let said = foca::Member::new(member("c", 1, 0), 0, State::Alive);
    assert_eq!(SwimCodec.encode_member(&said, (&mut bytes).limit(20)), Err(SwimError::Full));
    assert!(bytes.is_empty());
}

#[test]
fn fields_of_a_later_version_are_passed_over() {
    let mut bytes = proto::SwimMember {
        member: Some(member_to_proto(&member("c", 5, 0))),
        suspicion: 1,
        state: proto::SwimState::Suspect.into(),
    }
    .encode_to_vec();
    // Field 99, a varint.
    bytes.extend([0x98, 0x06, 0x2A]);
    let mut datagram = Vec::new();
    prost::encoding::encode_varint(bytes.len() as u64, &mut datagram);
    datagram.extend(bytes);
    let read = SwimCodec.decode_member(&datagram[..]).unwrap();
    assert_eq!((read.id(), read.incarnation(), read.state()), (&member("c", 5, 0), 1, State::Suspect));
}

#[test]
fn a_message_that_this_version_does_not_know_is_named() {
    let later = proto::SwimHeader {
        from: Some(member_to_proto(&member("a", 1, 0))),
        from_suspicion: 0,
        to: Some(member_to_proto(&member("b", 1, 0))),
        message: Some(Wire::Plain(77)),
    };
    let fault = SwimCodec.decode_header(&later.encode_length_delimited_to_vec()[..]).unwrap_err();
    assert_eq!(fault.to_string(), "the datagram cannot be used: plain: is 77, which this version does not know");
}

#[test]
fn a_packet_crosses_the_wire_and_one_beyond_its_bounds_is_refused() {
    let said = |n: usize| VitalsOf {
        node: NodeId::new(&format!("n{n}")).unwrap(),
        incarnation: Incarnation(3),
        version: 4,
        vitals: Vitals { draining: true, leaving: true, sessions: 5, load: 6, log_head: 7 },
    };
    let packet = Packet { swim: vec![1, 2, 3], vitals: (0..=VITALS_PER_PACKET).map(said).collect() };
    assert_eq!(packet_from_proto(packet_to_proto(packet.clone())), Ok(packet.clone()));
    let crowded = Packet { vitals: (0..VITALS_PER_PACKET + 2).map(said).collect(), ..packet.clone() };
    assert!(packet_from_proto(packet_to_proto(crowded)).is_err());
    let long = Packet { swim: vec![0; PACKET_BYTES_MAX + 1], ..packet };
    assert!(packet_from_proto(packet_to_proto(long)).is_err());
}

proptest! {
    #[test]
    fn whatever_comes_is_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = SwimCodec.decode_header(&bytes[..]);
        let _ = SwimCodec.decode_member(&bytes[..]);
        let mut machine = Membership::new((*member("a", 1, 0).info).clone(), Vec::new(), SwimCodec, 1);
        let packet = Packet { swim: bytes, vitals: Vec::new() };
        machine.apply(waygate_core::time::Mono(1), waygate_core::membership::Event::Received(packet), &mut Vec::new());
    }
}
