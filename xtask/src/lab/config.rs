//! The configuration of a gateway of the lab: the only place that knows how one is written and how gateways find each other.

use std::fmt::Write;
use std::path::Path;

use super::place::{OPERATORS_PORT, Place, VEHICLES_PORT};

/// Where peers come in instead, if they are to be delayed.
pub const DELAYED_PORT: u16 = 7811;

/// Where vehicles come in: a way leads from here to the gateway's own port on loopback.
pub const WAY_PORT: u16 = 7711;

/// A key of the lab; its gateways live for minutes and serve nobody.
const KEY: &str = "5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a";

/// Short, so that a scenario takes seconds: a dead socket is noticed in 4 s by the gateway and in 6 s by the vehicle.
const TIMERS: &str = "[timers]\nping_s = 2\npong_s = 2\nhold_s = 2\nperiodic_update_s = 600\nreachable_s = 900\n\
    implicit_detach_s = 900\nsleep_grace_s = 5\n";

/// One gateway of a lab.
#[derive(Clone, Debug)]
pub struct Seat {
    pub place: Place,
    pub region: String,
    /// Whether peers come through a way, to be delayed.
    pub delayed: bool,
    /// Whether it is told of all others, for versions that do not find them by themselves; otherwise of the next one alone.
    pub told_all: bool,
    /// How far its wall clock is from that of the others.
    pub clock_offset_s: i64,
}

impl Seat {
    pub fn vehicles_url(&self) -> String {
        format!("ws://{}/v1/obu", self.place.socket(WAY_PORT))
    }

    /// What peers are told to dial.
    fn operators_url(&self) -> String {
        let port = if self.delayed { DELAYED_PORT } else { OPERATORS_PORT };
        format!("http://{}", self.place.socket(port))
    }
}

/// The file's text, for one of these seats.
pub fn text(own: &Seat, all: &[Seat], data_dir: &Path) -> String {
    let id = &own.place.name;
    let at = all.iter().position(|seat| seat.place == own.place).unwrap_or_default();
    let others = all.iter().cycle().skip(at + 1).take(if own.told_all { all.len() - 1 } else { 1 });
    let seeds: Vec<_> = others.map(|seat| format!("{:?}", seat.operators_url())).collect();
    let mut text = format!("[node]\nid = {id:?}\nregion = {:?}\ndata_dir = {data_dir:?}\n", own.region);
    if own.clock_offset_s != 0 {
        let _ = writeln!(text, "clock_offset_s = {}", own.clock_offset_s);
    }
    let listen = own.place.socket(OPERATORS_PORT);
    let _ = write!(
        text,
        "[vehicles]\nlisten = \"127.0.0.1:{VEHICLES_PORT}\"\nurl = {:?}\ndrain_window_s = 3\n\
         [operators]\nlisten = \"{listen}\"\nurl = {:?}\n[peers]\nseeds = [{}]\n{TIMERS}[cluster]\nwake_key = {KEY:?}\n\
         [cluster.token_keys]\n",
        own.vehicles_url(),
        own.operators_url(),
        seeds.join(", "),
    );
    let mut regions: Vec<_> = all.iter().map(|seat| &seat.region).collect();
    regions.sort();
    regions.dedup();
    for region in regions {
        let _ = writeln!(text, "{region} = {KEY:?}");
    }
    text
}

#[cfg(test)]
#[path = "config_tests.rs"]
mod tests;
