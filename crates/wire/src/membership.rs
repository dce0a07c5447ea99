//! The membership protocol between gateways: `peer.proto` ⇄ the core's packets, and the codec of its datagrams.

use crate::error::{FieldFault, at_most};
use crate::peer::{node_from_proto, node_to_proto};
use crate::proto::{self, swim_header::Message as Wire};
use bytes::{Buf, BufMut};
use foca::{Header, Message, State};
use prost::Message as _;
use waygate_core::id::{Incarnation, NodeId};
use waygate_core::membership::{Member, PACKET_BYTES_MAX, Packet, VITALS_PER_PACKET, Vitals, VitalsOf};

/// The membership of a gateway, over the wire's datagrams.
pub type Membership = waygate_core::membership::Membership<SwimCodec>;

/// Writes and reads what the datagrams are made of.
#[derive(Clone, Copy, Debug, Default)]
pub struct SwimCodec;

/// A datagram cannot be written or read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SwimError {
    /// It has no room for more. The protocol asks for as much as fits.
    #[error("the datagram is full")]
    Full,
    /// It is no protobuf.
    #[error("the datagram cannot be read: {0}")]
    Unreadable(#[from] prost::DecodeError),
    /// A field of it cannot be used.
    #[error("the datagram cannot be used: {0}")]
    Field(#[from] FieldFault),
}

impl foca::Codec<Member> for SwimCodec {
    type Error = SwimError;

    fn encode_header(&mut self, header: &Header<Member>, buf: impl BufMut) -> Result<(), SwimError> {
        let number = |number: &u8| u32::from(*number);
        let about = |other: &Member, probe: &u8| proto::SwimIndirect {
            other: Some(member_to_proto(other)),
            probe: u32::from(*probe),
        };
        let plain = |plain: proto::SwimPlain| Wire::Plain(plain.into());
        let message = match &header.message {
            Message::Ping(probe) => Wire::Ping(number(probe)),
            Message::Ack(probe) => Wire::Ack(number(probe)),
            Message::PingReq { target, probe_number } => Wire::PingReq(about(target, probe_number)),
            Message::IndirectPing { origin, probe_number } => Wire::IndirectPing(about(origin, probe_number)),
            Message::IndirectAck { target, probe_number } => Wire::IndirectAck(about(target, probe_number)),
            Message::ForwardedAck { origin, probe_number } => Wire::ForwardedAck(about(origin, probe_number)),
            Message::Announce => plain(proto::SwimPlain::Announce),
            Message::Feed => plain(proto::SwimPlain::Feed),
            Message::Gossip => plain(proto::SwimPlain::Gossip),
            Message::Broadcast => plain(proto::SwimPlain::Broadcast),
            Message::TurnUndead => plain(proto::SwimPlain::TurnUndead),
        };
        let header = proto::SwimHeader {
            from: Some(member_to_proto(&header.src)),
            from_suspicion: header.src_incarnation.into(),
            to: Some(member_to_proto(&header.dst)),
            message: Some(message),
        };
        write(&header, buf)
    }

    fn decode_header(&mut self, mut buf: impl Buf) -> Result<Header<Member>, SwimError> {
        let header = proto::SwimHeader::decode_length_delimited(&mut buf)?;
        let probe = |number: u32, field| {
            u8::try_from(number).map_err(|_| FieldFault::at(field, format!("is {number}, at most 255 is allowed")))
        };
        let about = |indirect: proto::SwimIndirect, field: &'static str| {
            let other = member_from_proto(indirect.other).map_err(|fault| fault.under(field))?;
            Ok::<_, FieldFault>((other, probe(indirect.probe, field)?))
        };
        let message = match header
            .message
            .ok_or_else(|| FieldFault::at("message", "is missing or of a later version"))?
        {
            Wire::Ping(number) => Message::Ping(probe(number, "ping")?),
            Wire::Ack(number) => Message::Ack(probe(number, "ack")?),
            Wire::PingReq(indirect) => {
                let (target, probe_number) = about(indirect, "ping_req")?;
                Message::PingReq { target, probe_number }
            }
            Wire::IndirectPing(indirect) => {
                let (origin, probe_number) = about(indirect, "indirect_ping")?;
                Message::IndirectPing { origin, probe_number }
            }
            Wire::IndirectAck(indirect) => {
                let (target, probe_number) = about(indirect, "indirect_ack")?;
                Message::IndirectAck { target, probe_number }
            }
            Wire::ForwardedAck(indirect) => {
                let (origin, probe_number) = about(indirect, "forwarded_ack")?;
                Message::ForwardedAck { origin, probe_number }
            }
            Wire::Plain(plain) => match proto::SwimPlain::try_from(plain) {
                Ok(proto::SwimPlain::Announce) => Message::Announce,
                Ok(proto::SwimPlain::Feed) => Message::Feed,
                Ok(proto::SwimPlain::Gossip) => Message::Gossip,
                Ok(proto::SwimPlain::Broadcast) => Message::Broadcast,
                Ok(proto::SwimPlain::TurnUndead) => Message::TurnUndead,
                Ok(proto::SwimPlain::Unspecified) | Err(_) => {
                    return Err(FieldFault::at("plain", format!("is {plain}, which this version does not know")).into());
                }
            },
        };
        Ok(Header {
            src: member_from_proto(header.from).map_err(|fault| fault.under("from"))?,
            src_incarnation: suspicion(header.from_suspicion)?,
            dst: member_from_proto(header.to).map_err(|fault| fault.under("to"))?,
            message,
        })
    }

    fn encode_member(&mut self, member: &foca::Member<Member>, buf: impl BufMut) -> Result<(), SwimError> {
        let state = match member.state() {
            State::Alive => proto::SwimState::Alive,
            State::Suspect => proto::SwimState::Suspect,
            State::Down => proto::SwimState::Down,
        };
        let member = proto::SwimMember {
            member: Some(member_to_proto(member.id())),
            suspicion: member.incarnation().into(),
            state: state.into(),
        };
        write(&member, buf)
    }

    fn decode_member(&mut self, mut buf: impl Buf) -> Result<foca::Member<Member>, SwimError> {
        let member = proto::SwimMember::decode_length_delimited(&mut buf)?;
        let state = match proto::SwimState::try_from(member.state) {
            Ok(proto::SwimState::Alive) => State::Alive,
            Ok(proto::SwimState::Suspect) => State::Suspect,
            Ok(proto::SwimState::Down) => State::Down,
            Ok(proto::SwimState::Unspecified) | Err(_) => {
                let what = format!("is {}, which this version does not know", member.state);
                return Err(FieldFault::at("state", what).into());
            }
        };
        let id = member_from_proto(member.member).map_err(|fault| fault.under("member"))?;
        Ok(foca::Member::new(id, suspicion(member.suspicion)?, state))
    }
}

fn write(message: &impl prost::Message, mut buf: impl BufMut) -> Result<(), SwimError> {
    // It looks at the room before it writes anything.
    message.encode_length_delimited(&mut buf).map_err(|_| SwimError::Full)
}

fn suspicion(number: u32) -> Result<u16, FieldFault> {
    u16::try_from(number).map_err(|_| FieldFault::at("suspicion", format!("is {number}, at most 65535 is allowed")))
}

/// Writes a gateway in one life.
pub fn member_to_proto(member: &Member) -> proto::Member {
    let node = waygate_core::view::NodeInfo::clone(&member.info);
    proto::Member { node: Some(node_to_proto(node)), renewal: member.renewal }
}

/// Reads a gateway in one life.
pub fn member_from_proto(member: Option<proto::Member>) -> Result<Member, FieldFault> {
    let member = member.ok_or_else(|| FieldFault::at("", "is missing"))?;
    let node = node_from_proto(member.node).map_err(|fault| fault.under("node"))?;
    Ok(Member { renewal: member.renewal, ..Member::new(node) })
}

/// Writes a packet.
pub fn packet_to_proto(packet: Packet) -> proto::MembershipPacket {
    let vitals = |said: VitalsOf| proto::Vitals {
        node: said.node.into(),
        incarnation: said.incarnation.0,
        version: said.version,
        draining: said.vitals.draining,
        leaving: said.vitals.leaving,
        sessions: said.vitals.sessions,
        load: said.vitals.load,
        log_head: said.vitals.log_head,
    };
    proto::MembershipPacket { swim: packet.swim, vitals: packet.vitals.into_iter().map(vitals).collect() }
}

/// Reads a packet.
pub fn packet_from_proto(packet: proto::MembershipPacket) -> Result<Packet, FieldFault> {
    at_most("swim", packet.swim.len(), PACKET_BYTES_MAX)?;
    at_most("vitals", packet.vitals.len(), 1 + VITALS_PER_PACKET)?;
    let vitals = |said: proto::Vitals| {
        Ok(VitalsOf {
            node: NodeId::new(&said.node).map_err(|error| FieldFault::at("vitals.node", error.to_string()))?,
            incarnation: Incarnation(said.incarnation),
            version: said.version,
            vitals: Vitals {
                draining: said.draining,
                leaving: said.leaving,
                sessions: said.sessions,
                load: said.load,
                log_head: said.log_head,
            },
        })
    };
    Ok(Packet { swim: packet.swim, vitals: packet.vitals.into_iter().map(vitals).collect::<Result<_, _>>()? })
}

#[cfg(test)]
#[path = "membership_tests.rs"]
mod tests;
