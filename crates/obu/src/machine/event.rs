//! What a machine is told, and what it asks for.

use super::{Batching, Span};
use crate::notice::Notice;
use crate::spool::Token;
use waygate_core::cause::{DetachCause, RecordFault};
use waygate_core::id::{SpoolId, VehicleId};
use waygate_core::message::{Downlink, Uplink};
use waygate_core::ranges::SeqRanges;
use waygate_core::record::{Position, SignalPath};
use waygate_core::time::Wall;

/// What a machine is told once.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Who it is.
    pub vehicle: VehicleId,
    /// One life of the unit's software.
    pub boot_id: String,
    /// The addresses of gateways, in order of preference.
    pub gateways: Vec<String>,
    /// How records are gathered into messages.
    pub batching: Batching,
    /// With the ignition on, a long wait is 2 min, otherwise 12.
    pub ignition_on: bool,
}

/// What the spool held when the unit started.
#[derive(Clone, Debug)]
pub struct SpoolState {
    /// Which life.
    pub id: SpoolId,
    /// Highest number given out.
    pub last: u64,
    /// What need not be sent any more, from 1 on.
    pub settled: SeqRanges,
    /// The token of the last accept.
    pub token: Option<Token>,
}

/// What happens. `random` is 64 fresh random bits.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// The owner wants a session; at start, or after a goodbye.
    AttachRequested,
    /// The gateway that was dialled has accepted the socket.
    Connected {
        /// The unit's clock.
        wall: Wall,
        /// The signal catalogue to agree on.
        signals: Vec<SignalPath>,
    },
    /// It could not be reached, or refused the upgrade.
    ConnectFailed {
        /// What went wrong.
        why: String,
        /// For the jitter.
        random: u64,
    },
    /// The socket ended.
    SocketLost {
        /// The close code, if there was one.
        code: Option<u16>,
        /// How it ended.
        why: String,
        /// For the jitter.
        random: u64,
    },
    /// Any frame came, a ping included.
    FrameReceived,
    /// A message came.
    MessageReceived {
        /// What it says.
        message: Downlink,
        /// For the jitter.
        random: u64,
    },
    /// A record has been added to the spool.
    RecordAdded {
        /// Its number.
        seq: u64,
        /// Where it was made.
        position: Option<Position>,
    },
    /// The spool has given records up.
    RecordsDropped(SeqRanges),
    /// What [`Action::SendRecords`] asked for was sent, up to `last`.
    RecordsSent {
        /// The first.
        first: u64,
        /// The last.
        last: u64,
        /// The size of the frame.
        bytes: u32,
    },
    /// Nothing of what [`Action::SendRecords`] asked for could be read.
    RecordsUnread,
    /// The unit is elsewhere, without a record of it.
    PositionChanged(Position),
    /// The owner prefers these gateways from now on, in this order.
    GatewaysPreferred(Vec<String>),
    /// The owner wants to say goodbye.
    DetachRequested(DetachCause),
    /// The ignition was switched.
    IgnitionSwitched(bool),
    /// The deadline has passed.
    DeadlineReached {
        /// For the jitter.
        random: u64,
    },
}

/// What is asked for, in order.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Dial this gateway.
    Connect {
        /// Its address.
        gateway: String,
    },
    /// Send a message.
    Send(Uplink),
    /// Read these from the spool, send as many as fit into a frame of `bytes_max`, and say so.
    SendRecords {
        /// Which.
        span: Span,
        /// The longest frame.
        bytes_max: usize,
    },
    /// End the socket, or the dial.
    Close {
        /// The close code.
        code: u16,
    },
    /// These need not be kept any more.
    Settle {
        /// Which.
        seqs: SeqRanges,
        /// Those of them that were refused.
        rejected: Vec<(u64, RecordFault)>,
    },
    /// Keep the token, or forget it.
    KeepToken(Option<Token>),
    /// Tell the owner.
    Notify(Notice),
}
