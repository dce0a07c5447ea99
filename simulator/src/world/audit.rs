//! What the judge looks at every second, at every gateway that runs.

use super::check::Check;
use super::homes;
use super::oracle::{LogTruth, Oracle, fact};
use super::run::World;
use std::collections::BTreeMap;
use waygate_core::cause::DetachCause;
use waygate_core::id::VehicleId;
use waygate_core::log::{LiveState, Log};
use waygate_core::ranges::SeqRanges;
use waygate_core::session::Phase;
use waygate_core::time::{Millis, Mono};
use waygate_core::view::{Known, Sight, Tally, View};

/// A lost owner's vehicles read stale after this at the latest.
const STALE_WITHIN_MS: u64 = 15_000;
/// A process that ran again has noticed how late it is.
const TICKS_MS: u64 = 2000;
/// How often a gateway may meet one corrupted entry.
const MISMATCHES_EACH: u64 = 8;
/// Logs of one owner that a view may hold: its lives.
const LIVES_HELD_MAX: usize = 5;

impl World {
    /// Looks round.
    pub fn audit(&mut self) {
        for g in 0..self.gateways.len() {
            // Nobody is shown anything by a process that does not run.
            let awake = self.gateways[g].stalled_until + TICKS_MS <= self.now || self.gateways[g].stalled_until == 0;
            if self.gateways[g].life.is_some() && awake {
                self.audit_sights(g);
                self.audit_timers(g);
                self.audit_logs(g);
                self.audit_buffers(g);
                self.audit_members(g);
            } else {
                self.judge_again(g);
            }
        }
        self.audit_acked();
        self.audit_commands();
    }

    fn audit_sights(&mut self, g: usize) {
        let Some(life) = self.gateways[g].life.as_ref() else { return };
        let (now, mono, view) = (self.now, life.mono(self.now), life.node.view());
        let silent_ms = STALE_WITHIN_MS + self.drowsy_ms();
        let mut sights = Vec::new();
        view.scan(mono, None, usize::MAX, |sight| sights.push(sight));
        if sights.iter().any(|sight| sight.known == Known::Asleep) {
            self.trace.reach("asleep");
        }
        let mut tallies = BTreeMap::new();
        for sight in &sights {
            count(tallies.entry(sight.owner.clone()).or_default(), view, sight);
        }
        for status in view.nodes() {
            let counted = tallies.get(&status.info.id).copied().unwrap_or_default();
            let tally = view.tally(&status.info.id);
            self.oracle.expect(Check::TallyMatches, now, counted == tally, || {
                format!("gateway {g} counts {tally:?} for {}, a scan {counted:?}", status.info.id)
            });
        }
        if sights.iter().any(|sight| view.is_relayed(&sight.owner)) {
            self.trace.reach("relayed owner");
        }
        for sight in sights {
            let life_of = view.winner(&sight.vehicle).map(|(id, _)| id.incarnation);
            let owner = self.gateways.iter().position(|gateway| gateway.id == sight.owner);
            if owner != Some(g) {
                let eye = &self.oracle.eyes[g];
                let (told, heard) = (eye.lives.get(&sight.owner).copied(), eye.contact(&sight.owner, life_of));
                let online = sight.known == Known::Online && sight.stale.is_none();
                self.oracle.expect(Check::EarlierLifeIsOffline, now, !online || told == life_of, || {
                    format!("gateway {g} shows {sight:?} of {life_of:?} online, it was told of {told:?}")
                });
                let recent = heard.is_some_and(|at| now - at <= silent_ms);
                self.oracle.expect(Check::OnlineNeedsContact, now, !online || recent, || {
                    let status = view.node(&sight.owner);
                    format!(
                        "gateway {g} shows {sight:?} of {life_of:?} online, it heard {heard:?} and holds {status:?}"
                    )
                });
                let lost = heard.is_none_or(|at| now - at > silent_ms);
                self.oracle.expect(Check::LostOwnerIsStale, now, !lost || sight.stale.is_some(), || {
                    format!("gateway {g} shows {sight:?}, it heard its owner {heard:?}")
                });
            }
            if let Some(owner) = owner {
                self.oracle.judge_age(now, g, owner, &sight);
                self.oracle.judge_sleep(now, g, owner, &sight);
            }
        }
    }

    /// No timer of a session fires before its time since the last contact, and none is overdue.
    fn audit_timers(&mut self, g: usize) {
        let Some(life) = self.gateways[g].life.as_ref() else { return };
        let (now, timers, since) = (self.now, self.settings.timers, self.oracle.eyes[g].since);
        // At night silence is looked for so seldom that a loss may be noticed after its hold is over.
        let slack = Millis(TICKS_MS + self.drowsy_ms());
        let overdue = life.node.next_deadline().is_some_and(|at: Mono| at + slack < life.mono(now));
        self.oracle.expect(Check::TimersHold, now, !overdue, || {
            format!("a timer of gateway {g} was due at {:?}, it is {:?}", life.node.next_deadline(), life.mono(now))
        });
        for (vehicle, session) in life.node.registrar().sessions() {
            let attended = self.oracle.promises.attended.get(&(g, vehicle.clone())).copied();
            // What an earlier life left has less time.
            let Some(contact) = attended.filter(|at| *at >= since) else { continue };
            let asleep = self.oracle.promises.sleeps(g, session.id());
            let asleep = asleep.map(|sleep| sleep.min(timers.sleep) + timers.sleep_grace);
            let reachable = asleep.map_or(timers.reachable, |asleep| asleep.min(timers.reachable));
            let least = match session.phase() {
                Phase::Idle(_) => timers.hold,
                Phase::Unreachable(_) => reachable,
                Phase::Detached(DetachCause::Implicit, _) => reachable + timers.implicit_detach,
                Phase::Attaching
                | Phase::Connected(_)
                | Phase::Held(_)
                | Phase::Asleep(_)
                | Phase::Detached(..)
                | Phase::Yielded(..)
                | Phase::Gone => continue,
            };
            self.oracle.expect(Check::TimersHold, now, now - contact >= least.0, || {
                format!("{vehicle} is {:?} at gateway {g}, which heard it {} ms ago", session.phase(), now - contact)
            });
        }
    }

    fn audit_logs(&mut self, g: usize) {
        let Some(life) = self.gateways[g].life.as_ref() else { return };
        let (now, view, region) = (self.now, life.node.view(), &self.gateways[g].region);
        let mut lives: BTreeMap<_, usize> = BTreeMap::new();
        for log in view.logs() {
            *lives.entry((log.id().owner.clone(), log.id().scope)).or_default() += 1;
            let part = homes::part_at(&self.gateways, g, log.id());
            if let Some(plan) = &self.settings.homes {
                let serving = self.gateways.iter().find(|at| at.id == log.id().owner).map(|at| &at.region);
                let kept = |v: &VehicleId| serving.is_some_and(|at| homes::keeps(Some(plan), region, at, v));
                let unkept = log.slots().map(|(v, _)| v).find(|v| part.is_none() || !kept(v));
                self.oracle.expect(Check::KeepsItsShare, now, unkept.is_none(), || {
                    format!("gateway {g} of {region} holds {unkept:?} in {:?}", log.id())
                });
            }
            let Some(truth) = self.oracle.logs.get(log.id()).cloned() else { continue };
            self.oracle.judge_passed_on(now, g, view, log, &truth);
            self.oracle.expect(Check::CursorCovers, now, log.head() <= truth.head, || {
                format!("gateway {g} holds {:?} up to {}, its owner is at {}", log.id(), log.head(), truth.head)
            });
            let kept = |vehicle: &VehicleId| part.as_ref().is_some_and(|part| part.has(vehicle));
            for (vehicle, &latest) in truth.latest.iter().filter(|(vehicle, _)| kept(vehicle)) {
                let covered = latest > log.head() || holds(view, log, vehicle, latest);
                self.oracle.expect(Check::CursorCovers, now, covered, || {
                    format!(
                        "gateway {g} holds {:?} up to {} and of {vehicle} {:?}, its owner wrote {:?} at {latest}",
                        log.id(),
                        log.head(),
                        log.slot(vehicle),
                        truth.said.get(&latest)
                    )
                });
            }
            let vehicles = self.settings.vehicles;
            self.oracle.expect(Check::BuffersAreBounded, now, log.len() <= vehicles, || {
                format!("gateway {g} holds {} slots for {vehicles} vehicles in {:?}", log.len(), log.id())
            });
        }
        let most = lives.values().copied().max().unwrap_or(0);
        self.oracle.expect(Check::BuffersAreBounded, now, most <= LIVES_HELD_MAX, || {
            format!("gateway {g} holds {most} lives of one owner")
        });
    }

    fn audit_buffers(&mut self, g: usize) {
        let Some(life) = self.gateways[g].life.as_ref() else { return };
        let counters = life.node.counters();
        if counters.entries_mended > 0 {
            self.trace.reach("corruption mended");
        }
        // Each may have been passed on, and be met again on the next stream if the one before ended too early.
        let (mismatches, corrupted) = (counters.digest_mismatches, self.oracle.corrupted.len() as u64);
        self.oracle.expect(Check::DigestsMatch, self.now, mismatches <= corrupted * MISMATCHES_EACH, || {
            format!("gateway {g} has met {mismatches} copies that differ at the same place, {corrupted} entries were corrupted")
        });
        // Each may go in two pieces.
        let max = 2 * self.settings.frames_in_flight_max + 1;
        for link in life.links.keys() {
            let under_way = self.network.in_flight(link.0, super::network::Place::Gateway(g));
            self.oracle.expect(Check::BuffersAreBounded, self.now, under_way <= max, || {
                format!("gateway {g} has {under_way} frames under way on stream {}", link.0)
            });
        }
        // Streams that nobody answers are given up; those that replace them are dialled one at a time.
        let most = 8 * self.gateways.len();
        self.oracle.expect(Check::BuffersAreBounded, self.now, life.links.len() <= most, || {
            format!("gateway {g} has {} streams", life.links.len())
        });
    }

    /// Whatever a vehicle was told is acked is on some disk.
    pub fn audit_acked(&mut self) {
        let mut on_disk = self.oracle.promises.lied.clone();
        for gateway in &self.gateways {
            for (key, settled) in &gateway.disk.image().settled {
                on_disk.entry(key.clone()).or_default().extend(settled);
            }
        }
        let none = SeqRanges::new();
        let acked = self.oracle.promises.acked.clone();
        for (key, acked) in &acked {
            let held = on_disk.get(key).unwrap_or(&none);
            let kept = acked.iter().all(|r| held.through(*r.start()) >= *r.end());
            self.oracle.expect(Check::AckedIsKept, self.now, kept, || {
                format!("{key:?} was told {acked:?} is acked, the disks hold {held:?}")
            });
        }
    }
}

impl Oracle {
    /// What is only passed on, and so announced to nobody, is what its owner wrote.
    fn judge_passed_on(&mut self, now: u64, g: usize, view: &View, log: &Log, truth: &LogTruth) {
        if homes::is_shown(view, log.id()) {
            return;
        }
        for (vehicle, slot) in log.slots() {
            let said = truth.said.get(&slot.seq);
            let corrupted = self.corrupted.contains(&(log.id().clone(), slot.seq));
            let genuine = said.is_some_and(|(v, f)| v == vehicle && (*f == fact(slot) || corrupted));
            self.expect(Check::OnlyTheOwnerWrites, now, genuine, || {
                format!("gateway {g} passes on {slot:?} of {vehicle} in {:?}; its owner wrote {said:?}", log.id())
            });
        }
    }
}

impl Oracle {
    /// What is shown may lack what the wire takes, which no clock sees, and the seconds between two looks.
    fn judge_age(&mut self, now: u64, g: usize, owner: usize, sight: &Sight) {
        let contact = self.promises.contacts.get(&(owner, sight.vehicle.clone())).copied();
        let Some(truth_ms) = contact.map(|contact| now - contact) else { return };
        let hops = self.eyes.len() as u64 - 1;
        let slack_ms = if owner == g { 0 } else { hops * self.transit_max_ms + self.flush_ms + 2000 };
        if !self.ages_are_known {
            return;
        }
        let old_enough = sight.age.0 + slack_ms >= truth_ms;
        self.expect(Check::AgeIsNotTooYoung, now, old_enough, || {
            format!("gateway {g} shows {sight:?}; the last contact at gateway {owner} is {truth_ms} ms ago")
        });
    }
}

impl Oracle {
    /// A vehicle that is shown asleep has said so in that session, and its time is not over.
    fn judge_sleep(&mut self, now: u64, g: usize, owner: usize, sight: &Sight) {
        if sight.known != Known::Asleep {
            return;
        }
        // Others may not have heard yet that it is back.
        let ever = self.promises.suspended.get(&(owner, sight.session)).map(|(_, longest)| *longest);
        let said = if owner == g { self.promises.sleeps(g, sight.session) } else { ever };
        let most = said.map(|sleep| sleep.min(self.timers.sleep) + self.timers.sleep_grace + self.timers.silence_max());
        let in_time = most.is_some_and(|most| sight.age < most);
        self.expect(Check::AsleepAsSaid, now, in_time, || {
            format!("gateway {g} shows {sight:?}, it said {said:?} to gateway {owner}")
        });
    }
}

/// Whether a log holds what its owner last wrote of a vehicle, or may do without.
fn holds(view: &View, log: &Log, vehicle: &VehicleId, latest: u64) -> bool {
    match log.slot(vehicle) {
        Some(slot) => slot.seq == latest,
        // A tombstone may have expired, and a later life may speak for the vehicle.
        None => {
            let later = view.logs().any(|other| {
                other.id().owner == log.id().owner
                    && other.id().incarnation > log.id().incarnation
                    && other.slot(vehicle).is_some()
            });
            later || log.floor() >= latest
        }
    }
}

fn count(tally: &mut Tally, view: &View, sight: &Sight) {
    let state = view.winner(&sight.vehicle).map(|(_, slot)| slot.entry.state);
    match state {
        _ if sight.stale.is_some() => tally.stale += 1,
        Some(LiveState::Connected) => tally.online += 1,
        Some(LiveState::Idle) => tally.idle += 1,
        Some(LiveState::Asleep) => tally.asleep += 1,
        Some(LiveState::Unreachable) => tally.unreachable += 1,
        Some(LiveState::Detached) => tally.offline += 1,
        Some(LiveState::Removed) | None => {}
    }
}
