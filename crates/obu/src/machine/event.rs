//! What a machine is told, and what it asks for.

use super::{Batching, Span};
use crate::notice::Notice;
use crate::spool::Token;
use waygate_core::cause::{DetachCause, RecordFault};
use waygate_core::command::{CommandId, CommandStatus};
use waygate_core::id::{SpoolId, VehicleId};
use waygate_core::message::{Downlink, Uplink};
use waygate_core::ranges::SeqRanges;
use waygate_core::record::{Position, SignalPath};
use waygate_core::time::{Millis, Wall};
use waygate_core::wake::WakeChannels;

/// One socket, from its dial to its end. There are two at most: that of the session, and one beside it while the unit moves
/// from one gateway to another.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LinkId(pub u64);

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
    /// How it can be woken when it has no socket.
    pub wake: WakeChannels,
    /// Whether its owner does commands; otherwise they are rejected.
    pub takes_commands: bool,
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
    /// Commands that an earlier life was given, the oldest first.
    pub commands: Vec<CommandId>,
}

/// What happens. `random` is 64 fresh random bits.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// The owner wants a session; at start, after a goodbye, or before the end of a sleep.
    AttachRequested,
    /// The gateway that was dialled has accepted the socket.
    Connected {
        /// On this link.
        link: LinkId,
        /// The unit's clock.
        wall: Wall,
        /// The signal catalogue to agree on.
        signals: Vec<SignalPath>,
    },
    /// It could not be reached, or refused the upgrade.
    ConnectFailed {
        /// On this link.
        link: LinkId,
        /// What went wrong.
        why: String,
        /// When to come back, if the gateway said so.
        retry_after: Option<Millis>,
        /// For the jitter.
        random: u64,
    },
    /// The socket ended.
    SocketLost {
        /// Which.
        link: LinkId,
        /// The close code, if there was one.
        code: Option<u16>,
        /// How it ended.
        why: String,
        /// For the jitter.
        random: u64,
    },
    /// Any frame came, a ping included.
    FrameReceived {
        /// On this link.
        link: LinkId,
    },
    /// A message came.
    MessageReceived {
        /// On this link.
        link: LinkId,
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
    /// The owner wants to sleep.
    SuspendRequested(Nap),
    /// What may be a wake-up has come.
    Woken {
        /// As it came.
        payload: String,
    },
    /// The owner is about to begin a command, and asks whether it may.
    BeginAsked(CommandId),
    /// The owner says what became of a command.
    CommandSaid(CommandStatus),
    /// The ignition was switched.
    IgnitionSwitched(bool),
    /// The deadline has passed.
    DeadlineReached {
        /// For the jitter.
        random: u64,
    },
}

/// A sleep as the owner wishes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Nap {
    /// How long the unit still listens; zero for the timer of the accept.
    pub active: Millis,
    /// When it is back at the latest; zero for the timer of the accept, which is also the most.
    pub sleep: Millis,
}

/// What is asked for, in order.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Dial this gateway.
    Connect {
        /// On this link.
        link: LinkId,
        /// Its address.
        gateway: String,
    },
    /// Send a message.
    Send {
        /// On this link.
        link: LinkId,
        /// What.
        message: Uplink,
    },
    /// Read these from the spool, send as many as fit into a frame of `bytes_max`, and say so.
    SendRecords {
        /// On this link.
        link: LinkId,
        /// Which.
        span: Span,
        /// The longest frame.
        bytes_max: usize,
    },
    /// End the socket, or the dial.
    Close {
        /// Which.
        link: LinkId,
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
    /// Remember a command durably before anything that follows is done.
    RememberCommand(CommandId),
    /// The answer to [`Event::BeginAsked`].
    AnswerBegin {
        /// The command.
        id: CommandId,
        /// Whether it may be begun now.
        granted: bool,
    },
    /// Make a record of the latest value of these signals, of all if none is named, and add it to the spool.
    Snapshot(Vec<SignalPath>),
    /// Tell the owner.
    Notify(Notice),
}
