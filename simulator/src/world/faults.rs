//! What strikes the world, and how it is mended.

use super::network::{Place, SocketId};
use super::plant::Plant;
use super::run::{Event, World};
use super::vehicle::{Input, Keeps};
use waygate_core::cause::DetachCause;
use waygate_core::membership::Event as MemberEvent;
use waygate_core::time::Millis;

/// A fault that lasts, and how to end it.
#[derive(Clone, Debug)]
pub enum Mend {
    /// Directions that are cut.
    Cuts(Vec<(Place, Place)>),
    /// A gateway that is down.
    Gateway(usize),
    /// A disk that is slow.
    Disk(usize),
    /// A unit that is off.
    Unit(usize, Keeps),
    /// A socket whose data is stuck.
    Socket(SocketId),
}

/// Longer than tombstones live.
const NIGHT_MS: u64 = 25 * 3_600_000;

impl World {
    /// One fault, and the time of the next.
    pub fn on_strike(&mut self) {
        if self.now >= self.storm_ends {
            return;
        }
        let (g, u) = (self.dice.index(self.gateways.len()), self.dice.index(self.vehicles.len()));
        let lasts = self.dice.between(500, 45_000);
        if self.night {
            // Everyone is cut off and parked already.
            let hours = self.dice.between(1, 6);
            self.schedule(self.now + hours * 3_600_000, Event::Strike);
            return self.crash(g, lasts);
        }
        let next = self.now + self.dice.between(300, self.settings.calm_between_faults_ms);
        self.schedule(next, Event::Strike);
        match self.dice.below(100) {
            0..=13 => self.cut_gateways(g, lasts),
            14..=21 => self.isolate_gateway(g, lasts),
            22..=28 => self.break_stream(g),
            29..=38 => self.break_socket(u),
            39..=42 => self.overtake(u),
            43..=54 => self.cut_vehicle(u, lasts),
            55..=64 => self.crash(g, lasts),
            65..=66 => self.stall(g, lasts),
            67..=71 => {
                self.gateways[g].disk.slow_ms = self.dice.between(100, 6000);
                self.schedule(self.now + lasts, Event::Mend(Mend::Disk(g)));
            }
            72..=77 => self.gateways[g].disk.fail_next = self.dice.between(1, 4) as u32,
            78..=85 => self.reboot(u, lasts),
            86..=90 => self.move_vehicle(u),
            91..=93 => self.park(u),
            94..=97 => self.toggle_clone(),
            _ => self.gateways[g].skew_ms += self.dice.between(1000, 1_800_000) as i64,
        }
    }

    fn cut(&mut self, ways: Vec<(Place, Place)>, lasts: u64) {
        self.trace.note(self.now, format_args!("cut {ways:?}"));
        for (from, to) in &ways {
            self.network.cut(*from, *to);
        }
        self.schedule(self.now + lasts, Event::Mend(Mend::Cuts(ways)));
    }

    fn cut_gateways(&mut self, g: usize, lasts: u64) {
        let other = (g + 1 + self.dice.index(self.gateways.len() - 1)) % self.gateways.len();
        let (here, there) = (Place::Gateway(g), Place::Gateway(other));
        let ways = if self.dice.chance(40) { vec![(here, there)] } else { vec![(here, there), (there, here)] };
        self.cut(ways, lasts);
    }

    fn isolate_gateway(&mut self, g: usize, lasts: u64) {
        let here = Place::Gateway(g);
        let one_way = self.dice.chance(30);
        let others = (0..self.gateways.len()).filter(|other| *other != g).map(Place::Gateway);
        let ways = others.flat_map(|there| [(here, there), (there, here)]);
        let ways = ways.filter(|(from, _)| !one_way || *from == here).collect();
        self.cut(ways, lasts);
    }

    fn break_stream(&mut self, g: usize) {
        let links: Vec<_> = self.gateways[g].life.iter().flat_map(|life| life.links.keys().copied()).collect();
        if let Some(link) = links.get(self.dice.index(links.len())) {
            self.reset(link.0, Place::Gateway(g));
        }
    }

    fn break_socket(&mut self, u: usize) {
        let Some((socket, g)) = self.vehicles[u].socket else { return };
        self.trace.note(self.now, format_args!("socket {socket} of unit {u} breaks"));
        match self.dice.below(3) {
            // Both ends are told.
            0 => self.reset(socket, Place::Vehicle(u)),
            // The unit is told, the gateway is left with half a socket.
            1 => {
                self.drop_socket(u);
                self.input(u, Input::Lost(0));
            }
            // The gateway is told, the unit is left with half a socket.
            _ => {
                self.network.abandon(socket, Place::Gateway(g));
                self.lose_socket(g, waygate_core::id::ConnId(socket));
            }
        }
    }

    /// A unit's last records are stuck on the way while it comes back on another socket and the disk takes its time.
    fn overtake(&mut self, u: usize) {
        let Some((socket, g)) = self.vehicles[u].socket else { return };
        self.trace.note(self.now, format_args!("unit {u} overtakes itself, {socket} is stuck"));
        for _ in 0..3 {
            self.sample(u);
        }
        self.network.hold(socket);
        self.drop_socket(u);
        self.input(u, Input::Lost(0));
        self.gateways[g].disk.slow_ms = self.dice.between(300, 2000);
        let (goes_on, quick) = (self.dice.between(500, 4000), self.dice.between(5000, 10_000));
        self.schedule(self.now + goes_on, Event::Mend(Mend::Socket(socket)));
        self.schedule(self.now + quick, Event::Mend(Mend::Disk(g)));
    }

    fn cut_vehicle(&mut self, u: usize, lasts: u64) {
        let here = Place::Vehicle(u);
        let everywhere = self.dice.chance(50);
        let serving = self.vehicles[u].socket.map(|(_, g)| g);
        let one_way = self.dice.below(5);
        let mut ways = Vec::new();
        for g in (0..self.gateways.len()).filter(|g| everywhere || Some(*g) == serving) {
            if one_way != 1 {
                ways.push((here, Place::Gateway(g)));
            }
            if one_way != 0 {
                ways.push((Place::Gateway(g), here));
            }
        }
        self.cut(ways, lasts);
    }

    fn crash(&mut self, g: usize, lasts: u64) {
        let power_lost = self.dice.chance(60);
        if self.gateways[g].life.is_none() {
            return;
        }
        if !power_lost && self.dice.chance(40) {
            // It is stopped: it says so, and what it says is on its way when it ends.
            self.member(g, MemberEvent::Leave);
        }
        self.crash_gateway(g, power_lost);
        // A start takes a second at least: incarnations count seconds.
        self.schedule(self.now + lasts.max(1000), Event::Mend(Mend::Gateway(g)));
    }

    /// A process without a processor: its sockets stay open, nothing is read, nothing is answered.
    fn stall(&mut self, g: usize, lasts: u64) {
        self.trace.note(self.now, format_args!("gateway {g} stalls for {lasts} ms"));
        let until = &mut self.gateways[g].stalled_until;
        *until = (self.now + lasts).max(*until);
    }

    fn reboot(&mut self, u: usize, lasts: u64) {
        let keeps = [Keeps::All, Keeps::All, Keeps::Token, Keeps::Nothing][self.dice.index(4)];
        let cause = [None, Some(DetachCause::IgnitionOff), Some(DetachCause::Shutdown)][self.dice.index(3)];
        if self.vehicles[u].on {
            self.power_off(u, cause);
            self.schedule(self.now + lasts, Event::Mend(Mend::Unit(u, keeps)));
        }
    }

    /// A vehicle says that it sleeps, and is back in time.
    fn park(&mut self, u: usize) {
        let sleep = Millis(self.dice.between(1, 40) * 1000).min(self.settings.timers.sleep);
        if self.vehicles[u].on {
            self.trace.note(self.now, format_args!("unit {u} parks for {} ms", sleep.0));
            self.input(u, Input::Parked(sleep));
        }
    }

    fn toggle_clone(&mut self) {
        let clones: Vec<usize> = (0..self.vehicles.len()).filter(|u| self.vehicles[*u].clone).collect();
        if let Some(&u) = clones.get(self.dice.index(clones.len())) {
            if self.vehicles[u].on {
                self.power_off(u, None);
            } else {
                self.power_on(u, Keeps::All);
            }
        }
    }

    /// Ends a fault.
    pub fn on_mend(&mut self, mend: Mend) {
        match mend {
            Mend::Cuts(ways) => {
                for (from, to) in ways {
                    self.mend_way(from, to);
                }
            }
            Mend::Socket(socket) => {
                for due in self.network.release(self.now, socket) {
                    self.schedule(due.at, Event::Deliver(due.socket, due.way));
                }
            }
            Mend::Gateway(g) => self.start_gateway(g),
            Mend::Disk(g) => self.gateways[g].disk.slow_ms = 0,
            Mend::Unit(u, keeps) if self.night => {
                self.schedule(self.now + 3_600_000, Event::Mend(Mend::Unit(u, keeps)));
            }
            // A clone stays silent once it is calm.
            Mend::Unit(u, _) if self.vehicles[u].clone && self.now >= self.storm_ends => {}
            Mend::Unit(u, keeps) => self.power_on(u, keeps),
        }
    }

    fn mend_way(&mut self, from: Place, to: Place) {
        for due in self.network.mend(self.now, from, to, &mut self.dice) {
            self.schedule(due.at, Event::Deliver(due.socket, due.way));
        }
    }

    /// Every region is alone and every vehicle parked, for longer than tombstones live.
    pub fn on_nightfall(&mut self) {
        self.trace.note(self.now, format_args!("night falls"));
        self.night = true;
        for u in 0..self.vehicles.len() {
            let cause = self.dice.chance(70).then_some(DetachCause::IgnitionOff);
            self.power_off(u, cause);
        }
        let mut ways = Vec::new();
        for a in 0..self.gateways.len() {
            for b in (0..self.gateways.len()).filter(|b| *b != a) {
                ways.push((Place::Gateway(a), Place::Gateway(b)));
                self.network.cut(Place::Gateway(a), Place::Gateway(b));
            }
        }
        self.schedule(self.now + NIGHT_MS, Event::Dawn(ways));
    }

    /// The night is over. Some regions stay cut off from each other a little longer.
    pub fn on_dawn(&mut self, ways: Vec<(Place, Place)>) {
        self.trace.note(self.now, format_args!("dawn"));
        self.night = false;
        self.awake_since = self.now;
        self.chain += 1;
        for (from, to) in ways {
            let later = if self.dice.chance(50) { self.dice.below(40_000) } else { 0 };
            self.schedule(self.now + later, Event::Mend(Mend::Cuts(vec![(from, to)])));
        }
        self.start_chains();
        if self.plant == Some(Plant::TimersRestAtNight) {
            (0..self.gateways.len()).for_each(|g| self.on_deadline(g));
        }
        self.schedule(self.now + 1000, Event::Strike);
        for u in 0..self.vehicles.len() {
            if !self.vehicles[u].clone && self.dice.chance(60) {
                self.power_on(u, Keeps::All);
            }
        }
    }

    /// Nothing strikes any more and everything is mended. Clones are silent; of the vehicles most are on.
    pub fn on_calm(&mut self) {
        self.trace.note(self.now, format_args!("calm"));
        for (from, to) in self.network.cuts() {
            self.mend_way(from, to);
        }
        for g in 0..self.gateways.len() {
            (self.gateways[g].disk.fail_next, self.gateways[g].disk.slow_ms) = (0, 0);
            self.start_gateway(g);
        }
        for u in 0..self.vehicles.len() {
            if self.vehicles[u].clone {
                self.power_off(u, None);
            } else if self.dice.chance(70) {
                self.power_on(u, Keeps::All);
            }
        }
    }
}
