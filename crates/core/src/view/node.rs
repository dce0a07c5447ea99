//! Gateways, as this one knows them.

use crate::id::{Incarnation, NodeId, RegionId};
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
