//! One session as the unit sees it: is the gateway still there, where may the unit roam, what may be sent.

use super::{ACK_WAIT, ATTACH_GUARD, Action, GOODBYE_WAIT, LinkId, Nap};
use crate::queue::{Batching, Queue, Window};
use waygate_core::cause::DetachCause;
use waygate_core::cell::Cell;
use waygate_core::command::ClockTie;
use waygate_core::limits::FRAME_BYTES_MAX;
use waygate_core::message::{AttachAccept, Suspend, TrackingCause, TrackingUpdate, Uplink};
use waygate_core::record::Position;
use waygate_core::time::{Millis, Mono};
use waygate_core::timers::Timers;
use waygate_core::wake::WakeChannels;

/// How long the answer to a TrackingUpdate is waited for before the next one may be sent.
const TRACKING_WAIT: Millis = ATTACH_GUARD;

/// A pause asked for by a gateway is not taken to be longer.
const PAUSE_MAX: Millis = Millis::secs(5 * 60);

/// Why a unit ends its session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wish {
    /// It says goodbye.
    Goodbye(DetachCause),
    /// It sleeps.
    Sleep(Nap),
}

/// How a session ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Leave {
    /// With a goodbye.
    Goodbye(DetachCause),
    /// For a sleep until then.
    Sleep(Mono),
}

/// An end that has begun: it is put off from `from` to `until` at most for records that are not acked.
#[derive(Clone, Copy, Debug)]
struct Parting {
    leave: Leave,
    from: Mono,
    until: Mono,
}

#[derive(Clone, Debug)]
pub(super) struct Session {
    link: LinkId,
    gateway: String,
    /// What ties its gateway's clock to this unit's.
    tie: ClockTie,
    heard: Mono,
    /// Silence after which the socket counts as lost.
    silence_max: Millis,
    periodic_update: Millis,
    /// The nap that is meant if none is named.
    nap: Nap,
    window: Window,
    frame_bytes_max: usize,
    areas: Vec<Cell>,
    /// When the next periodic update is due.
    report_due: Mono,
    /// Until when no other update is sent.
    update_answer_due: Option<Mono>,
    paused_until: Mono,
    parting: Option<Parting>,
    /// When to look again for records to send.
    send_due: Option<Mono>,
    /// When to look again whether it is time to leave.
    leave_due: Option<Mono>,
}

impl Session {
    /// The session that was asked for at `asked`.
    pub(super) fn new(now: Mono, link: LinkId, gateway: String, accept: &AttachAccept, asked: Mono) -> Self {
        let frame_bytes_max = usize::try_from(accept.max_frame_bytes).unwrap_or(FRAME_BYTES_MAX);
        let mut session = Self {
            link,
            gateway,
            tie: ClockTie { asked, server_time: accept.server_time },
            heard: now,
            silence_max: Millis(0),
            periodic_update: Millis(0),
            nap: Nap { active: Millis(0), sleep: Millis(0) },
            window: Window { records: accept.window_records.into(), bytes: accept.window_bytes.into() },
            frame_bytes_max: frame_bytes_max.min(FRAME_BYTES_MAX),
            areas: Vec::new(),
            report_due: now,
            update_answer_due: None,
            paused_until: now,
            parting: None,
            send_due: None,
            leave_due: None,
        };
        session.track(now, accept.areas.clone(), &accept.timers);
        session
    }

    /// What ties its gateway's clock to this unit's.
    pub(super) fn tie(&self) -> ClockTie {
        self.tie
    }

    /// Its socket.
    pub(super) fn link(&self) -> LinkId {
        self.link
    }

    /// The address of its gateway.
    pub(super) fn gateway(&self) -> &str {
        &self.gateway
    }

    /// After how much silence it counts as lost.
    pub(super) fn silence_max(&self) -> Millis {
        self.silence_max
    }

    pub(super) fn heard(&mut self, now: Mono) {
        self.heard = now;
    }

    /// Takes over the tracking area list and the timers that came with it.
    pub(super) fn track(&mut self, now: Mono, areas: Vec<Cell>, timers: &Timers) {
        self.areas = areas;
        self.silence_max = timers.ping + timers.pong + timers.pong;
        self.periodic_update = timers.periodic_update;
        self.report_due = now + timers.periodic_update;
        self.update_answer_due = None;
        self.nap = Nap { active: timers.active, sleep: timers.sleep };
    }

    pub(super) fn pause(&mut self, now: Mono, pause: Millis) {
        self.paused_until = now + pause.min(PAUSE_MAX);
    }

    pub(super) fn say_goodbye(&mut self, now: Mono, cause: DetachCause) {
        let leave = Leave::Goodbye(cause);
        // A goodbye that was asked for before keeps its time.
        let known = self.parting.filter(|parting| matches!(parting.leave, Leave::Goodbye(_)));
        let parting = known.unwrap_or(Parting { leave, from: now, until: now + GOODBYE_WAIT });
        self.parting = Some(Parting { leave, ..parting });
    }

    /// Begins to fall asleep; gives what is to be said of it.
    pub(super) fn suspend(&mut self, now: Mono, nap: Nap, wake: WakeChannels) -> Uplink {
        let told = |asked: Millis, default: Millis| if asked == Millis(0) { default } else { asked };
        let sleep = told(nap.sleep, self.nap.sleep).min(self.nap.sleep);
        let active = told(nap.active, self.nap.active).min(sleep);
        let from = now + active;
        self.parting = Some(Parting { leave: Leave::Sleep(now + sleep), from, until: from + GOODBYE_WAIT });
        Uplink::Suspend(Suspend { active, sleep, wake })
    }

    /// How the session is about to end, if it is.
    pub(super) fn leave(&self) -> Option<Leave> {
        self.parting.map(|parting| parting.leave)
    }

    /// The unit is wanted: a goodbye is off, and a sleep that was announced ends as it begins. Returns whether it was that.
    pub(super) fn stay(&mut self, now: Mono) -> bool {
        self.parting = self.parting.filter(|parting| matches!(parting.leave, Leave::Sleep(_)));
        if let Some(parting) = &mut self.parting {
            *parting = Parting { leave: Leave::Sleep(now), from: now, until: now + GOODBYE_WAIT };
        }
        self.parting.is_some()
    }

    /// The update to send if the unit has left its tracking areas.
    pub(super) fn place(&mut self, now: Mono, position: Position) -> Option<Uplink> {
        let cell = Cell::of(position)?;
        if self.areas.contains(&cell) || self.update_answer_due.is_some_and(|due| now < due) {
            return None;
        }
        Some(self.update(now, TrackingCause::Moved, Some(position)))
    }

    /// The update to send if one is due.
    pub(super) fn report_periodically(&mut self, now: Mono, position: Option<Position>) -> Option<Uplink> {
        (now >= self.report_due).then(|| self.update(now, TrackingCause::Periodic, position))
    }

    fn update(&mut self, now: Mono, cause: TrackingCause, position: Option<Position>) -> Uplink {
        self.update_answer_due = Some(now + TRACKING_WAIT);
        self.report_due = now + self.periodic_update.max(TRACKING_WAIT);
        Uplink::TrackingUpdate(TrackingUpdate { cause, position })
    }

    /// Why the socket counts as lost, if it does.
    pub(super) fn fault(&self, now: Mono, queue: &Queue) -> Option<&'static str> {
        if now >= self.heard + self.silence_max {
            return Some("the gateway has fallen silent");
        }
        queue.oldest_flight().filter(|sent| now >= *sent + ACK_WAIT).map(|_| "the gateway does not ack")
    }

    /// How the unit leaves now, if it does: everything is acked, or that took too long.
    pub(super) fn leaves(&self, now: Mono, queue: &Queue) -> Option<Leave> {
        let due = |parting: &Parting| now >= parting.until || (now >= parting.from && queue.unsettled() == 0);
        self.parting.filter(due).map(|parting| parting.leave)
    }

    /// The records to send now.
    pub(super) fn send_next(&self, now: Mono, queue: &mut Queue, batching: &Batching) -> Option<Action> {
        if now < self.paused_until {
            return None;
        }
        let span = queue.next(now, self.window, batching, self.parting.is_some())?;
        Some(Action::SendRecords { link: self.link, span, bytes_max: self.frame_bytes_max })
    }

    /// Settles when to look again for records to send. What waits for an ack needs no deadline: the ack wakes it.
    pub(super) fn plan(&mut self, now: Mono, queue: &Queue, batching: &Batching) {
        let pause_end = Some(self.paused_until).filter(|_| queue.unsettled() > 0);
        let later = |at: &Mono| *at > now;
        self.send_due = pause_end.filter(later).or_else(|| queue.live_due(batching).filter(later));
        self.leave_due = self.parting.map(|parting| if now < parting.from { parting.from } else { parting.until });
    }

    pub(super) fn next_deadline(&self, queue: &Queue) -> Mono {
        let ack = queue.oldest_flight().map(|sent| sent + ACK_WAIT);
        let silent = self.heard + self.silence_max;
        [self.send_due, ack, self.leave_due].into_iter().flatten().fold(silent.min(self.report_due), Mono::min)
    }
}
