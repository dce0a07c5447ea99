//! Vehicles that stand where they are told: the real client, driven line by line from outside, for tests that must know
//! which vehicle is at which gateway while networks are cut and gateways die.
//!
//! Unlike the [`fleet`](crate::fleet) it decides nothing by itself, save that every unit reports in a steady rhythm. It is the ground
//! truth: what each unit knows of its own session, what it was promised, what it was told to do. One task a unit; the
//! convoy owns them and what they saw.

mod order;
mod unit;

pub use order::{Order, Reply, UnitSight, VerdictSight};

use crate::judge::judge;
use crate::ledger::VehicleLedger;
use crate::operator::Operator;
use crate::witness::SharedLedger;
use order::Task;
use std::collections::BTreeMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use unit::Unit;
use waygate_core::cause::DetachCause;
use waygate_core::id::VehicleId;
use waygate_core::time::Wall;

/// Units of one convoy: each is a task, a socket and a spool.
pub const UNITS_MAX: usize = 10_000;

/// How long one page of a vehicle's history may take when a judge looks at it.
const LOOK_WITHIN: Duration = Duration::from_secs(30);

/// All units, by the names that they were started under.
#[derive(Debug, Default)]
pub struct Convoy {
    units: BTreeMap<String, Unit>,
    /// By vehicle: two units with one vehicle's name share what was promised to it.
    ledgers: BTreeMap<VehicleId, SharedLedger>,
}

impl Convoy {
    /// Does what a line says, and answers it. Needs a tokio runtime.
    pub async fn obey(&mut self, line: &str) -> Reply {
        match serde_json::from_str::<Order>(line) {
            Ok(order) => self.perform(order).await.unwrap_or_else(Reply::fault),
            Err(error) => Reply::fault(format!("no order: {error}")),
        }
    }

    async fn perform(&mut self, order: Order) -> Result<Reply, String> {
        let units = order.units;
        match order.what {
            Task::Start { vehicle, gateways, report_ms } => {
                for name in units {
                    self.start(name, vehicle.as_deref(), &gateways, report_ms)?;
                }
            }
            Task::Prefer { gateways } => {
                for name in &units {
                    self.unit(name)?.obu().prefer(gateways.clone()).await;
                }
            }
            Task::Attach => {
                for name in &units {
                    self.unit(name)?.obu().attach().await;
                }
            }
            Task::Detach => {
                for name in &units {
                    self.unit(name)?.obu().detach(DetachCause::IgnitionOff).await;
                }
            }
            Task::Pause => {
                for unit in self.units.values() {
                    unit.pause();
                }
            }
            Task::Sight => return Ok(Reply::sight(self.units.iter().map(|(name, unit)| unit.sight(name)).collect())),
            Task::Judge { operator } => return Ok(Reply::verdict(self.judge(&operator).await)),
        }
        Ok(Reply::done())
    }

    fn start(
        &mut self,
        name: String,
        vehicle: Option<&str>,
        gateways: &[String],
        report_ms: u64,
    ) -> Result<(), String> {
        if self.units.len() >= UNITS_MAX {
            return Err(format!("a convoy has at most {UNITS_MAX} units"));
        }
        if self.units.contains_key(&name) {
            return Err(format!("there is a unit {name} already"));
        }
        let id = vehicle.unwrap_or(&name);
        let vehicle = VehicleId::new(id).map_err(|error| format!("{id:?}: {error}"))?;
        let ledger = self.ledgers.entry(vehicle.clone());
        let ledger = ledger.or_insert_with(|| SharedLedger::new(VehicleLedger::new(vehicle.clone(), wall_clock())));
        let unit = Unit::start(vehicle, gateways.to_vec(), Duration::from_millis(report_ms), ledger.clone());
        self.units.insert(name, unit);
        Ok(())
    }

    fn unit(&self, name: &str) -> Result<&Unit, String> {
        self.units.get(name).ok_or_else(|| format!("there is no unit {name}"))
    }

    /// Holds what a gateway shows against all that was promised so far.
    async fn judge(&self, operator: &str) -> VerdictSight {
        let ledgers = self.ledgers.values().map(SharedLedger::read).collect();
        VerdictSight::of(judge(&Operator::new(operator, LOOK_WITHIN), ledgers).await)
    }
}

fn wall_clock() -> Wall {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Wall(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

#[cfg(test)]
#[path = "convoy_tests.rs"]
mod tests;
