//! What kind of world a seed makes: how many of what, how patient, how far apart the clocks are.

use super::dice::Dice;
use super::homes;
use waygate_core::homes::HomeRegions;
use waygate_core::time::Millis;
use waygate_core::timers::Timers;
use waygate_wire::Codec;

/// One world, before anything happens in it.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Gateways.
    pub gateways: usize,
    /// Regions: as many as gateways, but where home regions are configured.
    pub regions: usize,
    /// The home regions, in some worlds.
    pub homes: Option<HomeRegions>,
    /// Vehicles, each with a name of its own.
    pub vehicles: usize,
    /// Further units that use the name of one of them.
    pub clones: usize,
    /// The timers of every gateway.
    pub timers: Timers,
    /// How often a gateway flushes its streams to the peers.
    pub flush_ms: u64,
    /// Frames that may be on their way to a peer.
    pub frames_in_flight_max: usize,
    /// How long faults strike.
    pub stormy_ms: u64,
    /// The longest time between two faults.
    pub calm_between_faults_ms: u64,
    /// Whether all regions are cut off from each other for longer than tombstones live.
    pub long_night: bool,
    /// Whether disks may lie about their last flush when the power fails.
    pub lying_disks: bool,
    /// How far each gateway's clock is off.
    pub gateway_skews_ms: Vec<i64>,
    /// How far each vehicle's clock is off.
    pub vehicle_skews_ms: Vec<i64>,
    /// The longest time between two records of a vehicle.
    pub sample_ms: u64,
    /// The form in which messages cross the wire, if they are written and read at all.
    pub codec: Option<Codec>,
    /// Whether a clock may be set back while its gateway is down.
    pub clocks_set_back: bool,
    /// Whose addresses each gateway is given.
    pub seeds: Seeds,
    /// Whether a disk may be lost with the power, and be replaced by an empty one.
    pub wiped_disks: bool,
    /// Whether entries may be changed on their way between gateways.
    pub corrupting: bool,
}

/// Whose addresses each gateway is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seeds {
    /// Those of all.
    All,
    /// All are given that of one.
    One(usize),
    /// Each is given that of the next.
    Ring,
}

/// Clocks of gateways are at most this far off, so that no two are a day apart: a token further ahead than
/// that is refused by design.
pub const SKEW_HOURS_MAX: u64 = 11;

impl Settings {
    /// Draws the world of a seed.
    pub fn draw(seed: u64, dice: &mut Dice) -> Self {
        let gateways = if dice.chance(75) { 3 } else { dice.between(4, 5) as usize };
        let (regions, homes) = homes::draw(seed, gateways);
        let vehicles = dice.between(3, 6) as usize;
        let clones = dice.below(3) as usize;
        let gateway_skews_ms = (0..gateways).map(|_| skew_ms(dice, SKEW_HOURS_MAX * 3_600_000)).collect();
        let units = vehicles + clones;
        let vehicle_skews_ms =
            (0..units).map(|_| if dice.chance(70) { 0 } else { skew_ms(dice, 30 * 3_600_000) }).collect();
        Self {
            gateways,
            regions,
            homes,
            vehicles,
            clones,
            timers: draw_timers(dice),
            flush_ms: [100, 250, 500][dice.index(3)],
            frames_in_flight_max: [2, 8, 64][dice.index(3)],
            stormy_ms: dice.between(40_000, 150_000),
            calm_between_faults_ms: dice.between(1500, 9000),
            long_night: dice.chance(15),
            lying_disks: dice.chance(15),
            gateway_skews_ms,
            vehicle_skews_ms,
            sample_ms: dice.between(2000, 9000),
            codec: [None, None, Some(Codec::Proto), Some(Codec::Json)][dice.index(4)],
            clocks_set_back: dice.chance(15),
            seeds: [Seeds::All, Seeds::One(dice.index(gateways)), Seeds::Ring][dice.index(3)],
            wiped_disks: dice.chance(15),
            corrupting: dice.chance(20),
        }
    }

    /// How long after the last fault the views must agree: sockets that are dead are found and held, vehicles
    /// come back after the longest pause between tries (two to three minutes for one that was superseded), and
    /// what they say has gone round.
    pub fn settling_ms(&self) -> u64 {
        self.timers.silence_max().0 + 240_000
    }
}

/// Mostly shorter than the defaults, so that every timer fires within a run.
fn draw_timers(dice: &mut Dice) -> Timers {
    let secs = |low, high, dice: &mut Dice| Millis::secs(dice.between(low, high));
    if dice.chance(15) {
        return Timers::default();
    }
    // A ping and its pong may take four seconds each.
    let (ping, pong, hold) = (secs(4, 15, dice), secs(10, 15, dice), secs(3, 20, dice));
    let periodic_update = ping + pong + hold + secs(5, 30, dice);
    let reachable = periodic_update + secs(2, 10, dice);
    let implicit_detach = secs(10, 60, dice);
    let purge = implicit_detach + secs(5, 60, dice);
    let (active, sleep, sleep_grace) = (secs(2, 5, dice), secs(10, 40, dice), ping + pong + secs(1, 5, dice));
    Timers { ping, pong, hold, periodic_update, reachable, implicit_detach, active, sleep, sleep_grace, purge }
}

fn skew_ms(dice: &mut Dice, max_ms: u64) -> i64 {
    let far = if dice.chance(50) { dice.below(2000) } else { dice.below(max_ms) } as i64;
    if dice.chance(50) { far } else { -far }
}
