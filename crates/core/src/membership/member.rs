//! A gateway as the membership protocol names it.

use crate::id::NodeId;
use crate::view::NodeInfo;
use std::sync::Arc;

/// One gateway in one life. A gateway that was declared down while it lived comes back under a later renewal; a later life
/// outranks every renewal of an earlier one.
#[derive(Clone, Debug)]
pub struct Member {
    /// What it says of itself.
    pub info: Arc<NodeInfo>,
    /// How often it had to come back in this life.
    pub renewal: u32,
}

impl Member {
    /// A gateway in its present life.
    pub fn new(info: NodeInfo) -> Self {
        // Whether it drains changes within a life; that is told beside the identity.
        Self { info: Arc::new(NodeInfo { draining: false, ..info }), renewal: 0 }
    }

    fn rank(&self) -> (u64, u32) {
        (self.info.incarnation.0, self.renewal)
    }
}

impl PartialEq for Member {
    fn eq(&self, other: &Self) -> bool {
        self.rank() == other.rank() && self.info.id == other.info.id
    }
}

impl Eq for Member {}

impl foca::Identity for Member {
    type Addr = NodeId;

    fn renew(&self) -> Option<Self> {
        Some(Self { info: self.info.clone(), renewal: self.renewal.checked_add(1)? })
    }

    fn addr(&self) -> NodeId {
        self.info.id.clone()
    }

    fn win_addr_conflict(&self, other: &Self) -> bool {
        self.rank() > other.rank()
    }
}
