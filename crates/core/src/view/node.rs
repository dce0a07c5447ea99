//! Gateways, as this one knows them: who they are, and which of them can be believed.

use super::View;
use crate::id::{Incarnation, NodeId, RegionId};
use crate::log::LogId;
use crate::membership::Standing;
use crate::time::Mono;

/// A gateway node, as it speaks of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeInfo {
    /// Its name.
    pub id: NodeId,
    /// Its region.
    pub region: RegionId,
    /// Its present life.
    pub incarnation: Incarnation,
    /// Where vehicles attach, `ws://…/v1/obu`.
    pub vehicles_url: String,
    /// Where operators and peers ask, `http://…`.
    pub operators_url: String,
    /// Whether it is about to stop, so that no vehicle should go there.
    pub draining: bool,
    /// What its later version says of itself that this one cannot read, as it stood on the wire: passed on.
    pub rest: Box<[u8]>,
}

/// Whether a node can be believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Liveness {
    /// This node itself.
    Own,
    /// Heard on its own stream, lately.
    Alive {
        /// When.
        heard: Mono,
    },
    /// Not heard, but another that hears it has told all that it said, lately.
    Relayed {
        /// Up to when.
        heard: Mono,
    },
    /// Its stream is lost.
    Lost {
        /// When it was last heard.
        since: Mono,
    },
    /// Known only by what others relayed or what an earlier life of this node stored.
    Unmet {
        /// When it was first mentioned.
        since: Mono,
    },
}

/// A node and whether it can be believed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeStatus {
    /// What it says of itself, in its highest incarnation seen.
    pub info: NodeInfo,
    /// Whether it can be believed.
    pub liveness: Liveness,
    /// What the cluster thinks of that life of it, if it was told.
    pub standing: Option<Standing>,
    /// When it spoke on a stream of its own last, in that life. Before all that it said is held it is not believed yet.
    pub spoke: Option<Mono>,
    /// Up to when others that hear it passed on all that it said, in that life.
    pub passed_on: Option<Mono>,
    /// The latest life of it that others hear.
    pub succeeded: Option<Incarnation>,
}

impl NodeStatus {
    /// One of which no more is known than what it says of itself.
    pub(super) fn new(info: NodeInfo, liveness: Liveness) -> Self {
        Self { info, liveness, standing: None, spoke: None, passed_on: None, succeeded: None }
    }
}

impl View {
    /// A node was heard of through another; says nothing on whether it lives. A later life of a node has to be
    /// heard itself before it is believed. Of this node no one else can say anything.
    pub fn mention(&mut self, now: Mono, info: NodeInfo) -> bool {
        match self.nodes.get_mut(&info.id) {
            Some(status) if status.liveness == Liveness::Own => false,
            // No life that began to drain ever takes it back. What a later version says of itself is told by streams alone.
            Some(status) if status.info.incarnation == info.incarnation => {
                if status.info.rest.is_empty() {
                    status.info.rest = info.rest;
                }
                info.draining && !std::mem::replace(&mut status.info.draining, true)
            }
            Some(status) if status.info.incarnation > info.incarnation => false,
            Some(status) => {
                (status.info, status.standing) = (info, None);
                (status.spoke, status.passed_on) = (None, None);
                if let Liveness::Alive { heard } | Liveness::Relayed { heard } = status.liveness {
                    status.liveness = Liveness::Lost { since: heard };
                }
                true
            }
            None => {
                let status = NodeStatus::new(info, Liveness::Unmet { since: now });
                self.nodes.insert(status.info.id.clone(), status);
                true
            }
        }
    }

    /// What the cluster thinks of a gateway in one life. Returns whether that changes what is shown.
    pub fn note_standing(&mut self, now: Mono, info: NodeInfo, standing: Standing) -> bool {
        let (id, incarnation) = (info.id.clone(), info.incarnation);
        let mentioned = self.mention(now, info);
        match self.nodes.get_mut(&id) {
            Some(status) if status.info.incarnation == incarnation && status.liveness != Liveness::Own => {
                let left = |standing| standing == Some(Standing::Left);
                let before = status.standing.replace(standing);
                // What others still pass on of it was said before it left.
                if let (Liveness::Relayed { heard }, Standing::Left) = (status.liveness, standing) {
                    status.liveness = Liveness::Lost { since: heard };
                }
                let lost = matches!(status.liveness, Liveness::Lost { .. });
                mentioned || (lost && left(before) != left(Some(standing)))
            }
            Some(_) | None => mentioned,
        }
    }

    /// A frame came from a node itself.
    pub fn note_spoken(&mut self, now: Mono, node: &NodeInfo) {
        let present = |status: &&mut NodeStatus| status.info.incarnation == node.incarnation;
        if let Some(status) = self.nodes.get_mut(&node.id).filter(present) {
            status.spoke = Some(now);
        }
    }

    /// Sets whether a node can be believed. Returns whether that changed what is shown.
    pub fn set_liveness(&mut self, node: &NodeId, liveness: Liveness) -> bool {
        let trust = |liveness| match liveness {
            Liveness::Own | Liveness::Alive { .. } => 2,
            Liveness::Relayed { .. } => 1,
            Liveness::Lost { .. } | Liveness::Unmet { .. } => 0,
        };
        match self.nodes.get_mut(node) {
            Some(status) if status.liveness != Liveness::Own => {
                let changed = trust(status.liveness) != trust(liveness);
                status.liveness = liveness;
                changed
            }
            Some(_) | None => false,
        }
    }

    /// Another node holds all that the owner of a log had said by `level`, and so does this one. Returns whether that changed
    /// what is shown.
    pub fn vouch(&mut self, id: &LogId, level: Mono) -> bool {
        let shown = !self.is_outbound(id);
        let Some(status) = self.nodes.get_mut(&id.owner) else { return false };
        status.succeeded = status.succeeded.max(Some(id.incarnation));
        if status.succeeded > Some(status.info.incarnation) {
            // The life that is known is over, whoever has not heard of it yet; of the later one nothing is known so far.
            status.passed_on = None;
            return match status.liveness {
                Liveness::Relayed { heard } => self.set_liveness(&id.owner, Liveness::Lost { since: heard }),
                Liveness::Own | Liveness::Alive { .. } | Liveness::Lost { .. } | Liveness::Unmet { .. } => false,
            };
        }
        if status.info.incarnation != id.incarnation || status.standing == Some(Standing::Left) || !shown {
            return false;
        }
        status.passed_on = status.passed_on.max(Some(level));
        let later = match status.liveness {
            Liveness::Own | Liveness::Alive { .. } => false,
            Liveness::Relayed { heard: since } | Liveness::Lost { since } => level > since,
            Liveness::Unmet { .. } => true,
        };
        later && self.set_liveness(&id.owner, Liveness::Relayed { heard: level })
    }

    /// Nodes of which nothing was passed on since `before`; they are lost from here on.
    pub fn lose_relayed(&mut self, before: Mono) -> Vec<NodeId> {
        let mut lost = Vec::new();
        for status in self.nodes.values_mut() {
            if let Liveness::Relayed { heard } = status.liveness
                && heard < before
            {
                status.liveness = Liveness::Lost { since: heard };
                lost.push(status.info.id.clone());
            }
        }
        lost
    }

    /// Whether a node is heard through others alone: it is known what it says, and it cannot be asked.
    pub fn is_relayed(&self, node: &NodeId) -> bool {
        self.nodes.get(node).is_some_and(|node| matches!(node.liveness, Liveness::Relayed { .. }))
    }
}

#[cfg(test)]
#[path = "node_tests.rs"]
mod tests;
