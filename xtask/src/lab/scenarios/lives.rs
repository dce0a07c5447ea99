//! Gateways that end without a word, over what is left of their disks, and one that only seems to.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use rustix::process::Signal;

use super::{AGREE_WITHIN, STALE_WITHIN};
use crate::lab::checker::Promises;
use crate::lab::cluster::{Lab, units};
use crate::lab::gateway::copy_folder;
use crate::lab::network::VEHICLES;
use crate::lab::vehicles::Unit;
use crate::report;

/// A gateway that is gone must be suspected by all others.
const SUSPECTED_WITHIN: Duration = Duration::from_secs(10);

/// A vehicle that was refused in vain for some seconds waits up to 8 s between two passes through its gateways.
const BACK_WITHIN: Duration = Duration::from_secs(40);

/// How long vehicles report before anything happens.
const DRIVE: Duration = Duration::from_secs(3);

/// The other gateways of the plan.
const OTHERS: [&str; 2] = ["r2", "r3"];

/// The vehicles can go nowhere else: they are to come back. Gives how they stand after some records.
fn confine(lab: &mut Lab<'_>) -> Result<Vec<Unit>> {
    lab.network.bar(VEHICLES, &OTHERS)?;
    lab.last(DRIVE);
    lab.vehicles.sight()
}

fn incarnation(lab: &Lab<'_>, at: &str) -> Result<u64> {
    let overview = lab.overview(at)?;
    Ok(overview.neighbours.get("r1").map(|r1| r1.incarnation).unwrap_or_default())
}

/// Both others see a later life than this one.
fn born_again(lab: &mut Lab<'_>, before: u64) -> Result<()> {
    let began = Instant::now();
    let seen = lab.until(AGREE_WITHIN + AGREE_WITHIN, |lab| {
        Ok(OTHERS.iter().all(|at| incarnation(lab, at).is_ok_and(|now| now > before)))
    })?;
    let now = incarnation(lab, OTHERS[0])?;
    let took = seen.map(|_| began.elapsed());
    lab.expect_within(&format!("its incarnation rises for all ({before} → {now})"), took, AGREE_WITHIN);
    Ok(())
}

/// Every vehicle has attached once more than before, and has a session.
fn back(lab: &mut Lab<'_>, before: &[Unit]) -> Result<()> {
    let back = lab.vehicles.until(BACK_WITHIN, |units| {
        units
            .iter()
            .all(|unit| unit.is_attached() && unit.attached > then(before, unit).map_or(0, |then| then.attached))
    })?;
    lab.expect_within("every vehicle is back", back, BACK_WITHIN);
    Ok(())
}

/// The same unit as it was.
fn then<'a>(before: &'a [Unit], unit: &Unit) -> Option<&'a Unit> {
    before.iter().find(|then| then.name == unit.name)
}

/// A session is the one that it was, or of a later attach, whatever the gateway has forgotten.
fn epochs_rise(lab: &mut Lab<'_>, before: &[Unit]) -> Result<()> {
    let units = lab.vehicles.sight()?;
    let right = |unit: &&Unit| {
        then(before, unit)
            .is_none_or(|then| unit.epoch > then.epoch || (unit.session == then.session && unit.epoch == then.epoch))
    };
    let (right, all) = (units.iter().filter(right).count(), units.len());
    let refused: u64 = units.iter().flat_map(|unit| unit.refused.values()).sum();
    lab.expect("every new session has a higher epoch", right == all, format!("{right} of {all}, {refused} refusals"));
    Ok(())
}

pub fn kill(lab: &mut Lab<'_>) -> Result<()> {
    let vehicles = confine(lab)?;
    let before = incarnation(lab, "r2")?;
    // Nobody may be heard by the new life until it was looked at.
    lab.network.part(&[VEHICLES], &["r1"])?;
    let gateway = lab.gateway_mut("r1")?;
    gateway.kill();
    gateway.start()?;
    let started = Instant::now();
    gateway.ready()?;
    born_again(lab, before)?;
    lab.last(Duration::from_secs(2));
    let mut shown = Vec::new();
    for name in ["r1", "r2", "r3"] {
        let samples = lab.observer.since(name, started);
        let of_r1 = samples.iter().filter_map(|sample| sample.overview.neighbours.get("r1"));
        shown.extend(of_r1.filter(|r1| r1.incarnation > before && r1.online > 0).map(|r1| (name, r1.online)));
    }
    let saw =
        format!("{} wrong answers{}", shown.len(), shown.first().map_or(String::new(), |s| format!(", first {s:?}")));
    lab.expect("nothing of the old life is shown online by anyone", shown.is_empty(), saw);
    lab.network.join(&[VEHICLES], &["r1"])?;
    back(lab, &vehicles)?;
    let units = lab.vehicles.sight()?;
    let resumed = units.iter().filter(|unit| unit.resumed > 0).count();
    let saw = format!("{resumed} of {}", units.len());
    lab.expect("99 of 100 go on with the session they had", resumed * 100 >= units.len() * 99, saw);
    lab.network.mend()?;
    lab.check(Instant::now(), AGREE_WITHIN, Promises::All)
}

pub fn kill_wiped(lab: &mut Lab<'_>) -> Result<()> {
    let vehicles = confine(lab)?;
    let before = incarnation(lab, "r2")?;
    let gateway = lab.gateway_mut("r1")?;
    gateway.kill();
    std::fs::remove_dir_all(gateway.data_dir()).context("the disk cannot be wiped")?;
    gateway.start()?;
    gateway.ready()?;
    born_again(lab, before)?;
    back(lab, &vehicles)?;
    epochs_rise(lab, &vehicles)?;
    lab.network.mend()?;
    lab.check(Instant::now(), AGREE_WITHIN, Promises::ButOfTheLostDisk)
}

pub fn kill_rolled_back(lab: &mut Lab<'_>) -> Result<()> {
    let vehicles = confine(lab)?;
    let first = incarnation(lab, "r2")?;
    let gateway = lab.gateway_mut("r1")?;
    let (disk, copy) = (gateway.data_dir(), gateway.folder.join("copy"));
    // Stopped, so that the copy is of one moment, as a disk that lost what came after it.
    gateway.signal(Signal::STOP)?;
    let copied = copy_folder(&disk, &copy);
    gateway.signal(Signal::CONT)?;
    copied?;
    gateway.kill();
    gateway.start()?;
    gateway.ready()?;
    born_again(lab, first)?;
    let url = lab.url_of("r1")?;
    lab.vehicles.add(&units("later", 3), &url)?;
    back(lab, &vehicles)?;
    lab.last(DRIVE);
    let vehicles = lab.vehicles.sight()?;
    let second = incarnation(lab, "r2")?;
    let gateway = lab.gateway_mut("r1")?;
    gateway.kill();
    std::fs::remove_dir_all(&disk).context("the disk cannot be rolled back")?;
    std::fs::rename(&copy, &disk).context("the disk cannot be rolled back")?;
    gateway.start()?;
    gateway.ready()?;
    born_again(lab, second)?;
    back(lab, &vehicles)?;
    epochs_rise(lab, &vehicles)?;
    lab.network.mend()?;
    lab.check(Instant::now(), AGREE_WITHIN, Promises::ButOfTheLostDisk)
}

pub fn stopped(lab: &mut Lab<'_>) -> Result<()> {
    lab.gateway("r1")?.signal(Signal::STOP)?;
    let since = Instant::now();
    lab.last(lab.settings.time(12, 20));
    suspected(lab, &["r1"], &OTHERS, since);
    lab.gateway("r1")?.signal(Signal::CONT)?;
    let awake = Instant::now();
    lab.check(awake, STALE_WITHIN, Promises::All)?;
    for other in OTHERS {
        // What it heard of them is as old as its sleep, and it shows that: this is no accusation.
        let accused = lab.observer.first("r1", other, awake, |n| ["suspect", "down"].contains(&n.standing.as_str()));
        let saw = accused.map_or("never".to_owned(), |after| format!("{} after it went on", report::seconds(after)));
        lab.expect(&format!("who slept does not accuse {other}"), accused.is_none(), saw);
        let others = OTHERS.iter().filter(|one| **one != other);
        let wavered: usize = others.map(|one| lab.observer.changes(one, other, since)).sum();
        lab.expect(&format!("nobody accuses {other}"), wavered == 0, format!("{wavered} changes of mind"));
    }
    Ok(())
}

fn suspected(lab: &mut Lab<'_>, gone: &[&str], by: &[&str], since: Instant) {
    let mut slowest = Some(Duration::ZERO);
    for gone in gone {
        for by in by {
            let took = lab.observer.first(by, gone, since, |n| n.status != "alive");
            // Where the cluster's own judgement is told, it must be the same.
            let judged =
                lab.observer.first(by, gone, since, |n| ["", "suspect", "down"].contains(&n.standing.as_str()));
            let took = took.zip(judged).map(|(one, other)| one.max(other));
            slowest = slowest.zip(took).map(|(one, other)| one.max(other));
        }
    }
    lab.expect_within("who is gone is suspected by all", slowest, SUSPECTED_WITHIN);
}

pub fn region_loss(lab: &mut Lab<'_>) -> Result<()> {
    let (lost, left) = (["r1", "r2"], ["r3", "r4"]);
    let before = lab.vehicles.sight()?;
    // As a power cut: no packet says that a connection ended.
    lab.network.part(&lost, &left)?;
    lab.network.part(&lost, &[VEHICLES])?;
    let since = Instant::now();
    for name in lost {
        lab.gateway_mut(name)?.kill();
    }
    let found = lab.vehicles.until(BACK_WITHIN + BACK_WITHIN, |units| {
        units
            .iter()
            .all(|unit| unit.is_attached() && lost.iter().all(|name| !unit.name.starts_with(name)) || unit.attached > 1)
    })?;
    lab.expect_within("every vehicle finds another gateway", found, BACK_WITHIN + BACK_WITHIN);
    let units = lab.vehicles.sight()?;
    let attempts = |unit: &Unit| unit.attempts - then(&before, unit).map_or(0, |then| then.attempts);
    let most = units.iter().map(attempts).max().unwrap_or_default();
    lab.expect("no vehicle dials more often than its list is long", most <= 4, format!("at most {most} dials"));
    suspected(lab, &lost, &left, since);
    let agreed = lab.agree(AGREE_WITHIN)?;
    let saw = agreed.as_ref().map_or_else(Clone::clone, |agreed| format!("{:016x}", agreed.hash));
    lab.expect("those that are left agree", agreed.is_ok(), saw);
    for name in lost {
        lab.gateway_mut(name)?.start()?;
    }
    lab.network.mend()?;
    for name in lost {
        lab.gateway_mut(name)?.ready()?;
    }
    lab.check(Instant::now(), AGREE_WITHIN, Promises::All)
}
