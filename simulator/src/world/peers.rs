//! Gateways among themselves: dialling, streams, flushes, ticks, and calls that come late.

use super::check::Check;
use super::gateway::Stream;
use super::homes::{Notice, blank_all};
use super::network::{Payload, Place, SocketId};
use super::plant::Plant;
use super::run::{Event, World};
use waygate_core::epoch::Epoch;
use waygate_core::log::{LiveState, LogId, Scope};
use waygate_core::node::{Event as NodeEvent, LinkId, Node};
use waygate_core::session::Session;
use waygate_core::sync::{Batch, Frame, Room};

impl World {
    /// Once a second: keepalives, silence, dials.
    pub fn on_tick(&mut self, g: usize) {
        if self.plant != Some(Plant::BelieveTheSilent) {
            self.drive(g, NodeEvent::Ticked);
        }
        self.keep_alive(g);
        self.tell_membership(g);
        for peer in 0..self.gateways.len() {
            self.dial_if_due(g, peer);
        }
    }

    fn dial_if_due(&mut self, g: usize, peer: usize) {
        let (id, wanted) = (self.gateways[peer].id.clone(), self.is_dialled(g, peer));
        let gateway = &mut self.gateways[g];
        let Some(life) = gateway.life.as_ref() else { return };
        let dialled = life.links.values().any(|stream| stream.peer == peer && stream.dialled);
        let due = gateway.dial_at.get(&peer).is_none_or(|at| *at <= self.now);
        if peer == g || !wanted || dialled || !due || life.node.link_to(&id).is_some() {
            return;
        }
        let (trip, again) = (self.dice.between(2, 120), self.dice.between(1000, 3000));
        gateway.dial_at.insert(peer, self.now + again);
        let number = life.number;
        self.schedule(self.now + trip, Event::PeerDialled(g, number, peer));
    }

    /// A dial comes through, or not.
    pub fn on_peer_dialled(&mut self, g: usize, peer: usize) {
        let stalled = self.gateways[peer].stalled_until > self.now;
        if stalled || !self.network.reaches(Place::Gateway(g), Place::Gateway(peer)) {
            return;
        }
        let lives = [g, peer].map(|at| self.gateways[at].life.as_ref().map(|l| l.node.view().me().incarnation));
        let [Some(own), Some(other)] = lives else { return };
        let socket = self.network.open(Place::Gateway(g), Place::Gateway(peer));
        let ends =
            [(g, Stream { peer, life: other, dialled: true }), (peer, Stream { peer: g, life: own, dialled: false })];
        for (at, stream) in ends {
            if let Some(life) = self.gateways[at].life.as_mut() {
                life.links.insert(LinkId(socket), stream);
            }
            let dialled = stream.dialled;
            self.drive(at, NodeEvent::LinkOpened { link: LinkId(socket), dialled });
        }
        self.trace.note(self.now, format_args!("gateway {g} dials {peer}: {socket}"));
    }

    /// Every stream is given what the peer should have and the stream has room for.
    pub fn on_flush(&mut self, g: usize) {
        let Some(life) = self.gateways[g].life.as_ref() else { return };
        for link in life.links.keys().copied().collect::<Vec<_>>() {
            let under_way = self.network.in_flight(link.0, Place::Gateway(g));
            let taken = if self.plant == Some(Plant::IgnoreRoom) { 0 } else { under_way };
            let capacity = self.settings.frames_in_flight_max;
            let room = Room { free: capacity.saturating_sub(taken), capacity };
            if room.free > 0 {
                self.drive(g, NodeEvent::FlushDue { link, room });
            }
        }
    }

    /// Something came from a peer.
    pub fn on_peer_payload(&mut self, g: usize, socket: SocketId, payload: Payload) {
        let Some(life) = self.gateways[g].life.as_mut() else { return };
        let link = LinkId(socket);
        let Some(stream) = life.links.get(&link).copied() else { return };
        match payload {
            Payload::Frame(frame, sent) => {
                let later = self.plant == Some(Plant::IgnoreLaterLives) && is_of_a_later_life(&life.node, &frame);
                let from = (self.gateways[stream.peer].id.clone(), stream.life);
                self.oracle.told(self.now, g, from, &frame, sent);
                self.judge_passed_levels(stream.peer, &frame, sent);
                self.note_frame(g, stream.peer, &frame);
                if !later {
                    self.drive(g, NodeEvent::FrameReceived(link, *frame));
                }
            }
            Payload::End(_) => {
                life.links.remove(&link);
                self.trace.note(self.now, format_args!("gateway {g} loses stream {socket}"));
                if self.plant != Some(Plant::BelieveTheSilent) {
                    self.drive(g, NodeEvent::LinkLost(link));
                }
            }
            Payload::Uplink(_) | Payload::Downlink(_) | Payload::Ping | Payload::Pong => {}
        }
    }

    fn note_frame(&mut self, g: usize, peer: usize, frame: &Frame) {
        match frame {
            Frame::Hello { node, .. } => {
                self.trace.note(self.now, format_args!("gateway {g} is greeted by {peer} in {}", node.incarnation.0));
            }
            Frame::Batch(batch) => {
                if batch.snapshot_end.is_some() {
                    self.trace.reach("snapshot");
                } else if batch.from == batch.to {
                    self.trace.reach("sent ahead");
                }
                if batch.owner.id != self.gateways[peer].id {
                    self.trace.reach(match batch.scope {
                        Scope::Detail => "relayed batch",
                        Scope::Directory => "relayed directory",
                    });
                }
                self.trace.note(
                    self.now,
                    format_args!(
                        "gateway {g} hears from {peer} of {} {}{} {}..{} {:?} {}",
                        batch.owner.id,
                        batch.owner.incarnation.0,
                        if batch.scope == Scope::Directory { " abroad" } else { "" },
                        batch.from,
                        batch.to,
                        batch.snapshot_end,
                        batch.entries.len()
                    ),
                );
            }
            Frame::Cursors { cursors, .. } => {
                if cursors.iter().any(|cursor| cursor.blank_from.is_some()) {
                    self.trace.reach("nothing said of a part");
                }
                let sum = cursors.iter().fold(0_u64, |sum, cursor| sum ^ cursor.seq ^ cursor.digest);
                self.trace.note(self.now, format_args!("gateway {g} sees cursors of {peer} {sum:x}"));
            }
            Frame::Audit(audit) => self.trace.note(self.now, format_args!("gateway {g} hears from {peer} {audit:?}")),
        }
    }

    /// A call that some session lost; it may be late.
    pub fn on_supersede(&mut self, g: usize, notice: Notice) {
        let Notice { vehicle, lost, by, recorded, detached: _ } = notice.clone();
        let held = |world: &Self| -> Option<Session> {
            world.gateways[g].life.as_ref()?.node.registrar().session(&vehicle).cloned()
        };
        let before = held(self);
        // Of two with one epoch the name of the gateway decides, which a home region knows.
        let outranked = if recorded { by >= lost.1 } else { by > lost.1 };
        let late = before.as_ref().is_none_or(|held| (held.id(), held.epoch()) != lost) || !outranked;
        let mut notice = notice;
        if let (Some(held), true, Some(Plant::HonourLateSupersede)) = (&before, late, self.plant) {
            notice.by = by.max(Epoch(held.epoch().0 + 1));
            notice.lost = (held.id(), held.epoch());
        }
        self.trace.note(self.now, format_args!("gateway {g} is told that {vehicle} {} lost to {}", lost.1.0, by.0));
        self.drive(g, notice.event());
        self.trace.reach(match (recorded, late) {
            (false, true) => "late supersede",
            (false, false) => "supersede",
            (true, true) => "late word of a home region",
            (true, false) => "word of a home region",
        });
        if late {
            let after = held(self);
            self.oracle.expect(Check::LateIsIgnored, self.now, before == after, || {
                format!("a late word that {lost:?} of {vehicle} lost changed {before:?} to {after:?}")
            });
        }
    }

    /// A batch may be sent in pieces, as one of a large log is.
    pub fn in_pieces(&mut self, frame: Frame) -> Vec<Frame> {
        let Frame::Batch(mut batch) = frame else { return vec![frame] };
        let last = batch.entries.len().saturating_sub(1);
        // What is sent ahead covers nothing, and no part of it does.
        if last == 0 || batch.from == batch.to || !self.dice.chance(40) {
            return vec![Frame::Batch(batch)];
        }
        let entries = batch.entries.split_off(self.dice.between(1, last as u64) as usize);
        let middle = batch.entries.last().map_or(batch.from, |entry| entry.seq);
        let rest = Batch {
            owner: batch.owner.clone(),
            scope: batch.scope,
            from: middle,
            to: batch.to,
            entries,
            snapshot_end: None,
        };
        batch.to = middle;
        vec![Frame::Batch(batch), Frame::Batch(Box::new(rest))]
    }

    /// Whoever passes on that all is known of a node has heard that node itself since.
    fn judge_passed_levels(&mut self, from: usize, frame: &Frame, sent: u64) {
        let Frame::Cursors { cursors, .. } = frame else { return };
        // What an earlier life of it heard is not known any more.
        if self.oracle.eyes[from].since > sent {
            return;
        }
        for (log, age) in cursors.iter().filter_map(|cursor| Some((&cursor.log, cursor.level?))) {
            let (level, heard) = (sent.saturating_sub(age.0), self.oracle.eyes[from].heard.get(&log.owner).copied());
            // If it has heard a later life since, what it heard of this one is not known any more.
            let true_word =
                heard.is_some_and(|(life, at)| life > log.incarnation || (life == log.incarnation && at >= level));
            self.oracle.expect(Check::OnlineNeedsContact, self.now, true_word, || {
                format!("gateway {from} passes on {log:?} as known up to {level}, it heard its owner {heard:?}")
            });
        }
    }

    /// What the way makes of a frame in some worlds: a bit of an entry turns over, and no checksum sees it.
    pub fn corrupted(&mut self, frame: Frame) -> Frame {
        let Frame::Batch(mut batch) = frame else { return frame };
        let strikes = self.settings.corrupting && self.now < self.storm_ends && self.dice.chance(4);
        let at = self.dice_index_if(strikes, batch.entries.len());
        let Some(entry) = at.and_then(|at| batch.entries.get_mut(at)) else { return Frame::Batch(batch) };
        match entry.state {
            LiveState::Connected => (entry.state, entry.session.0) = (LiveState::Detached, entry.session.0 ^ 2),
            LiveState::Idle | LiveState::Unreachable | LiveState::Detached => entry.session.0 ^= 2,
            // Of a sleep, the judge knows by session who said so; tombstones are not compared.
            LiveState::Asleep | LiveState::Removed => return Frame::Batch(batch),
        }
        let log = LogId { owner: batch.owner.id.clone(), incarnation: batch.owner.incarnation, scope: batch.scope };
        self.trace.note(self.now, format_args!("entry {} of {log:?} is corrupted on its way", entry.seq));
        self.oracle.corrupted.insert((log, entry.seq));
        Frame::Batch(batch)
    }

    fn dice_index_if(&mut self, drawn: bool, count: usize) -> Option<usize> {
        (drawn && count > 0).then(|| self.dice.index(count))
    }

    /// What a planted fault makes of a frame.
    pub fn tampered(&self, g: usize, frame: Frame) -> Frame {
        let mut batch = match frame {
            Frame::Batch(batch) => batch,
            Frame::Cursors { mut cursors, nodes } if self.plant == Some(Plant::WrongDigests) => {
                cursors.iter_mut().for_each(|cursor| cursor.digest ^= 1);
                return Frame::Cursors { cursors, nodes };
            }
            Frame::Cursors { mut cursors, nodes } if self.plant == Some(Plant::BlankAll) => {
                blank_all(&mut cursors);
                return Frame::Cursors { cursors, nodes };
            }
            Frame::Cursors { mut cursors, nodes } if self.plant == Some(Plant::VouchForTheLost) => {
                let others = cursors.iter_mut().filter(|cursor| cursor.log.owner != self.gateways[g].id);
                others.for_each(|cursor| cursor.level = Some(waygate_core::time::Millis(0)));
                return Frame::Cursors { cursors, nodes };
            }
            Frame::Cursors { .. } | Frame::Hello { .. } | Frame::Audit(_) => return frame,
        };
        match self.plant {
            Some(Plant::RestampRelayed) if batch.owner.id != self.gateways[g].id => {
                for (seq, entry) in (batch.from + 1..).zip(&mut batch.entries) {
                    entry.seq = seq;
                }
            }
            Some(Plant::DropTombstones) => batch.entries.retain(|entry| entry.state != LiveState::Removed),
            Some(Plant::ForgetAges) => {
                for entry in &mut batch.entries {
                    entry.age = waygate_core::time::Millis(0);
                }
            }
            _ => {}
        }
        Frame::Batch(batch)
    }
}

fn is_of_a_later_life(node: &Node, frame: &Frame) -> bool {
    let info = match frame {
        Frame::Hello { node, .. } => node,
        Frame::Batch(batch) => &batch.owner,
        Frame::Cursors { .. } | Frame::Audit(_) => return false,
    };
    node.view().nodes().any(|known| known.info.id == info.id && known.info.incarnation < info.incarnation)
}
