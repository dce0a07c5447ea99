//! What an operator is shown, decided when it is read.

use super::View;
use super::node::Liveness;
use crate::cause::DetachCause;
use crate::cell::Cell;
use crate::epoch::Epoch;
use crate::id::{NodeId, RegionId, SessionId, VehicleId};
use crate::log::{Entry, LiveState, LogId};
use crate::membership::Standing;
use crate::time::{Millis, Mono};
use crate::wake::WakeChannels;

/// What a state is called once it is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Known {
    /// Connected, in the owner's present life.
    Online,
    /// Without a socket, within the time it has to report.
    Idle,
    /// Asleep, within the time it said.
    Asleep,
    /// It did not report in time.
    Unreachable,
    /// Detached.
    Offline,
}

/// Why a vehicle is shown as stale.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum StaleWhy {
    /// The stream of its gateway is lost.
    OwnerLost,
    /// Its gateway has stopped, and said so.
    OwnerLeft,
    /// Its gateway restarted and has not confirmed it.
    OwnerRestarted,
    /// This gateway has never heard its gateway, nor anyone who does.
    ViewCutOff,
}

/// Where an age comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AgeKind {
    /// Counted from the last contact known.
    Measured,
    /// The longest the contact can be past, as its gateway would have said otherwise.
    Bound,
}

/// What an operator is shown of one vehicle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sight {
    /// Which.
    pub vehicle: VehicleId,
    /// Its state, or the last known one if stale.
    pub known: Known,
    /// Set if that state is not to be trusted.
    pub stale: Option<StaleWhy>,
    /// Why, for a detached one.
    pub cause: Option<DetachCause>,
    /// Its gateway.
    pub owner: NodeId,
    /// Its gateway's region.
    pub region: Option<RegionId>,
    /// The attach.
    pub epoch: Epoch,
    /// The session.
    pub session: SessionId,
    /// The last known tracking area.
    pub cell: Option<Cell>,
    /// Since its last contact; never too young.
    pub age: Millis,
    /// How the age is known.
    pub age_kind: AgeKind,
    /// Since its gateway was last heard.
    pub view_age: Millis,
    /// Until the periodic update of an idle one, or the end of the sleep of one that sleeps.
    pub update_expected: Option<Millis>,
    /// How it can be woken when it has no socket.
    pub wake: WakeChannels,
    /// Whether two units seem to use its identity.
    pub cloned: bool,
}

/// How many vehicles of one owner are in which state, as shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Connected.
    pub online: u64,
    /// Idle.
    pub idle: u64,
    /// Asleep.
    pub asleep: u64,
    /// Unreachable.
    pub unreachable: u64,
    /// Detached.
    pub offline: u64,
    /// Any of these, of an owner that cannot be believed.
    pub stale: u64,
}

impl View {
    /// What is shown of a vehicle; `None` if nothing is known.
    pub fn sight(&self, now: Mono, vehicle: &VehicleId) -> Option<Sight> {
        let (id, slot) = self.winner(vehicle)?;
        Some(self.see(now, vehicle, id, &slot.entry))
    }

    /// Vehicles in the order of their ids after `after`, at most `scan_max` looked at. Gives each to `keep`
    /// and returns where to go on, `None` at the end.
    pub fn scan(
        &self,
        now: Mono,
        after: Option<&VehicleId>,
        scan_max: usize,
        keep: impl FnMut(Sight),
    ) -> Option<VehicleId> {
        self.scan_of(now, after, scan_max, |_| true, keep)
    }

    /// The same of those alone that certain gateways speak for.
    pub fn scan_of(
        &self,
        now: Mono,
        after: Option<&VehicleId>,
        scan_max: usize,
        of: impl Fn(&NodeId) -> bool,
        mut keep: impl FnMut(Sight),
    ) -> Option<VehicleId> {
        let mut last = None;
        for (seen, (vehicle, id)) in self.winners.after(after).enumerate() {
            if seen == scan_max {
                return last;
            }
            let log = of(&id.owner).then(|| self.logs.get(id.as_ref())).flatten();
            if let Some(slot) = log.and_then(|log| log.slot(vehicle)) {
                keep(self.see(now, vehicle, id, &slot.entry));
            }
            last = Some(vehicle.clone());
        }
        None
    }

    /// How many vehicles of an owner are in which state, as shown without looking at timers.
    pub fn tally(&self, owner: &NodeId) -> Tally {
        let mut tally = Tally::default();
        for (id, counts) in &self.winning {
            if id.owner != *owner {
                continue;
            }
            let stale = self.distrust(id).is_some();
            for (&state, &count) in counts {
                match state {
                    _ if stale => tally.stale += count,
                    LiveState::Connected => tally.online += count,
                    LiveState::Idle => tally.idle += count,
                    LiveState::Asleep => tally.asleep += count,
                    LiveState::Unreachable => tally.unreachable += count,
                    LiveState::Detached => tally.offline += count,
                    LiveState::Removed => {}
                }
            }
        }
        tally
    }

    fn see(&self, now: Mono, vehicle: &VehicleId, id: &LogId, entry: &Entry) -> Sight {
        let status = self.nodes.get(&id.owner);
        let stale = self.distrust(id);
        let view_age = match status.map(|s| s.liveness) {
            Some(Liveness::Own) => Millis(0),
            Some(Liveness::Alive { heard } | Liveness::Relayed { heard }) => now.since(heard),
            Some(Liveness::Lost { since } | Liveness::Unmet { since }) => now.since(since),
            None => Millis(0),
        };
        let measured = now.since(entry.contact);
        // A connected vehicle's later contacts are not told to peers; had they stopped, its gateway would have said so.
        // That is known up to where this node knows all that the gateway said in that life, and no further.
        let told = matches!(stale, None | Some(StaleWhy::OwnerLost | StaleWhy::OwnerLeft)) && id.owner != self.me;
        let bound = self.timers.silence_max() + view_age;
        let bounded = entry.state == LiveState::Connected && told && bound < measured;
        let (age, age_kind) = if bounded { (bound, AgeKind::Bound) } else { (measured, AgeKind::Measured) };
        let known = match entry.state {
            LiveState::Connected => Known::Online,
            LiveState::Idle if age < self.timers.reachable + self.timers.silence_max() => Known::Idle,
            LiveState::Asleep if age < entry.sleep + self.timers.sleep_grace + self.timers.silence_max() => {
                Known::Asleep
            }
            LiveState::Idle | LiveState::Asleep | LiveState::Unreachable => Known::Unreachable,
            LiveState::Detached | LiveState::Removed => Known::Offline,
        };
        let due = match known {
            Known::Idle => Some(self.timers.periodic_update),
            Known::Asleep => Some(entry.sleep),
            Known::Online | Known::Unreachable | Known::Offline => None,
        };
        Sight {
            vehicle: vehicle.clone(),
            known,
            stale,
            cause: entry.cause,
            owner: id.owner.clone(),
            region: status.map(|s| s.info.region.clone()),
            epoch: entry.epoch,
            session: entry.session,
            cell: entry.cell,
            age,
            age_kind,
            view_age,
            update_expected: due.map(|due| Millis(due.0.saturating_sub(age.0))),
            wake: entry.wake,
            cloned: entry.cloned,
        }
    }

    fn distrust(&self, id: &LogId) -> Option<StaleWhy> {
        let Some(status) = self.nodes.get(&id.owner) else {
            return Some(StaleWhy::ViewCutOff);
        };
        if status.info.incarnation > id.incarnation {
            return Some(StaleWhy::OwnerRestarted);
        }
        match status.liveness {
            Liveness::Own | Liveness::Alive { .. } | Liveness::Relayed { .. } => None,
            Liveness::Lost { .. } if status.standing == Some(Standing::Left) => Some(StaleWhy::OwnerLeft),
            Liveness::Lost { .. } => Some(StaleWhy::OwnerLost),
            Liveness::Unmet { .. } => Some(StaleWhy::ViewCutOff),
        }
    }
}
