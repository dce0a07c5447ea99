//! The messages of the vehicle protocol, as the core sees them: checked, in its own types.

use crate::cause::{DetachCause, OrderCause, RecordFault, RejectCause};
use crate::cell::Cell;
use crate::command::{Command, CommandId, CommandStatus};
use crate::epoch::Epoch;
use crate::id::{SessionId, SpoolId, VehicleId};
use crate::ranges::SeqRanges;
use crate::record::{Position, SignalPath, SpoolReport, Telemetry};
use crate::time::{Millis, Wall};
use crate::timers::Timers;
use crate::wake::WakeChannels;

/// A message from a vehicle.
#[derive(Clone, Debug, PartialEq)]
pub enum Uplink {
    /// The first message of a session.
    Attach(Box<AttachRequest>),
    /// Records.
    Telemetry(Telemetry),
    /// Where the vehicle is, after leaving its tracking areas or periodically.
    TrackingUpdate(TrackingUpdate),
    /// Leaves on purpose.
    Detach(DetachCause),
    /// Asks for the gateway's clock; carries the vehicle's.
    TimeRequest(Wall),
    /// The vehicle goes to sleep.
    Suspend(Suspend),
    /// What became of a command.
    CommandStatus(CommandStatus),
}

/// How a vehicle attaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AttachKind {
    /// No earlier session to go on with.
    Initial,
    /// The same session after its socket was lost.
    Resume,
    /// Another gateway than before.
    Handover,
    /// In answer to a page.
    Paged,
}

/// The first message of a session.
#[derive(Clone, Debug, PartialEq)]
pub struct AttachRequest {
    /// Who.
    pub vehicle: VehicleId,
    /// How.
    pub kind: AttachKind,
    /// The token of the last accept, as it was given.
    pub token: Option<Vec<u8>>,
    /// One life of the vehicle's software.
    pub boot_id: String,
    /// What it keeps.
    pub spool: SpoolReport,
    /// Where it is, if it knows.
    pub position: Option<Position>,
    /// The vehicle's clock, if it has one.
    pub clock: Option<Wall>,
    /// The signal catalogue of this session: telemetry names a signal by its place in it, from 1.
    pub signals: Vec<SignalPath>,
    /// How it can be woken when it has no socket.
    pub wake: WakeChannels,
}

/// The vehicle goes to sleep: it ends its socket soon and is back in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Suspend {
    /// How long it still listens; zero for the timer of the accept.
    pub active: Millis,
    /// When it is back at the latest; zero for the timer of the accept, which is also the most.
    pub sleep: Millis,
    /// How it can be woken meanwhile.
    pub wake: WakeChannels,
}

/// Why a TrackingUpdate was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TrackingCause {
    /// It left its tracking areas.
    Moved,
    /// The periodic update is due.
    Periodic,
    /// Its access network changed.
    Access,
}

/// Where a vehicle is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TrackingUpdate {
    /// Why it was sent.
    pub cause: TrackingCause,
    /// Where, if it knows.
    pub position: Option<Position>,
}

/// A gateway a vehicle may attach to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GatewayAddress {
    /// Its region.
    pub region: String,
    /// `ws://…/v1/obu`.
    pub url: String,
}

/// A message to a vehicle.
#[derive(Clone, Debug, PartialEq)]
pub enum Downlink {
    /// The session is durable and the vehicle may send.
    AttachAccept(Box<AttachAccept>),
    /// No session.
    AttachReject(AttachReject),
    /// Records that need not be sent again.
    TelemetryAck(TelemetryAck),
    /// The tracking area list after an update.
    TrackingAccept(TrackingAccept),
    /// The gateway ends the session.
    DetachOrder {
        /// Why.
        cause: OrderCause,
        /// Whether the vehicle is to attach anew.
        reattach: bool,
    },
    /// The gateway's clock.
    TimeReply {
        /// What the request carried.
        sent: Wall,
        /// The gateway's clock.
        server_time: Wall,
    },
    /// Something the vehicle said was wrong.
    Error(ErrorReport),
    /// Asks for a pause in telemetry.
    FlowControl {
        /// How long.
        pause: Millis,
        /// Why, for a person.
        reason: String,
    },
    /// Asks the vehicle to do something.
    Command(Box<Command>),
    /// Do not begin it.
    CommandCancel(CommandId),
    /// Send the present value of these signals, of all if none is named.
    SnapshotRequest(Vec<SignalPath>),
    /// Attach elsewhere, then leave this socket.
    Redirect(Redirect),
}

/// Why a vehicle is sent elsewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RedirectReason {
    /// It is in another region's area.
    Moved,
    /// The gateway is about to stop.
    Draining,
    /// Another gateway has less to do.
    Balance,
}

impl RedirectReason {
    /// The name on the wire.
    pub const fn wire(self) -> &'static str {
        match self {
            Self::Moved => "moved",
            Self::Draining => "draining",
            Self::Balance => "balance",
        }
    }
}

/// Make before break: attach at a target with the token, then leave this socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Redirect {
    /// Where to, in order of preference.
    pub targets: Vec<GatewayAddress>,
    /// Why.
    pub reason: RedirectReason,
    /// When this gateway ends the socket by itself; zero for not at all.
    pub deadline: Millis,
}

/// The session stands.
#[derive(Clone, Debug, PartialEq)]
pub struct AttachAccept {
    /// To be presented at the next attach.
    pub token: Vec<u8>,
    /// The epoch of this attach.
    pub epoch: Epoch,
    /// The session.
    pub session: SessionId,
    /// The gateway's clock.
    pub server_time: Wall,
    /// The tracking area list; empty until a position is known.
    pub areas: Vec<Cell>,
    /// Those the vehicle needs.
    pub timers: Timers,
    /// Records that may be sent without an ack.
    pub window_records: u32,
    /// Bytes that may be sent without an ack.
    pub window_bytes: u32,
    /// Largest frame.
    pub max_frame_bytes: u32,
    /// Lowest sequence number not known to be settled.
    pub resume_from: u64,
    /// Commands that wait.
    pub pending_commands: u32,
    /// Neighbours, in order of preference.
    pub gateways: Vec<GatewayAddress>,
    /// Authenticates wake-ups until the next accept; empty if none are sent.
    pub wake_key: Vec<u8>,
}

/// No session.
#[derive(Clone, Debug, PartialEq)]
pub struct AttachReject {
    /// Why; carries the class and the close code.
    pub cause: RejectCause,
    /// For the classes that wait.
    pub backoff: Millis,
    /// Where to go instead.
    pub redirect: Vec<GatewayAddress>,
    /// For a person.
    pub text: String,
}

/// Records that need not be sent again: they are on disk, or were refused for good.
#[derive(Clone, Debug, PartialEq)]
pub struct TelemetryAck {
    /// Which spool.
    pub spool: SpoolId,
    /// Everything up to here is settled.
    pub through: u64,
    /// Settled beyond it.
    pub ranges: SeqRanges,
    /// Refused for good, with the reason.
    pub rejected: Vec<(u64, RecordFault)>,
}

/// The tracking area list after an update.
#[derive(Clone, Debug, PartialEq)]
pub struct TrackingAccept {
    /// The list.
    pub areas: Vec<Cell>,
    /// Those the vehicle needs.
    pub timers: Timers,
    /// Neighbours, in order of preference.
    pub gateways: Vec<GatewayAddress>,
}

/// Something the vehicle said was wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ErrorReport {
    /// A short name.
    pub code: &'static str,
    /// Whether the socket is closed after it.
    pub fatal: bool,
    /// For a person; names the field.
    pub text: String,
    /// The type of the message at fault.
    pub refers_to: String,
}
