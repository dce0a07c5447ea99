//! One session as the unit sees it: is the gateway still there, where may the unit roam, what may be sent.

use super::{ACK_WAIT, ATTACH_GUARD, Action, DRAIN_WAIT, GOODBYE_WAIT};
use crate::queue::{Batching, Queue, Window};
use waygate_core::cause::DetachCause;
use waygate_core::cell::Cell;
use waygate_core::limits::FRAME_BYTES_MAX;
use waygate_core::message::{AttachAccept, TrackingCause, TrackingUpdate, Uplink};
use waygate_core::record::Position;
use waygate_core::time::{Millis, Mono};
use waygate_core::timers::Timers;

/// How long the answer to a TrackingUpdate is waited for before the next one may be sent.
const TRACKING_WAIT: Millis = ATTACH_GUARD;

/// A pause asked for by a gateway is not taken to be longer.
const PAUSE_MAX: Millis = Millis::secs(5 * 60);

#[derive(Clone, Debug)]
pub(super) struct Session {
    gateway: String,
    heard: Mono,
    /// Silence after which the socket counts as lost.
    silence_max: Millis,
    periodic_update: Millis,
    window: Window,
    frame_bytes_max: usize,
    areas: Vec<Cell>,
    /// When the next periodic update is due.
    report_due: Mono,
    /// Until when no other update is sent.
    update_answer_due: Option<Mono>,
    paused_until: Mono,
    /// The unit goes elsewhere, at the latest then.
    moving: Option<Mono>,
    /// The unit says goodbye, at the latest then.
    goodbye: Option<(DetachCause, Mono)>,
    /// When to look again for records to send.
    send_due: Option<Mono>,
}

impl Session {
    pub(super) fn new(now: Mono, gateway: String, accept: &AttachAccept) -> Self {
        let frame_bytes_max = usize::try_from(accept.max_frame_bytes).unwrap_or(FRAME_BYTES_MAX);
        let mut session = Self {
            gateway,
            heard: now,
            silence_max: Millis(0),
            periodic_update: Millis(0),
            window: Window { records: accept.window_records.into(), bytes: accept.window_bytes.into() },
            frame_bytes_max: frame_bytes_max.min(FRAME_BYTES_MAX),
            areas: Vec::new(),
            report_due: now,
            update_answer_due: None,
            paused_until: now,
            moving: None,
            goodbye: None,
            send_due: None,
        };
        session.track(now, accept.areas.clone(), &accept.timers);
        session
    }

    /// The address of its gateway.
    pub(super) fn gateway(&self) -> &str {
        &self.gateway
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
    }

    pub(super) fn pause(&mut self, now: Mono, pause: Millis) {
        self.paused_until = now + pause.min(PAUSE_MAX);
    }

    pub(super) fn is_moving(&self) -> bool {
        self.moving.is_some()
    }

    pub(super) fn set_moving(&mut self, now: Mono, moving: bool) {
        self.moving = moving.then(|| self.moving.unwrap_or(now + DRAIN_WAIT));
    }

    pub(super) fn say_goodbye(&mut self, now: Mono, cause: DetachCause) {
        let until = self.goodbye.map_or(now + GOODBYE_WAIT, |(_, until)| until);
        self.goodbye = Some((cause, until));
    }

    /// The goodbye that is to be said, if any.
    pub(super) fn parting(&self) -> Option<DetachCause> {
        self.goodbye.map(|(cause, _)| cause)
    }

    /// The goodbye is off.
    pub(super) fn stay(&mut self) {
        self.goodbye = None;
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

    /// Whether it is time to go elsewhere: nothing is under way any more, or that took too long.
    pub(super) fn moves(&self, now: Mono, queue: &Queue) -> bool {
        self.moving.is_some_and(|until| now >= until || !queue.busy())
    }

    /// Why the unit says goodbye now, if it does: everything is acked, or that took too long.
    pub(super) fn leaves(&self, now: Mono, queue: &Queue) -> Option<DetachCause> {
        self.goodbye.filter(|(_, until)| now >= *until || queue.unsettled() == 0).map(|(cause, _)| cause)
    }

    /// The records to send now.
    pub(super) fn send_next(&self, now: Mono, queue: &mut Queue, batching: &Batching) -> Option<Action> {
        if self.moving.is_some() || now < self.paused_until {
            return None;
        }
        let span = queue.next(now, self.window, batching, self.goodbye.is_some())?;
        Some(Action::SendRecords { span, bytes_max: self.frame_bytes_max })
    }

    /// Settles when to look again for records to send. What waits for an ack needs no deadline: the ack wakes it.
    pub(super) fn plan(&mut self, now: Mono, queue: &Queue, batching: &Batching) {
        let pause_end = Some(self.paused_until).filter(|_| queue.unsettled() > 0);
        let later = |at: &Mono| *at > now;
        self.send_due = pause_end.filter(later).or_else(|| queue.live_due(batching).filter(later));
    }

    pub(super) fn next_deadline(&self, queue: &Queue) -> Mono {
        let ack = queue.oldest_flight().map(|sent| sent + ACK_WAIT);
        let goodbye = self.goodbye.map(|(_, until)| until);
        let silent = self.heard + self.silence_max;
        [self.send_due, ack, self.moving, goodbye].into_iter().flatten().fold(silent.min(self.report_due), Mono::min)
    }
}
