//! The promises to vehicles: epochs that rise, acks that hold, losses that are hidden.
//!
//! The truth is taken from what was really sent, delivered and flushed, never from what a machine believes.

use super::check::Check;
use super::disk::{Image, Request};
use super::oracle::Oracle;
use std::collections::{BTreeMap, BTreeSet};
use waygate_core::cell::Cell;
use waygate_core::command::CommandId;
use waygate_core::epoch::Epoch;
use waygate_core::id::{ConnId, SessionId, SpoolId, VehicleId};
use waygate_core::limits::{RECORD_AGE_MS_MAX, RECORD_AHEAD_MS_MAX};
use waygate_core::message::{AttachAccept, AttachKind, AttachRequest, TelemetryAck};
use waygate_core::node::Node;
use waygate_core::ranges::SeqRanges;
use waygate_core::record::{Record, Telemetry};
use waygate_core::session::{Accepted, Phase};
use waygate_core::time::{Millis, Wall};

/// A socket that was lost while its session stood.
#[derive(Clone, Debug)]
struct Hold {
    session: SessionId,
    epoch: Epoch,
    cell: Option<Cell>,
    lost_at: u64,
    until: u64,
    published: Option<u64>,
}

/// What is known of vehicles.
#[derive(Clone, Debug, Default)]
pub struct Promises {
    /// The highest epoch published of a vehicle.
    top: BTreeMap<VehicleId, Epoch>,
    /// The last attach that each unit was told of.
    history: BTreeMap<usize, (Epoch, SessionId)>,
    /// The last frame of a vehicle at a gateway.
    pub contacts: BTreeMap<(usize, VehicleId), u64>,
    /// The last frame over the connection of a session, and when its attach was asked for.
    pub attended: BTreeMap<(usize, VehicleId), u64>,
    attach_asked: BTreeMap<ConnId, u64>,
    /// What a vehicle said of its sleep, by session: last, and the longest of all, as others may still know an earlier one.
    pub suspended: BTreeMap<(usize, SessionId), (Millis, Millis)>,
    /// Sessions whose vehicle said so and has not come back: their loss is no loss.
    leaving: BTreeSet<(usize, SessionId)>,
    holds: BTreeMap<(usize, VehicleId), Hold>,
    resumes: BTreeMap<ConnId, Hold>,
    /// Attaches that the disk refused; they may be on it all the same.
    doubted: BTreeMap<(usize, VehicleId), Epoch>,
    /// What units were told is acked.
    pub acked: BTreeMap<(VehicleId, SpoolId), SeqRanges>,
    /// What a lying disk had confirmed and lost.
    pub lied: BTreeMap<(VehicleId, SpoolId), SeqRanges>,
    /// Commands of which a disk lost what it had confirmed: who keeps them, or how they ended.
    pub lied_commands: BTreeSet<CommandId>,
    /// Records that some gateway had a reason to refuse when it read them.
    refusable: BTreeSet<(SpoolId, u64)>,
    /// Every record, as it was first sent.
    pub records: BTreeMap<(SpoolId, u64), Record>,
}

impl Promises {
    pub(super) fn note_published(&mut self, vehicle: &VehicleId, epoch: Epoch) {
        let top = self.top.entry(vehicle.clone()).or_insert(epoch);
        *top = epoch.max(*top);
    }

    /// A frame of a vehicle reached a gateway.
    pub fn heard(&mut self, now: u64, g: usize, vehicle: &VehicleId) {
        self.contacts.insert((g, vehicle.clone()), now);
    }

    /// The disk refused an attach: what is lower may be refused from now on.
    pub fn refused(&mut self, g: usize, vehicle: &VehicleId, epoch: Epoch) {
        let doubt = self.doubted.entry((g, vehicle.clone())).or_insert(epoch);
        *doubt = epoch.max(*doubt);
    }

    /// The disk took an attach: whatever it refused before is not on it, or is lower.
    pub fn undoubted(&mut self, g: usize, vehicle: &VehicleId) {
        self.doubted.remove(&(g, vehicle.clone()));
    }

    /// A frame came over a connection: contact, if it is that of the session.
    pub fn attended(&mut self, now: u64, g: usize, node: &Node, conn: ConnId) {
        let Some(vehicle) = node.registrar().vehicle_of(conn) else { return };
        if node.registrar().session(vehicle).is_some_and(|session| session.phase() == Phase::Connected(conn)) {
            self.attended.insert((g, vehicle.clone()), now);
        }
    }

    /// The socket of a session ends. If the session stands on no socket any more, an attach that overtook it lost its own
    /// before it was on disk: the hold runs from that loss, not from the last frame here.
    pub fn overtaken(&mut self, g: usize, node: &Node, vehicle: &VehicleId) {
        let phase = node.registrar().session(vehicle).map(|session| session.phase());
        if !matches!(phase, Some(Phase::Connected(_))) {
            self.attended.remove(&(g, vehicle.clone()));
        }
    }

    /// A gateway died: what it held is another matter.
    pub fn died(&mut self, g: usize, lost: &[Request]) {
        self.holds.retain(|(at, _), _| *at != g);
        self.doubted.retain(|(at, _), _| *at != g);
        for request in lost {
            if let Request::Command { record, .. } = request {
                self.lied_commands.insert(record.id);
            }
            if let Request::Session { entry, .. } = request
                && self.suspended.contains_key(&(g, entry.session))
            {
                // That it came back may be what was lost.
                self.leaving.insert((g, entry.session));
            }
            if let Request::Batch(_, _, write) = request {
                self.lied.entry((write.vehicle.clone(), write.spool)).or_default().extend(&write.settled);
            }
        }
    }

    /// A disk is lost with all that was on it.
    pub fn wiped(&mut self, g: usize, image: &Image) {
        self.lied_commands.extend(image.commands.keys());
        for (entry, _) in image.sessions.values() {
            if self.suspended.contains_key(&(g, entry.session)) {
                self.leaving.insert((g, entry.session));
            }
        }
        for (key, settled) in &image.settled {
            self.lied.entry(key.clone()).or_default().extend(settled);
        }
    }

    /// For how long a session sleeps that said so and has not come back since.
    pub fn sleeps(&self, g: usize, session: SessionId) -> Option<Millis> {
        let key = (g, session);
        self.suspended.get(&key).filter(|_| self.leaving.contains(&key)).map(|(last, _)| *last)
    }

    /// A gateway reads records while its clock says `wall`: which of them it may refuse.
    pub fn received(&mut self, spool: SpoolId, wall: Wall, telemetry: &Telemetry) {
        let (earliest, latest) = (wall - Millis(RECORD_AGE_MS_MAX), wall + Millis(RECORD_AHEAD_MS_MAX));
        for (seq, record) in (telemetry.first_seq..).zip(&telemetry.records) {
            let turned = record.fix.as_ref().and_then(|fix| fix.heading_cdeg).is_some_and(|heading| heading >= 36_000);
            if turned || record.t > latest || record.t < earliest {
                self.refusable.insert((spool, seq));
            }
        }
    }

    /// Records that units were told are acked, that no gateway had a reason to refuse, and that no disk lied about.
    pub fn must_be_kept(&self) -> BTreeSet<(SpoolId, u64)> {
        let mut kept = BTreeSet::new();
        for ((vehicle, spool), acked) in &self.acked {
            let lied = self.lied.get(&(vehicle.clone(), *spool));
            let own = self.records.range((*spool, 0)..=(*spool, u64::MAX)).map(|(key, _)| *key);
            let told = own.filter(|(_, seq)| acked.contains(*seq) && !lied.is_some_and(|lied| lied.contains(*seq)));
            kept.extend(told.filter(|key| !self.refusable.contains(key)));
        }
        kept
    }

    /// A unit lost its token: its history begins anew.
    pub fn forgot_token(&mut self, unit: usize) {
        self.history.remove(&unit);
    }
}

impl Oracle {
    /// A socket is about to be found lost by a gateway.
    pub fn socket_lost(&mut self, now: u64, g: usize, node: &Node, conn: ConnId) {
        self.promises.resumes.remove(&conn);
        let Some(vehicle) = node.registrar().vehicle_of(conn) else { return };
        let Some(session) = node.registrar().session(vehicle) else { return };
        let leaving = self.promises.leaving.contains(&(g, session.id()));
        if session.phase() != Phase::Connected(conn) || leaving {
            return;
        }
        let published = self.own_latest(node, vehicle);
        let cell = session.entry().and_then(|entry| entry.cell);
        let contact = self.promises.contacts.get(&(g, vehicle.clone())).copied().unwrap_or(now);
        let until = (now + self.timers.hold.0).min(contact + self.timers.silence_max().0);
        let hold = Hold { session: session.id(), epoch: session.epoch(), cell, lost_at: now, until, published };
        self.promises.holds.insert((g, vehicle.clone()), hold);
    }

    /// A vehicle says that it goes to sleep.
    pub fn suspending(&mut self, g: usize, node: &Node, conn: ConnId, sleep: Millis) {
        let Some(vehicle) = node.registrar().vehicle_of(conn) else { return };
        let session = node.registrar().session(vehicle).filter(|s| s.phase() == Phase::Connected(conn));
        if let Some(session) = session {
            let said = self.promises.suspended.entry((g, session.id())).or_insert((sleep, sleep));
            *said = (sleep, sleep.max(said.1));
            self.promises.leaving.insert((g, session.id()));
        }
    }

    /// An attach reaches a gateway: it has to go on with its session if that is held.
    pub fn attaching(&mut self, now: u64, g: usize, node: &Node, conn: ConnId, request: &AttachRequest) {
        let key = (g, request.vehicle.clone());
        self.promises.attach_asked.insert(conn, now);
        let Some(hold) = self.promises.holds.remove(&key) else { return };
        let token = node.registrar().token(&request.vehicle, hold.session, hold.epoch);
        let current = node.registrar().session(&request.vehicle).is_some_and(|s| s.epoch() == hold.epoch);
        let unrivalled = self.promises.top.get(&request.vehicle) == Some(&hold.epoch)
            && node.view().known_epoch(&request.vehicle) == Some(hold.epoch);
        let in_time = now < hold.until;
        let resume = request.kind == AttachKind::Resume && request.token.as_ref() == Some(&token);
        let doubted = self.promises.doubted.get(&key).is_some_and(|doubt| *doubt > hold.epoch);
        if resume && current && unrivalled && in_time && !doubted {
            self.promises.resumes.insert(conn, hold);
        }
    }

    /// Whether an attach has to go on with a session that is held.
    pub fn resumes(&self, conn: ConnId) -> bool {
        self.promises.resumes.contains_key(&conn)
    }

    /// A gateway accepts a session.
    pub fn accepting(&mut self, now: u64, g: usize, node: &Node, conn: ConnId, accepted: &Accepted, image: &Image) {
        self.promises.holds.remove(&(g, accepted.vehicle.clone()));
        self.promises.leaving.remove(&(g, accepted.session));
        let asked = self.promises.attach_asked.remove(&conn).unwrap_or(now);
        self.promises.attended.insert((g, accepted.vehicle.clone()), asked);
        let durable = image.sessions.get(&accepted.vehicle).map(|(entry, _)| (entry.epoch, entry.session));
        // A later transition of the session may be on its way behind it; an older attach may not.
        let kept = durable.is_some_and(|d| d == (accepted.epoch, accepted.session));
        self.expect(Check::AcceptAfterCommit, now, kept, || {
            format!("{} was accepted as {:?}, on disk is {durable:?}", accepted.vehicle, accepted.epoch)
        });
        let Some(hold) = self.promises.resumes.remove(&conn) else { return };
        let published = self.own_latest(node, &accepted.vehicle);
        let same = (hold.session, hold.epoch) == (accepted.session, accepted.epoch);
        let quiet = published == hold.published || hold.cell != accepted.cell;
        self.expect(Check::HoldHidesLoss, now, same && quiet, || {
            format!(
                "{} lost its socket at {} ms, resumed as {accepted:?}, published {published:?} after {hold:?}",
                accepted.vehicle, hold.lost_at
            )
        });
    }

    /// A gateway acks records; `claimed` is what the vehicle said was acked before.
    pub fn acking(
        &mut self,
        now: u64,
        vehicle: &VehicleId,
        ack: &TelemetryAck,
        claimed: (u64, &SeqRanges),
        image: &Image,
    ) {
        let (oldest, claimed) = claimed;
        let mut durable = image.settled.get(&(vehicle.clone(), ack.spool)).cloned().unwrap_or_default();
        durable.extend(claimed);
        durable.insert(1, oldest.saturating_sub(1));
        let ranges = ack.ranges.iter().map(|r| (*r.start(), *r.end())).chain([(1, ack.through)]);
        let kept = ranges.into_iter().all(|(first, last)| first > last || durable.through(first) >= last)
            && ack.rejected.iter().all(|(seq, _)| durable.contains(*seq));
        self.expect(Check::AckAfterCommit, now, kept, || format!("{vehicle} is acked {ack:?}, on disk is {durable:?}"));
    }

    /// A unit takes an accept.
    pub fn accepted(&mut self, now: u64, unit: usize, accept: &AttachAccept) {
        let last = self.promises.history.insert(unit, (accept.epoch, accept.session));
        let rises = last
            .is_none_or(|(epoch, session)| accept.epoch > epoch || (accept.epoch, accept.session) == (epoch, session));
        self.expect(Check::EpochsRise, now, rises, || {
            format!("unit {unit} was accepted as {:?} {:?} after {last:?}", accept.epoch, accept.session)
        });
    }

    /// A unit takes an ack.
    pub fn acked(&mut self, vehicle: &VehicleId, ack: &TelemetryAck) {
        let acked = self.promises.acked.entry((vehicle.clone(), ack.spool)).or_default();
        acked.insert(1, ack.through);
        acked.extend(&ack.ranges);
        for (seq, _) in &ack.rejected {
            acked.insert(*seq, *seq);
        }
    }

    /// A unit sends records: a number names one record for ever.
    pub fn sent(&mut self, now: u64, spool: SpoolId, telemetry: &Telemetry) {
        for (seq, record) in (telemetry.first_seq..).zip(&telemetry.records) {
            let first = self.promises.records.entry((spool, seq)).or_insert_with(|| record.clone());
            let same = first == record;
            self.expect(Check::StoredOnce, now, same, || format!("{spool:?} {seq} names two records"));
        }
    }

    fn own_latest(&self, node: &Node, vehicle: &VehicleId) -> Option<u64> {
        self.logs.get(&node.view().own_log_id()).and_then(|log| log.latest.get(vehicle)).copied()
    }
}
