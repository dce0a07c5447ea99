//! What a membership is told, what it asks for, and what it knows.

use super::member::Member;
use super::vitals::{Vitals, VitalsOf};
use crate::id::NodeId;
use crate::time::Mono;
use crate::view::NodeInfo;

/// What a packet between two gateways carries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packet {
    /// A datagram of the protocol.
    pub swim: Vec<u8>,
    /// What changes of gateways while they live.
    pub vitals: Vec<VitalsOf>,
}

/// What the cluster thinks of a gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Standing {
    /// It answers.
    Alive,
    /// It answered nobody lately, and may refute that.
    Suspect,
    /// It did not refute it.
    Down,
    /// It said that it stops.
    Left,
}

/// A gateway as it is known here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known {
    /// Which.
    pub member: Member,
    /// What the cluster thinks of it.
    pub standing: Standing,
    /// What it said last of itself; none if it has said nothing in this life.
    pub vitals: Option<Vitals>,
    /// Since when the cluster thinks so.
    pub since: Mono,
}

/// What happens.
#[derive(Clone, Debug)]
pub enum Event {
    /// A packet came.
    Received(Packet),
    /// The gateway at a seed's address said who it is.
    Introduced {
        /// The address.
        seed: String,
        /// Who answers there.
        member: Member,
    },
    /// A gateway was heard that may not be a member: its presence stream stands.
    Met(NodeInfo),
    /// What changes of this node.
    Changed(Vitals),
    /// This node stops on purpose.
    Leave,
    /// Time has passed.
    Polled,
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Send a packet; it may be lost.
    Send(Member, Packet),
    /// Ask who answers at this address.
    Introduce(String),
    /// A gateway is new, or thought of differently, or said something else of itself.
    MemberChanged(Box<Known>),
    /// A gateway that was down for long is forgotten.
    MemberForgotten(NodeId),
    /// Another gateway has this node's id.
    Namesake(String),
}

/// What happened, for metrics.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Packets sent.
    pub sent: u64,
    /// Packets received.
    pub received: u64,
    /// Packets that could not be read.
    pub unreadable: u64,
    /// How often this node was declared down and came back.
    pub renewals: u64,
}
