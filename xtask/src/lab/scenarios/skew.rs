//! A clock that is wrong by an hour, and epochs that must rise all the same.

use std::time::{Duration, Instant};

use anyhow::Result;

use super::{AGREE_WITHIN, ATTACH_WITHIN};
use crate::lab::checker::Promises;
use crate::lab::cluster::{Lab, units};
use crate::lab::http;
use crate::lab::vehicles::Unit;

/// No contact of a vehicle that is online can be older than this scenario takes.
const AGE_S_MAX: f64 = 300.0;

/// A stream between gateways ends after 5 s without a frame.
const STREAMS_END: Duration = Duration::from_secs(8);

pub fn skew(lab: &mut Lab<'_>) -> Result<()> {
    let travellers = units("r1", 10);
    let mut epochs = epochs(lab, &travellers)?;
    for to in ["r2", "r3", "r1"] {
        let url = lab.url_of(to)?;
        lab.vehicles.prefer(&travellers, &url)?;
        let moved = lab.vehicles.until(AGREE_WITHIN + AGREE_WITHIN, |units| {
            let travelling = units.iter().filter(|unit| travellers.contains(&unit.name));
            travelling.into_iter().all(|unit| unit.is_attached() && url.contains(&unit.gateway))
        })?;
        lab.expect_within(&format!("all travellers are at {to}"), moved, AGREE_WITHIN);
        let now = self::epochs(lab, &travellers)?;
        let risen = now.iter().zip(&epochs).filter(|(now, before)| now > before).count();
        lab.expect(
            &format!("every epoch rises at {to}"),
            risen == travellers.len(),
            format!("{risen} of {}", travellers.len()),
        );
        epochs = now;
    }
    ages(lab)?;
    token_lost(lab)
}

fn epochs(lab: &mut Lab<'_>, names: &[String]) -> Result<Vec<u64>> {
    let units = lab.vehicles.sight()?;
    Ok(units.iter().filter(|unit| names.contains(&unit.name)).map(|unit| unit.epoch).collect())
}

/// What is told as an age needs no clock in common.
fn ages(lab: &mut Lab<'_>) -> Result<()> {
    let mut wrong = Vec::new();
    for name in ["r1", "r2", "r3"] {
        let listed = http::get(lab.operators(name)?, "/v1/vehicles?limit=1000", Duration::from_secs(10))?;
        for vehicle in listed["vehicles"].as_array().into_iter().flatten() {
            let age_s = vehicle["age_s"].as_f64().unwrap_or(f64::NAN);
            if !(0.0..AGE_S_MAX).contains(&age_s) {
                wrong.push(format!("{} of {} at {name}", age_s, vehicle["id"]));
            }
        }
    }
    let saw = wrong.first().map_or("all of them".to_owned(), |first| format!("{} wrong: {first}", wrong.len()));
    lab.expect("no age shown anywhere is of another clock", wrong.is_empty(), saw);
    Ok(())
}

/// A unit that lost its token and its spool, at a gateway that cannot know of its last attach, an hour ahead.
fn token_lost(lab: &mut Lab<'_>) -> Result<()> {
    lab.network.part(&["r1"], &["r2", "r3"])?;
    let (ahead, behind) = (lab.url_of("r2")?, lab.url_of("r1")?);
    lab.vehicles.add_as("forgetful-1", "FORGETFUL", &ahead)?;
    let first = lab.vehicles.until(ATTACH_WITHIN, |units| units.iter().all(Unit::is_attached))?;
    lab.expect_within("it attaches an hour ahead", first, ATTACH_WITHIN);
    lab.vehicles.detach(&["forgetful-1".to_owned()])?;
    let left = |units: &[Unit]| units.iter().any(|unit| unit.name == "forgetful-1" && unit.state == "stopped");
    lab.vehicles.until(ATTACH_WITHIN, left)?;
    lab.vehicles.add_as("forgetful-2", "FORGETFUL", &behind)?;
    let second = |units: &[Unit]| units.iter().any(|unit| unit.name == "forgetful-2" && unit.is_attached());
    let again = lab.vehicles.until(ATTACH_WITHIN, second)?;
    lab.expect_within("it attaches without its token where nobody knows", again, ATTACH_WITHIN);
    // Until what the two said to each other at first is not under way any more, but lost.
    lab.last(STREAMS_END);
    lab.network.mend()?;
    lab.check(Instant::now(), AGREE_WITHIN + ATTACH_WITHIN, Promises::All)?;
    let units = lab.vehicles.sight()?;
    let attached = units.iter().find(|unit| unit.name == "forgetful-2").map_or(0, |unit| unit.attached);
    lab.expect("it has to attach once more at most", (1..=2).contains(&attached), format!("{attached} attaches"));
    Ok(())
}
