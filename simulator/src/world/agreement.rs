//! What must hold once nothing strikes any more: agreement, truth, and nothing left behind.

use super::check::{Check, Violation};
use super::homes::part_at;
use super::oracle::{Fact, fact};
use super::run::World;
use std::collections::{BTreeMap, BTreeSet};
use waygate_core::cell::Cell;
use waygate_core::digest::Sum;
use waygate_core::homes::Part;
use waygate_core::id::{Incarnation, NodeId, VehicleId};
use waygate_core::log::{LiveState, LogId, Scope};
use waygate_core::registrar::Registrar;
use waygate_core::session::Phase;
use waygate_core::view::{Known, View};

/// Whose word is shown of a vehicle, in which life and at which place in its log, which is another in its directory.
type Said = (NodeId, Incarnation, Option<u64>, Fact);

fn winners(view: &View) -> BTreeMap<VehicleId, Said> {
    let ids: BTreeSet<_> = view.logs().flat_map(|log| log.slots().map(|(vehicle, _)| vehicle.clone())).collect();
    let winner = |v: &VehicleId| {
        let (id, slot) = view.winner(v)?;
        let (seq, mut fact) = (view.homes().is_none().then_some(slot.seq), fact(slot));
        if view.homes().is_some() {
            fact.4 = fact.4.map(Cell::coarse);
        }
        Some((v.clone(), (id.owner.clone(), id.incarnation, seq, fact)))
    };
    ids.iter().filter_map(winner).collect()
}

impl World {
    /// Why the gateways do not agree yet, if they do not.
    pub fn disagreement(&self) -> Option<Violation> {
        let broken = |check, text| Some(Violation { check, at_ms: self.now, text });
        // What a gateway that is down sees agrees with everything.
        if let Some(g) = self.gateways.iter().position(|gateway| gateway.life.is_none()) {
            return broken(Check::ViewsAgree, format!("gateway {g} is down"));
        }
        if let Some(text) = self.strangers() {
            return broken(Check::MembersAgree, text);
        }
        if let Some(text) = self.two_connections() {
            return broken(Check::OneConnection, text);
        }
        if let Some(text) = self.unlike_views() {
            return broken(Check::ViewsAgree, text);
        }
        if let Some(text) = self.untrue() {
            return broken(Check::TruthIsShown, text);
        }
        if let Some(u) = (0..self.vehicles.len()).find(|u| !self.vehicles[*u].on && self.vehicles[*u].socket.is_some())
        {
            return broken(Check::OffIsOff, format!("unit {u} is off and has a socket: {:?}", self.vehicles[u].unit));
        }
        self.ghost().and_then(|text| broken(Check::NoResurrection, text))
    }

    fn registers(&self) -> impl Iterator<Item = (usize, &NodeId, &Registrar)> {
        let lives = self.gateways.iter().enumerate().filter_map(|(g, at)| at.life.as_ref().map(|life| (g, at, life)));
        lives.map(|(g, at, life)| (g, &at.id, life.node.registrar()))
    }

    fn two_connections(&self) -> Option<String> {
        let mut at = BTreeMap::new();
        for (g, _, register) in self.registers() {
            for (vehicle, session) in register.sessions() {
                if let Phase::Connected(conn) = session.phase()
                    && let Some(other) = at.insert(vehicle.clone(), g)
                {
                    return Some(format!("{vehicle} has socket {} at gateway {g} and one at {other}", conn.0));
                }
            }
        }
        for (g, gateway) in self.gateways.iter().enumerate() {
            for (conn, socket) in gateway.life.iter().flat_map(|life| &life.conns) {
                let vehicle = socket.vehicle.clone().filter(|_| socket.ingest.is_some());
                let register = gateway.life.as_ref().map(|life| life.node.registrar());
                let phase = vehicle.and_then(|v| register.and_then(|r| r.session(&v).map(|s| s.phase())));
                if socket.ingest.is_some() && phase != Some(Phase::Connected(*conn)) {
                    return Some(format!("gateway {g} keeps socket {} of a session that is {phase:?}", conn.0));
                }
            }
        }
        None
    }

    fn unlike_views(&self) -> Option<String> {
        let mut told: BTreeMap<VehicleId, (usize, Said)> = BTreeMap::new();
        for g in 0..self.gateways.len() {
            let view = self.gateways[g].life.as_ref()?.node.view();
            for (vehicle, seen) in winners(view) {
                if !self.keeps(g, &seen.0, &vehicle) {
                    return Some(format!("gateway {g} does not keep {vehicle} and sees {seen:?} of it"));
                }
                let (other, expected) = told.entry(vehicle.clone()).or_insert((g, seen.clone()));
                if seen != *expected {
                    return Some(format!("gateway {g} sees {seen:?} of {vehicle}, gateway {other} {expected:?}"));
                }
            }
            if let Some(text) = self.unlike_copies(g, view) {
                return Some(text);
            }
        }
        None
    }

    /// A gateway whose copies are not what their owners say, as far as it keeps them.
    fn unlike_copies(&self, g: usize, view: &View) -> Option<String> {
        for owner in &self.gateways {
            let own = owner.life.as_ref()?.node.view();
            let detail = own.own_log_id();
            for id in [LogId { scope: Scope::Directory, ..detail.clone() }, detail] {
                let Some(part) = part_at(&self.gateways, g, &id) else {
                    if view.log(&id).is_some() {
                        return Some(format!("gateway {g} holds {id:?}, which is nothing that it keeps"));
                    }
                    continue;
                };
                // A log in which nothing was ever said is not sent.
                let place = |view: &View| view.log(&id).map_or((0, Sum::default()), |log| (log.head(), log.sum(&part)));
                if place(view) != place(own) {
                    return Some(format!("gateway {g} holds {id:?} as {:?}, it is {:?}", place(view), place(own)));
                }
            }
        }
        None
    }

    /// Every vehicle that is on is shown online, by everyone who keeps it, at the gateway it is attached to.
    fn untrue(&self) -> Option<String> {
        for (u, vehicle) in self.vehicles.iter().enumerate().filter(|(_, v)| v.on && !v.clone) {
            let Some(((_, serving), epoch)) = vehicle.socket.zip(vehicle.attached) else {
                return Some(format!("unit {u} is on and not attached: {:?}", vehicle.unit));
            };
            let kept = |g: &usize| self.keeps(*g, &self.gateways[serving].id, &vehicle.id);
            for g in (0..self.gateways.len()).filter(kept) {
                let life = self.gateways[g].life.as_ref()?;
                let sight = life.node.view().sight(life.mono(self.now), &vehicle.id);
                let right = sight.as_ref().is_some_and(|s| {
                    s.known == Known::Online
                        && s.stale.is_none()
                        && s.owner == self.gateways[serving].id
                        && s.epoch == epoch
                });
                if !right {
                    return Some(format!(
                        "unit {u} is attached at {serving} as {epoch:?}, gateway {g} shows {sight:?}"
                    ));
                }
            }
        }
        None
    }

    /// Nothing is shown that no register holds, and what the best register holds is shown by everyone who keeps it.
    fn ghost(&self) -> Option<String> {
        let mut best = BTreeMap::new();
        for (_, id, register) in self.registers() {
            for (vehicle, session) in register.sessions() {
                if let Some(entry) = session.entry().filter(|entry| entry.state != LiveState::Removed) {
                    let found = (entry.epoch, id.clone(), entry.state);
                    let kept = best.entry(vehicle.clone()).or_insert(found.clone());
                    if (found.0, &found.1) > (kept.0, &kept.1) {
                        *kept = found;
                    }
                }
            }
        }
        for (g, gateway) in self.gateways.iter().enumerate() {
            let view = gateway.life.as_ref()?.node.view();
            let seen: BTreeMap<_, _> = winners(view)
                .into_keys()
                .filter_map(|v| view.winner(&v).map(|(id, slot)| (id.owner.clone(), slot.clone())).map(|w| (v, w)))
                .map(|(v, (owner, slot))| (v, (slot.entry.epoch, owner, slot.entry.state)))
                .collect();
            let kept = best.iter().filter(|(v, (_, owner, _))| self.keeps(g, owner, v));
            let expected: BTreeMap<_, _> = kept.map(|(v, found)| (v.clone(), found.clone())).collect();
            if seen != expected {
                return Some(format!("gateway {g} shows {seen:?}, the registers hold {expected:?}"));
            }
        }
        None
    }

    /// The last look: joins in any order, records, digests.
    pub fn judge_end(&mut self) {
        self.audit();
        if let Some(violation) = self.disagreement() {
            self.oracle.expect(violation.check, self.now, false, || violation.text);
        }
        for check in [
            Check::MembersAgree,
            Check::OneConnection,
            Check::ViewsAgree,
            Check::TruthIsShown,
            Check::NoResurrection,
            Check::OffIsOff,
        ] {
            self.oracle.expect(check, self.now, true, String::new);
        }
        for g in 0..self.gateways.len() {
            self.judge_join(g);
            self.judge_rows(g);
        }
        self.judge_kept();
        for u in 0..self.vehicles.len() {
            let (backlog, judged) = (self.vehicles[u].unit.backlog(), self.vehicles[u].on && !self.vehicles[u].clone);
            self.oracle.expect(Check::BacklogDrains, self.now, backlog == 0 || !judged, || {
                format!("unit {u} is attached and {backlog} of its records are not acked: {:?}", self.vehicles[u].unit)
            });
        }
    }

    /// The logs of a view, joined anew in pieces, in another order and with repetitions, make the same view.
    fn judge_join(&mut self, g: usize) {
        let Some(life) = self.gateways[g].life.as_ref() else { return };
        let (mono, view) = (life.mono(self.now), life.node.view());
        let mut again = View::new(view.me().clone(), self.settings.timers);
        view.homes().cloned().into_iter().for_each(|homes| again.set_homes(homes));
        // Whose region is whose decides what is shown of their logs.
        for node in view.nodes() {
            again.mention(mono, node.info.clone());
        }
        let own = view.own_log_id();
        let mut ids: Vec<LogId> = view
            .logs()
            .map(|log| log.id().clone())
            .filter(|id| id.owner != own.owner || id.incarnation != own.incarnation)
            .collect();
        for entry in view.log(&own).iter().flat_map(|log| log.suffix(0, usize::MAX, &Part::Whole).entries) {
            again.publish(mono, entry.0, entry.1.entry);
        }
        let mut pieces = Vec::new();
        while !ids.is_empty() {
            let id = ids.swap_remove(self.dice.index(ids.len()));
            let Some(log) = view.log(&id) else { continue };
            let mut cursor = 0;
            while cursor < log.head() {
                let piece = log.suffix(cursor, self.dice.between(1, 3) as usize, &Part::Whole);
                cursor = piece.to;
                pieces.push((id.clone(), piece));
            }
        }
        let repeats: Vec<_> = pieces.iter().filter(|_| self.dice.chance(50)).cloned().collect();
        for (id, piece) in pieces.into_iter().chain(repeats) {
            // A piece that leaves a hole would be refused; these leave none.
            let _ = again.apply(mono, &id, piece);
        }
        let key = |view: &View| {
            let mut seen = winners(view);
            for (owner, life, seq, _) in seen.values_mut() {
                *seq = seq.filter(|_| (&*owner, *life) != (&own.owner, own.incarnation));
            }
            seen
        };
        let (here, there) = (key(view), key(&again));
        self.oracle.expect(Check::JoinInAnyOrder, self.now, here == there, || {
            format!("gateway {g} sees {here:?}, joined again {there:?}")
        });
    }

    /// What was acked is not only noted as settled: the record itself is on a disk, unless it was to be refused.
    fn judge_kept(&mut self) {
        let rows = self.gateways.iter().flat_map(|gateway| &gateway.disk.image().rows);
        let held: BTreeSet<_> = rows.map(|row| (row.spool, row.seq)).collect();
        let must = self.oracle.promises.must_be_kept();
        let lacking: Vec<_> = must.difference(&held).collect();
        self.oracle.expect(Check::AckedIsKept, self.now, lacking.is_empty(), || {
            format!("no disk holds these records, which were acked: {lacking:?}")
        });
    }

    fn judge_rows(&mut self, g: usize) {
        let image = self.gateways[g].disk.image();
        let mut seen = BTreeSet::new();
        for row in &image.rows {
            let made = self.oracle.promises.records.get(&(row.spool, row.seq)).cloned();
            let kept = seen.insert((row.vehicle.clone(), row.spool, row.seq)) && made.as_ref() == Some(&row.record);
            self.oracle.expect(Check::StoredOnce, self.now, kept, || {
                format!("gateway {g} holds {row:?} twice or changed; it was made as {made:?}")
            });
        }
    }
}
