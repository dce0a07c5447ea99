//! Links between gateways that are cut: all, in one direction, between two alone, again and again.

use std::time::{Duration, Instant};

use anyhow::Result;

use super::{AGREE_WITHIN, ATTACH_WITHIN, STALE_WITHIN};
use crate::lab::checker::Promises;
use crate::lab::cluster::{Lab, units};
use crate::lab::http;
use crate::lab::view::View;

/// How long news may take round a cut: the lost stream is noticed after 5 s, and a third gateway passes on what is 2 s
/// old.
const ROUND_WITHIN: Duration = Duration::from_secs(10);

/// Time enough for each vehicle to report.
const WATCHED_FOR: Duration = Duration::from_secs(3);

/// Bytes on one link that bring a few changes and the signs of life of ten seconds. All that the seeded gateway has is more than twice
/// as much.
const HEAL_BYTES_MAX: u64 = 25_000;

/// Connections and files that may be open at the end beyond those at the beginning: who is asked just then.
const OPEN_MORE_MAX: usize = 8;

pub fn split(lab: &mut Lab<'_>) -> Result<()> {
    let (west, east) = (["r1", "r2"], ["r3", "r4", "r5"]);
    lab.network.part(&west, &east)?;
    let cut = Instant::now();
    let (eastward, westward) = (units("r1", 2), units("r3", 2));
    let (to_east, to_west) = (lab.url_of("r4")?, lab.url_of("r2")?);
    lab.vehicles.prefer(&eastward, &to_east)?;
    lab.vehicles.prefer(&westward, &to_west)?;
    lab.vehicles.add(&["new-west".to_owned()], &to_west)?;
    lab.vehicles.add(&["new-east".to_owned()], &to_east)?;
    let moved = lab.vehicles.until(STALE_WITHIN, |units| {
        units.iter().all(|unit| {
            let to = if eastward.contains(&unit.name) { &to_east } else { &to_west };
            let moves = eastward.contains(&unit.name) || westward.contains(&unit.name);
            unit.is_attached() && (!moves || to.contains(&unit.gateway))
        })
    })?;
    lab.expect_within("who moves across or is new attaches on either side", moved, ATTACH_WITHIN);
    stale_across(lab, &west, &east, cut)?;
    lab.last(lab.settings.time(12, 120).saturating_sub(cut.elapsed()));
    lab.network.mend()?;
    lab.check(Instant::now(), AGREE_WITHIN, Promises::All)?;
    let view = View::ask(lab.operators("r1")?)?;
    let cloned = view.vehicles.values().filter(|shown| shown.get("cloned").is_some_and(|is| is == "true")).count();
    lab.expect("nobody is taken for a clone", cloned == 0, format!("{cloned} vehicles"));
    Ok(())
}

/// Either side says in time that it does not hear the other.
fn stale_across(lab: &mut Lab<'_>, these: &[&str], those: &[&str], since: Instant) -> Result<()> {
    let pairs: Vec<_> =
        these.iter().flat_map(|one| those.iter().flat_map(move |other| [(*one, *other), (*other, *one)])).collect();
    let mut slowest = Some(Duration::ZERO);
    let silent = lab.until(STALE_WITHIN.saturating_sub(since.elapsed()), |lab| {
        let first =
            |(gateway, other): &(&str, &str)| lab.observer.first(gateway, other, since, |n| n.status != "alive");
        let all: Option<Vec<_>> = pairs.iter().map(first).collect();
        slowest = all.map(|all| all.into_iter().max().unwrap_or_default());
        Ok(slowest.is_some())
    })?;
    lab.expect_within("each side shows the other as not heard", silent.and(slowest), STALE_WITHIN);
    Ok(())
}

pub fn isolated(lab: &mut Lab<'_>) -> Result<()> {
    let others = ["r2", "r3", "r4", "r5"];
    let lost_before: u64 = lab.vehicles.sight()?.iter().map(|unit| unit.lost).sum();
    lab.network.part(&["r1"], &others)?;
    let cut = Instant::now();
    let own = lab.url_of("r1")?;
    lab.vehicles.add(&units("new", 3), &own)?;
    let attached = lab.vehicles.until(STALE_WITHIN, |units| units.iter().all(|unit| unit.is_attached()))?;
    lab.expect_within("new vehicles attach at the isolated gateway", attached, ATTACH_WITHIN);
    stale_across(lab, &["r1"], &others, cut)?;
    lab.last(lab.settings.time(12, 60).saturating_sub(cut.elapsed()));
    let units = lab.vehicles.sight()?;
    let lost = units.iter().map(|unit| unit.lost).sum::<u64>() - lost_before;
    let served = units.iter().filter(|unit| own.contains(&unit.gateway) && unit.is_attached()).count();
    lab.expect("its vehicles stay served", lost == 0 && served >= 7, format!("{served} served, {lost} sockets lost"));
    let before = lab.network.bytes()?;
    lab.network.mend()?;
    let healed = Instant::now();
    // Asked so that the question itself costs nothing on the links.
    lab.until(AGREE_WITHIN, |lab| {
        let seen = |other: &&str| {
            let overview = lab.overview(other).ok()?;
            overview.neighbours.get("r1").map(|r1| r1.status == "alive" && r1.lag_entries == 0)
        };
        Ok(others.iter().all(|other| seen(other) == Some(true)))
    })?;
    let after = lab.network.bytes()?;
    let link = |other: &&str| {
        let key = ("r1".to_owned(), (*other).to_owned());
        after.get(&key).copied().unwrap_or_default() - before.get(&key).copied().unwrap_or_default()
    };
    let most = others.iter().map(link).max().unwrap_or_default();
    let saw = format!("{most} bytes on a link, at most {HEAL_BYTES_MAX}");
    lab.expect("only what is new is sent after the cut", most <= HEAL_BYTES_MAX, saw);
    lab.check(healed, AGREE_WITHIN, Promises::All)
}

pub fn one_way(lab: &mut Lab<'_>) -> Result<()> {
    lab.network.cut_one_way("r1", "r2")?;
    let cut = Instant::now();
    news_arrives(lab, "r1", "r2")?;
    news_arrives(lab, "r2", "r1")?;
    lab.last(lab.settings.time(15, 60).saturating_sub(cut.elapsed()));
    for (gateway, other) in [("r1", "r2"), ("r2", "r1"), ("r3", "r1"), ("r3", "r2")] {
        let changes = lab.observer.changes(gateway, other, cut);
        let what = format!("{gateway} does not waver about {other}");
        lab.expect(&what, changes <= 2, format!("{changes} changes of mind, at most 2"));
    }
    lab.network.mend()?;
    lab.check(Instant::now(), AGREE_WITHIN, Promises::All)
}

pub fn non_transitive(lab: &mut Lab<'_>) -> Result<()> {
    watch(lab, "r1")?;
    let before = lab.until(ATTACH_WITHIN, |lab| Ok(on_the_map(lab, "r1", "r2")?.len() == units("r2", 4).len()))?;
    lab.expect_within("r1 shows where all vehicles of r2 are", before, ATTACH_WITHIN);
    lab.network.part(&["r1"], &["r2"])?;
    let cut = Instant::now();
    news_arrives(lab, "r1", "r2")?;
    news_arrives(lab, "r2", "r1")?;
    lab.until(ROUND_WITHIN, |lab| Ok(lab.observer.first("r1", "r2", cut, |n| n.status == "relayed").is_some()))?;
    let shown = on_the_map(lab, "r1", "r2")?;
    let kept = units("r2", 4).iter().all(|unit| shown.contains(unit));
    lab.expect("r1 still shows where they were last", kept, format!("of r2 it shows {shown:?}"));
    lab.last(lab.settings.time(10, 60).saturating_sub(cut.elapsed()));
    // Both hear r3: nothing that r3 knows may be missing or other at either.
    let (first, second, third) = (view(lab, "r1")?, view(lab, "r2")?, view(lab, "r3")?);
    let apart = [&first, &second].into_iter().find_map(|one| known(&third).difference(&known(one)));
    lab.expect("both know what the third one knows", apart.is_none(), apart.unwrap_or("the same".to_owned()));
    lab.network.mend()?;
    lab.check(Instant::now(), AGREE_WITHIN, Promises::All)
}

/// Follows positions for a moment, as an open map does: a gateway keeps those of others only for who looks at them.
fn watch(lab: &Lab<'_>, at: &str) -> Result<()> {
    // The stream has no end, so it is never answered whole.
    drop(http::exchange(lab.operators(at)?, "GET", "/v1/stream?kind=positions", "", WATCHED_FOR));
    Ok(())
}

/// The vehicles of one gateway that another finds anywhere on the map.
fn on_the_map(lab: &Lab<'_>, at: &str, of: &str) -> Result<Vec<String>> {
    let page = http::get(lab.operators(at)?, "/v1/vehicles?bbox=-180,-90,180,90&limit=1000", http::WITHIN)?;
    let vehicles = page["vehicles"].as_array().into_iter().flatten().filter(|vehicle| vehicle["gateway"] == *of);
    Ok(vehicles.filter_map(|vehicle| vehicle["id"].as_str()).map(str::to_owned).collect())
}

fn view(lab: &Lab<'_>, name: &str) -> Result<View> {
    View::ask(lab.operators(name)?)
}

/// What is known, whether it is shown as stale or not.
fn known(view: &View) -> View {
    let mut known = view.clone();
    for fields in known.vehicles.values_mut() {
        if let Some(state) = fields.remove("last_known") {
            fields.insert("state".to_owned(), state);
        }
    }
    known
}

/// A vehicle that attaches at one gateway while the cut lasts is known at the other in time.
fn news_arrives(lab: &mut Lab<'_>, at: &str, seen_by: &str) -> Result<()> {
    let name = format!("news-of-{at}");
    let gateways = lab.url_of(at)?;
    lab.vehicles.add(std::slice::from_ref(&name), &gateways)?;
    let attached = lab.vehicles.until(ATTACH_WITHIN, |units| units.iter().all(|unit| unit.is_attached()))?;
    lab.expect_within(&format!("a vehicle attaches at {at}"), attached, ATTACH_WITHIN);
    let (operators, path) = (lab.operators(seen_by)?, format!("/v1/vehicles/{name}"));
    let mut shown = String::new();
    let came = lab.until(ROUND_WITHIN + ROUND_WITHIN, |_| {
        let Ok(vehicle) = http::get(operators, &path, http::WITHIN) else { return Ok(false) };
        shown = vehicle["state"].as_str().unwrap_or_default().to_owned();
        Ok(vehicle["gateway"] == *at)
    })?;
    lab.expect_within(&format!("{seen_by} knows it, and shows it as {shown:?}"), came, ROUND_WITHIN);
    Ok(())
}

pub fn flapping(lab: &mut Lab<'_>) -> Result<()> {
    let names = ["r1", "r2", "r3"];
    let open = |lab: &Lab<'_>| -> Result<Vec<(usize, usize)>> {
        let count = |name| lab.gateway(name).and_then(|gateway| Ok((gateway.connections()?, gateway.files()?)));
        names.into_iter().map(count).collect()
    };
    let before = open(lab)?;
    let pause = lab.settings.time(3, 5);
    for round in 0..lab.settings.times(4, 60) {
        lab.network.part(&["r1"], &["r2", "r3"])?;
        // Something is always under way.
        let units = units("r1", 2);
        let to = lab.urls_from(if round % 2 == 0 { "r2" } else { "r1" })?;
        lab.vehicles.prefer(&units, &to)?;
        lab.last(pause);
        lab.network.mend()?;
        lab.last(pause);
    }
    lab.check(Instant::now(), AGREE_WITHIN, Promises::All)?;
    let mut now = Vec::new();
    let few = lab.until(ROUND_WITHIN, |lab| {
        now = open(lab)?;
        Ok(now
            .iter()
            .zip(&before)
            .all(|(now, before)| now.0 <= before.0 + OPEN_MORE_MAX && now.1 <= before.1 + OPEN_MORE_MAX))
    })?;
    let saw = format!("connections and files before {before:?}, after {now:?}");
    lab.expect("no connection is left behind", few.is_some(), saw);
    Ok(())
}
