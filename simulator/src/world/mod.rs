//! The seeded world: three gateways or more, their disks, their network and their vehicles, in one process and
//! in virtual time, running the very code of the core.
//!
//! A seed decides everything: how many of what, whose clock is wrong, what is cut, killed, rolled back and lost
//! when. The same seed gives the same run. The judge ([`oracle`]) knows what really happened and checks the
//! promises named in [`check`]; nothing of the world is known to the core, and the world changes nothing in it.
//!
//! More than half of the vehicles are the real onboard unit: its machine and its spool ([`obu`]). Here it has one socket.
//! Where it would open a second one beside its session and leave the first one only then, the first one is lost to it
//! before: that a vehicle is served without a gap while it changes gateways is not shown here but by `obu`'s own tests
//! and over real sockets.

pub mod agreement;
pub mod audit;
pub mod calls;
pub mod check;
pub mod dice;
pub mod disk;
pub mod durable;
pub mod faults;
pub mod fleet;
pub mod gateway;
pub mod hands;
pub mod homes;
pub mod members;
pub mod network;
pub mod obu;
pub mod oracle;
pub mod orders;
pub mod peers;
pub mod plant;
pub mod promises;
pub mod run;
pub mod settings;
pub mod sockets;
pub mod trace;
pub mod vehicle;
pub mod verdicts;
pub mod wire;

pub use check::{Check, Violation};
pub use plant::Plant;
pub use run::{Failure, Report, World};

/// Runs the world of a seed to its end or to the first promise that is broken.
pub fn run(seed: u64) -> Result<Report, Box<Failure>> {
    World::new(seed, None, false).run(seed)
}
