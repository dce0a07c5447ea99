//! Gateways, their vehicles, and what a vehicle does in a day.

use crate::Plan;
use waygate_core::cell::Cell;
use waygate_core::epoch::Epoch;
use waygate_core::homes::HomeRegions;
use waygate_core::id::{Incarnation, NodeId, RegionId, SessionId, VehicleId};
use waygate_core::log::{Entry, LiveState, LogId, Scope};
use waygate_core::record::Position;
use waygate_core::time::{Millis, Mono};
use waygate_core::timers::Timers;
use waygate_core::view::{Liveness, NodeInfo, View};
use waygate_core::wake::WakeChannels;

/// Some hours after the boot.
pub const START: Mono = Mono(1 << 24);

const INCARNATION: Incarnation = Incarnation(1_795_219_200);

/// Milliseconds of a day.
const DAY_MS: u64 = 24 * 3600 * 1000;

/// What a vehicle does in a day: three trips, with six attaches and detaches, eight changes between connected and idle,
/// and six ways out of the tracking area.
pub const DAY: [Step; 20] = {
    use Step::{Attach, Connect, Detach, Idle, Move};
    [
        Attach, Move, Idle, Connect, Move, Detach, //
        Attach, Move, Idle, Connect, Move, Detach, //
        Attach, Move, Idle, Connect, Move, Idle, Connect, Detach,
    ]
};

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Step {
    Attach,
    Move,
    Idle,
    Connect,
    Detach,
}

/// Who there is.
pub struct Fleet {
    pub regions: usize,
    pub vehicles: u64,
    pub sample: u64,
    pub seconds: u64,
    pub delay: Millis,
    pub homes: Option<HomeRegions>,
}

/// One vehicle, as its gateway knows it.
pub struct Vehicle {
    pub id: VehicleId,
    step: usize,
    epoch: u64,
    lat: f64,
    lon: f64,
    state: LiveState,
}

impl Fleet {
    pub fn new(plan: &Plan) -> Self {
        let (regions, vehicles, sample, seconds) = (plan.regions, plan.vehicles, plan.sample, plan.seconds);
        Self { regions, vehicles, sample, seconds, delay: Millis(plan.delay_ms), homes: plan.homes() }
    }

    pub fn region(n: usize) -> RegionId {
        RegionId::new(&format!("region-{n:02}")).unwrap()
    }

    fn node(n: usize) -> NodeId {
        NodeId::new(&format!("region-{n:02}-1")).unwrap()
    }

    /// How many shards each region keeps of the vehicles of others; none if everyone keeps all.
    pub fn shards(&self) -> Vec<usize> {
        let kept = |homes: &HomeRegions| (0..self.regions).map(|n| homes.interest(&Self::region(n)).len()).collect();
        self.homes.as_ref().map(kept).unwrap_or_default()
    }

    /// The gateway that keeps about as many as they do on average.
    pub fn typical(&self) -> usize {
        let shards = self.shards();
        let mean = shards.iter().sum::<usize>() / self.regions;
        (0..shards.len()).min_by_key(|n| shards[*n].abs_diff(mean)).unwrap_or(0)
    }

    pub fn vehicles_each(&self) -> u64 {
        self.vehicles / self.regions as u64
    }

    /// Changes a second of the vehicles of one gateway, on average over the day.
    pub fn changes_each(&self) -> f64 {
        self.vehicles_each() as f64 * DAY.len() as f64 / 86_400.0
    }

    /// The log in which a gateway says what other regions are shown.
    pub fn shown(&self, n: usize) -> LogId {
        let scope = if self.homes.is_some() { Scope::Directory } else { Scope::Detail };
        LogId { owner: Self::node(n), incarnation: INCARNATION, scope }
    }

    /// A gateway that knows nothing.
    pub fn gateway(&self, n: usize) -> View {
        let mut view = View::new(info(n), Timers::default());
        if let Some(homes) = &self.homes {
            view.set_homes(homes.clone());
        }
        view
    }

    /// One that hears every other.
    pub fn gateway_that_hears_all(&self, n: usize) -> View {
        let mut view = self.gateway(n);
        for other in (0..self.regions).filter(|other| *other != n) {
            view.mention(START, info(other));
            view.set_liveness(&Self::node(other), Liveness::Alive { heard: START });
        }
        view
    }

    /// A vehicle of a gateway, somewhere in its day.
    pub fn vehicle(&self, gateway: usize, n: u64) -> Vehicle {
        let (row, column) = ((n / 100 % 100) as f64, (n % 100) as f64);
        let (south, west) = ((gateway / 10 * 8) as f64 - 20.0, (gateway % 10 * 30) as f64 - 150.0);
        Vehicle {
            // Six digits of the seventeen are of the vehicle alone, and neighbours in the log are not neighbours in these.
            id: VehicleId::new(&format!("WVWZZZ1JZ{gateway:02}{:06}", n * 7919 % 1_000_000)).unwrap(),
            step: (n % DAY.len() as u64) as usize,
            epoch: 1_795_219_200_000 + n.wrapping_mul(0x9e37_79b9_7f4a_7c15) % DAY_MS,
            lat: south + row / 20.0,
            lon: west + column / 20.0,
            state: LiveState::Detached,
        }
    }

    /// All of its vehicles say something once.
    pub fn fill(&self, view: &mut View, gateway: usize, vehicles: u64) -> Vec<Vehicle> {
        let mut made: Vec<_> = (0..vehicles).map(|n| self.vehicle(gateway, n)).collect();
        for vehicle in &mut made {
            vehicle.go_on(START, view);
        }
        made
    }
}

impl Vehicle {
    /// Does what comes next in its day.
    pub fn go_on(&mut self, now: Mono, view: &mut View) {
        match DAY[self.step] {
            Step::Attach => (self.state, self.epoch) = (LiveState::Connected, self.epoch + 1),
            // 25 km: as far as the list of tracking areas goes.
            Step::Move => {
                self.state = LiveState::Connected;
                self.lat += if self.epoch.is_multiple_of(2) { 0.225 } else { -0.225 };
            }
            Step::Idle => self.state = LiveState::Idle,
            Step::Connect => self.state = LiveState::Connected,
            Step::Detach => self.state = LiveState::Detached,
        }
        self.step = (self.step + 1) % DAY.len();
        let cause = (self.state == LiveState::Detached).then_some(waygate_core::cause::DetachCause::IgnitionOff);
        let entry = Entry {
            epoch: Epoch(self.epoch << 16),
            session: SessionId(self.epoch.wrapping_mul(0x9e37_79b9_7f4a_7c15)),
            state: self.state,
            cause,
            cell: Cell::of(Position::from_degrees(self.lat, self.lon)),
            contact: now,
            sleep: Millis(0),
            wake: WakeChannels::NONE,
            cloned: false,
        };
        view.publish(now, self.id.clone(), entry);
    }
}

fn info(n: usize) -> NodeInfo {
    NodeInfo {
        id: Fleet::node(n),
        region: Fleet::region(n),
        incarnation: INCARNATION,
        vehicles_url: format!("wss://gateway-{n:02}.example:7800/v1/obu"),
        operators_url: format!("https://gateway-{n:02}.example:7801"),
        draining: false,
        rest: Box::default(),
    }
}
