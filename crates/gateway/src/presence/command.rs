//! What the presence task can be told and asked.

use super::State;
use super::context::{Context, ContextRequest};
use crate::mailbox::Mailbox;
use crate::peers::handover::Notice;
use crate::peers::meter::Meter;
use std::collections::BTreeSet;
use std::sync::Arc;
use tokio::sync::{mpsc, oneshot};
use waygate_core::cause::DetachCause;
use waygate_core::cell::Cell;
use waygate_core::commands::{Outcome, Record};
use waygate_core::credential::CertificateId;
use waygate_core::id::{ConnId, NodeId, SpoolId, VehicleId};
use waygate_core::membership::{Standing, Vitals};
use waygate_core::message::{AttachRequest, Downlink, Suspend};
use waygate_core::node::LinkId;
use waygate_core::sync::Frame;
use waygate_core::time::Millis;
use waygate_core::view::{NodeInfo, Sight};

/// Something for the presence task.
pub enum Command {
    /// A vehicle asks for a session.
    Attach(Arc<Mailbox>, Box<AttachRequest>),
    /// A vehicle is in another tracking area.
    Moved(ConnId, Cell),
    /// A vehicle said goodbye.
    Detach(ConnId, DetachCause),
    /// A vehicle goes to sleep once its socket ends.
    Suspend(ConnId, Suspend),
    /// A connection has ended.
    Lost(ConnId),
    /// These may have no session from now on, whatever they show.
    Bar(Barred),
    /// A stream to a peer was opened.
    LinkOpened(LinkId, Link),
    /// A peer sent a frame.
    FrameReceived(LinkId, Frame),
    /// A stream ended.
    LinkLost(LinkId),
    /// What the cluster thinks of a gateway.
    Member(NodeInfo, Standing),
    /// What a gateway said last of itself; `None` if it has said nothing in this life, or is forgotten.
    Said(NodeId, Option<Vitals>),
    /// Another gateway says that a session lost.
    Supersede(Notice, oneshot::Sender<bool>),
    /// Another gateway has a vehicle now, and asks what is settled here.
    Context(ContextRequest),
    /// Another gateway has answered what it has stored of a vehicle, or will not.
    Gathered {
        /// What it was told with the question.
        notice: Notice,
        /// The spool it was asked about.
        spool: SpoolId,
        /// Its answer.
        context: Option<Context>,
    },
    /// Ask a vehicle on its socket whether it is there; dropped if it has none here, or loses it.
    Probe(VehicleId, oneshot::Sender<()>),
    /// Send something to a vehicle; `written` is dropped if it has no socket here, or loses it.
    SendTo {
        /// To whom.
        vehicle: VehicleId,
        /// What.
        message: Downlink,
        /// Told once it was written to the socket.
        written: oneshot::Sender<()>,
    },
    /// Hand a command to the vehicle's socket, or call it back, if the vehicle is connected here.
    Hand {
        /// The command.
        record: Box<Record>,
        /// To call it back.
        recall: bool,
        /// How it went.
        reply: oneshot::Sender<Outcome>,
    },
    /// A vehicle that is not kept here was looked for and found.
    Found(Box<Sight>),
    /// A question.
    Ask(Box<dyn FnOnce(&State) + Send>),
    /// The gateway is about to stop: vehicles are sent elsewhere over this time, and it is told when all have left.
    Drain(Millis, oneshot::Sender<()>),
    /// The gateway stops: every vehicle is sent away.
    SendAway,
}

/// Who may have no session, by one of the two who say so.
#[derive(Clone, Debug)]
pub enum Barred {
    /// Certificates that were revoked; all of them.
    Revoked(Arc<BTreeSet<CertificateId>>),
    /// Vehicles that operators refuse; all of them.
    Refused(Arc<BTreeSet<VehicleId>>),
}

/// The gateway's end of a stream to a peer.
#[derive(Debug)]
pub struct Link {
    /// Whether this node dialled it.
    pub dialled: bool,
    /// Takes frames for the peer.
    pub frames: mpsc::Sender<Frame>,
    /// Counts what passes.
    pub meter: Meter,
    /// Ends the stream.
    pub hang_up: tokio_util::sync::CancellationToken,
}

/// The way to the presence task. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Presence {
    commands: mpsc::Sender<Command>,
}

impl std::fmt::Debug for Command {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Command")
    }
}

impl Presence {
    /// A way to a task that reads `commands`.
    pub fn new(commands: mpsc::Sender<Command>) -> Self {
        Self { commands }
    }

    /// Asks for a session; `false` if the task cannot even be asked.
    pub fn try_attach(&self, mailbox: Arc<Mailbox>, request: Box<AttachRequest>) -> bool {
        self.commands.try_send(Command::Attach(mailbox, request)).is_ok()
    }

    /// Gives the task a command, waiting for room.
    pub async fn tell(&self, command: Command) {
        if self.commands.send(command).await.is_err() {
            tracing::debug!("the presence task has ended");
        }
    }

    /// Asks the task; `None` if it has ended. The question must be answered quickly.
    pub async fn ask<T: Send + 'static>(&self, question: impl FnOnce(&State) -> T + Send + 'static) -> Option<T> {
        let (reply, answer) = oneshot::channel();
        let command = Command::Ask(Box::new(move |state| {
            let _ = reply.send(question(state));
        }));
        self.tell(command).await;
        answer.await.ok()
    }
}
