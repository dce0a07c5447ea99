//! One vehicle's name, two units, on both sides of a split.

use std::time::{Duration, Instant};

use anyhow::Result;
use serde_json::json;

use super::{AGREE_WITHIN, ATTACH_WITHIN};
use crate::lab::checker::Promises;
use crate::lab::cluster::Lab;
use crate::lab::http;
use crate::lab::vehicles::Unit;

const VEHICLE: &str = "TWICE";

/// How long a command may take to be begun by a vehicle that is there.
const COMMAND_WITHIN: Duration = Duration::from_secs(10);

pub fn duplicate(lab: &mut Lab<'_>) -> Result<()> {
    lab.network.part(&["r1"], &["r2", "r3"])?;
    for (unit, at) in [("twice-a", "r1"), ("twice-b", "r2")] {
        let gateways = lab.url_of(at)?;
        lab.vehicles.add_as(unit, VEHICLE, &gateways)?;
        let attached = lab.vehicles.until(ATTACH_WITHIN, |units| units.iter().all(Unit::is_attached))?;
        lab.expect_within(&format!("{unit} attaches at {at}"), attached, ATTACH_WITHIN);
    }
    send(lab, "r3", 1)?;
    lab.last(lab.settings.time(5, 60));
    lab.network.mend()?;
    let healed = Instant::now();
    let alone = lab.vehicles.until(AGREE_WITHIN + AGREE_WITHIN, |units| {
        let twins: Vec<_> = units.iter().filter(|unit| unit.vehicle == VEHICLE).collect();
        let superseded: u64 = twins.iter().map(|unit| unit.superseded).sum();
        twins.iter().filter(|unit| unit.is_attached()).count() == 1 && superseded > 0
    })?;
    lab.expect_within("the one that lost is told that it is superseded", alone, AGREE_WITHIN);
    let units = lab.vehicles.sight()?;
    let twins: Vec<&Unit> = units.iter().filter(|unit| unit.vehicle == VEHICLE).collect();
    let newest = twins.iter().max_by_key(|unit| unit.epoch).is_some_and(|unit| unit.is_attached());
    let epochs: Vec<_> = twins.iter().map(|unit| (unit.name.clone(), unit.epoch, unit.state.clone())).collect();
    lab.expect("the higher epoch stays", newest, format!("{epochs:?}"));
    send(lab, "r1", 2)?;
    lab.check(healed, AGREE_WITHIN + COMMAND_WITHIN, Promises::All)
}

/// A command is begun by one unit, once.
fn send(lab: &mut Lab<'_>, at: &str, number: usize) -> Result<()> {
    let path = format!("/v1/vehicles/{VEHICLE}/commands");
    http::post(lab.operators(at)?, &path, &json!({"name": "honk", "ttl_s": 60}), COMMAND_WITHIN)?;
    let begun = |units: &[Unit]| units.iter().flat_map(|unit| unit.begun.values().copied()).collect::<Vec<_>>();
    let all = lab.vehicles.until(COMMAND_WITHIN, |units| begun(units).len() >= number)?;
    let times = begun(&lab.vehicles.sight()?);
    let once = all.is_some() && times.len() == number && times.iter().all(|times| *times == 1);
    lab.expect(&format!("a command taken at {at} is begun once"), once, format!("begun so often, each: {times:?}"));
    Ok(())
}
