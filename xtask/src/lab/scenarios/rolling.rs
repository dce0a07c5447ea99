//! All gateways stopped as an operator stops them, one by one, and started again, perhaps as another version.

use std::time::{Duration, Instant};

use anyhow::Result;

use super::AGREE_WITHIN;
use crate::lab::checker::Promises;
use crate::lab::cluster::Lab;
use crate::lab::view::Overview;

/// Window and grace of a drain as configured here, and what the end takes.
const DRAINED_WITHIN: Duration = Duration::from_secs(30);

/// What no vehicle is to be shown as by a gateway that stays.
const ABSENT: [&str; 5] = ["idle", "asleep", "unreachable", "offline", "stale"];

pub fn rolling(lab: &mut Lab<'_>) -> Result<()> {
    let names: Vec<String> = lab.gateways.iter().map(|gateway| gateway.name().to_owned()).collect();
    let program = lab.programs.gateway.clone();
    for name in &names {
        let since = Instant::now();
        let stay = lab.others(name);
        let gateway = lab.gateway_mut(name)?;
        gateway.drain(DRAINED_WITHIN)?;
        // From here on its vehicles are elsewhere.
        let gone = since.elapsed();
        gateway.program.clone_from(&program);
        gateway.start()?;
        gateway.ready()?;
        let agreed = lab.agree(AGREE_WITHIN)?;
        let saw = agreed.as_ref().map_or_else(Clone::clone, |agreed| format!("{:016x}", agreed.hash));
        lab.expect(&format!("{name} is back after {gone:.1?} of drain, and all agree"), agreed.is_ok(), saw);
        let mut wrong = Vec::new();
        for other in &stay {
            let samples = lab.observer.since(other, since);
            wrong.extend(samples.iter().filter_map(|sample| absent(&sample.overview)).map(|what| (other, what)));
        }
        let saw =
            wrong.first().map_or("only online".to_owned(), |first| format!("{} times, first {first:?}", wrong.len()));
        lab.expect("who stays shows every vehicle as online", wrong.is_empty(), saw);
    }
    lab.check(Instant::now(), AGREE_WITHIN, Promises::All)
}

fn absent(overview: &Overview) -> Option<String> {
    ABSENT.iter().find(|state| overview.total(state) > 0).map(|state| format!("{} {state}", overview.total(state)))
}
