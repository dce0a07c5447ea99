//! What changes of a gateway while it lives, in a few small numbers that travel beside the membership's datagrams.
//!
//! A gateway alone writes its own, and numbers the versions; of two the higher counts. Every packet carries the
//! sender's and some of others: news first, then those that were passed on least lately.

use super::MEMBERS_MAX;
use crate::id::{Incarnation, NodeId};
use std::collections::BTreeMap;

/// Of how many others one packet tells.
pub const VITALS_PER_PACKET: usize = 8;

/// In how many packets news goes before all else.
const NEWS_TOLD: u32 = 6;

/// What changes of a gateway while it lives. No vehicle is ever named here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Vitals {
    /// It is about to stop: no vehicle should go there.
    pub draining: bool,
    /// It stops on purpose, now.
    pub leaving: bool,
    /// Sessions with a socket.
    pub sessions: u64,
    /// How full it is, in thousandths of the sockets it takes.
    pub load: u32,
    /// Where its own presence log ends.
    pub log_head: u64,
}

/// The vitals of one gateway, as they travel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VitalsOf {
    /// Whose.
    pub node: NodeId,
    /// In which life.
    pub incarnation: Incarnation,
    /// Counts what it said in that life.
    pub version: u64,
    /// What it said.
    pub vitals: Vitals,
}

#[derive(Clone, Debug)]
struct Noted {
    said: VitalsOf,
    /// In how many packets it was passed on.
    told: u32,
    /// Counts packets: when it was passed on last.
    passed_on: u64,
}

/// The vitals known of others, and this node's own.
#[derive(Clone, Debug)]
pub struct Board {
    own: VitalsOf,
    others: BTreeMap<NodeId, Noted>,
    packets: u64,
}

impl Board {
    /// A board with nothing but this node's own.
    pub fn new(node: NodeId, incarnation: Incarnation) -> Self {
        let own = VitalsOf { node, incarnation, version: 0, vitals: Vitals::default() };
        Self { own, others: BTreeMap::new(), packets: 0 }
    }

    /// This node's own changed. The first time counts in any case: from then on it has said something.
    pub fn set(&mut self, vitals: Vitals) {
        if self.own.vitals != vitals || self.own.version == 0 {
            self.own.vitals = vitals;
            self.own.version += 1;
        }
    }

    /// This node's own.
    pub fn own(&self) -> Vitals {
        self.own.vitals
    }

    /// What a gateway said last in this life, if it has said something.
    pub fn of(&self, node: &NodeId, incarnation: Incarnation) -> Option<Vitals> {
        let said = |noted: &&Noted| noted.said.incarnation == incarnation && noted.said.version > 0;
        self.others.get(node).filter(said).map(|noted| noted.said.vitals)
    }

    /// Takes what a packet told. Returns whether it was news.
    pub fn note(&mut self, said: VitalsOf) -> bool {
        if said.node == self.own.node {
            return false;
        }
        let rank = |said: &VitalsOf| (said.incarnation, said.version);
        // Who has said nothing yet is no news.
        let told = if said.version == 0 { NEWS_TOLD } else { 0 };
        let full = self.others.len() >= MEMBERS_MAX;
        match self.others.get_mut(&said.node) {
            Some(noted) if rank(&noted.said) >= rank(&said) => false,
            Some(noted) => {
                *noted = Noted { said, told, passed_on: 0 };
                true
            }
            None if full => false,
            None => {
                self.others.insert(said.node.clone(), Noted { said, told, passed_on: 0 });
                true
            }
        }
    }

    /// A gateway is not known any more.
    pub fn forget(&mut self, node: &NodeId) {
        self.others.remove(node);
    }

    /// What the next packet tells.
    pub fn tell(&mut self) -> Vec<VitalsOf> {
        self.packets += 1;
        let mut in_turn: Vec<_> = self.others.values_mut().collect();
        in_turn.sort_by_key(|noted| (noted.told >= NEWS_TOLD, noted.passed_on));
        let mut told = vec![self.own.clone()];
        for noted in in_turn.into_iter().take(VITALS_PER_PACKET) {
            noted.told = noted.told.saturating_add(1);
            noted.passed_on = self.packets;
            told.push(noted.said.clone());
        }
        told
    }
}

#[cfg(test)]
#[path = "vitals_tests.rs"]
mod tests;
