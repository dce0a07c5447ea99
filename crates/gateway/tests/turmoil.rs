//! What gateways say to each other, on a network that is cut, held, slow and lossy, in one thread and in simulated time.
//!
//! Real here: the presence task, the membership's task, the dialer, the streams, the errands of handovers, the gRPC services
//! behind their gate, `tls/serve.rs`, tonic, hyper, HTTP/2 with its probes, protobuf. What a gateway is made of, `peers/wiring.rs`,
//! is what `start.rs` makes it of.
//!
//! Not real: TCP (turmoil's segments are lost, held and late, but never sent again: a cut that a real TCP would outlast
//! breaks a connection here); the disk, which is in memory and answers at once; vehicles, which are a mailbox each. There is
//! no TLS, no store, no operator. Those are tested with real sockets, beside this file.
//!
//! What the system draws at random is the ids of sessions alone; no order of events depends on them.
#![allow(clippy::unwrap_used)]

#[path = "support/simulated/mod.rs"]
mod simulated;

use simulated::{Cluster, vehicle_of};
use std::collections::BTreeSet;
use std::time::Duration;
use waygate_core::membership::Standing;

const THREE: [(&str, &str); 3] = [("west-1", "west"), ("centre-1", "centre"), ("east-1", "east")];
const WEST: [&str; 2] = ["west-1", "west-2"];
const EAST: [&str; 2] = ["east-1", "east-2"];
const HALVES: [(&str, &str); 4] = [("west-1", "west"), ("west-2", "west"), ("east-1", "east"), ("east-2", "east")];

/// How long gateways take to find each other and to agree.
const JOIN: Duration = Duration::from_secs(5);

/// How long they take after a cut: the longest wait of the dialer, and what a dead connection takes to be noticed.
const HEAL: Duration = Duration::from_secs(15);

/// Until what a silent gateway serves is shown as stale.
const STALE: Duration = Duration::from_secs(15);

/// Until what a gateway served that has left is shown so: its streams end with it.
const LEFT: Duration = Duration::from_secs(1);

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn names<'a>(gateways: &[(&'a str, &str)]) -> Vec<&'a str> {
    gateways.iter().map(|(name, _)| *name).collect()
}

/// Gateways that have found each other.
fn joined(seed: u64, gateways: &[(&str, &str)]) -> Cluster {
    let mut cluster = Cluster::new(seed, gateways);
    let names = names(gateways);
    cluster.until(JOIN, "they hear each other and agree", |it| it.agree(&names) && it.all_alive(&names));
    cluster
}

/// Between every two of these, or not.
fn cut(cluster: &Cluster, here: &[&str], there: &[&str]) {
    here.iter().for_each(|a| there.iter().for_each(|b| cluster.sim.partition(*a, *b)));
}

fn repair(cluster: &Cluster, here: &[&str], there: &[&str]) {
    here.iter().for_each(|a| there.iter().for_each(|b| cluster.sim.repair(*a, *b)));
}

#[test]
fn three_gateways_of_three_regions_that_know_one_address_come_to_equal_views() {
    for seed in 1..=5 {
        let cluster = joined(seed, &THREE);
        assert_eq!(cluster.seen("east-1").vehicles.len(), 3);
    }
}

#[test]
fn twelve_gateways_of_four_regions_that_know_one_address_come_to_equal_views() {
    let regions = ["west", "centre", "east", "north"];
    let names: Vec<String> =
        regions.iter().flat_map(|region| (1..=3).map(move |at| format!("{region}-{at}"))).collect();
    let gateways: Vec<_> = names.iter().map(|name| (name.as_str(), name.split('-').next().unwrap())).collect();
    let mut cluster = joined(12, &gateways);
    let names: Vec<_> = names.iter().map(String::as_str).collect();
    // Each has one stream with each, whoever dialled.
    cluster.until(secs(5), "a stream with each", |it| names.iter().all(|name| it.seen(name).streams.len() == 11));
    // And what is new at one is soon known to all.
    cluster.attach("V-new", "north-3");
    cluster.until(secs(1), "the new one is known", |it| {
        names.iter().all(|name| it.seen(name).vehicles.get("V-new").is_some_and(|(at, _)| at == "north-3"))
    });
    cluster.throughout(secs(20), "they agree", |it| it.agree(&names) && it.all_alive(&names));
}

#[test]
fn two_halves_show_each_other_as_stale_and_agree_again_once_the_cut_is_mended() {
    for seed in 1..=3 {
        let mut cluster = joined(seed, &HALVES);
        let (all, moved) = (names(&HALVES), vehicle_of("west-2"));
        cut(&cluster, &WEST, &EAST);
        let stale = |it: &Cluster, here: &[&str; 2], there: &[&str; 2]| {
            here.iter()
                .all(|at| there.iter().all(|of| it.seen(at).vehicles_of(of).iter().all(|shown| *shown == "OwnerLost")))
        };
        cluster.until(STALE, "stale on both sides", |it| stale(it, &WEST, &EAST) && stale(it, &EAST, &WEST));
        // Each half goes on. A vehicle that drives into the other half is served there; its old gateway cannot be told.
        cluster.attach(&moved, "east-2");
        cluster.attach("V-new", "west-1");
        let served = |it: &Cluster, at: &str, vehicle: &str, owner: &str| {
            it.seen(at).vehicles.get(vehicle) == Some(&(owner.to_owned(), "Online".to_owned()))
        };
        cluster.until(secs(2), "each half has news", |it| {
            served(it, "east-1", &moved, "east-2") && served(it, "west-2", "V-new", "west-1")
        });
        cluster.throughout(secs(20), "each half agrees", |it| {
            it.agree(&WEST[..1]) && served(it, "west-1", &moved, "west-2")
        });
        repair(&cluster, &WEST, &EAST);
        cluster.until(HEAL, "all agree", |it| it.agree(&all) && served(it, "west-2", &moved, "east-2"));
        cluster.until(HEAL, "all are members", |it| it.all_alive(&all));
    }
}

#[test]
fn a_gateway_that_is_heard_by_nobody_in_one_direction_is_lost_there_and_held_for_dead_by_nobody() {
    let mut cluster = joined(4, &THREE);
    let all = names(&THREE);
    // What west says does not reach east; what east says reaches west.
    cluster.sim.partition_oneway("west-1", "east-1");
    cluster.until(STALE, "east does not hear west", |it| !it.seen("east-1").heard.contains_key("west-1"));
    cluster.until(STALE, "and shows it as the centre hears it", |it| is_relayed(it, "east-1", "west-1"));
    cluster.throughout(secs(60), "the centre hears both, and nobody is down", |it| {
        let standing = |at: &str, of: &str| it.seen(at).standings.get(of).copied();
        let down = all.iter().any(|at| all.iter().any(|of| standing(at, of) == Some(Standing::Down)));
        !down && it.seen("centre-1").heard.len() == 2
    });
    cluster.sim.repair_oneway("west-1", "east-1");
    cluster.until(HEAL, "all agree", |it| it.agree(&all) && it.all_alive(&all));
}

/// Whether a gateway does not hear another, and shows its vehicles all the same.
fn is_relayed(cluster: &Cluster, at: &str, of: &str) -> bool {
    let seen = cluster.seen(at);
    !seen.heard.contains_key(of) && seen.vehicles_of(of) == BTreeSet::from(["Online"])
}

#[test]
fn two_gateways_that_cannot_reach_each_other_hold_the_same_logs_by_a_third() {
    let mut cluster = joined(5, &THREE);
    let all = names(&THREE);
    cluster.sim.partition("west-1", "east-1");
    let relayed = |it: &Cluster| is_relayed(it, "east-1", "west-1") && is_relayed(it, "west-1", "east-1");
    cluster.until(STALE, "they show each other as the centre hears them", relayed);
    cluster.attach("V-new", "west-1");
    cluster.until(secs(5), "the news comes by the centre", |it| {
        it.same_logs(&all) && it.seen("east-1").vehicles.contains_key("V-new")
    });
    cluster.throughout(secs(30), "so it stays", |it| it.same_logs(&all) && relayed(it));
    cluster.sim.repair("west-1", "east-1");
    cluster.until(HEAL, "all agree", |it| it.agree(&all) && it.all_alive(&all));
}

#[test]
fn a_gateway_that_died_is_held_for_down_and_is_believed_in_its_next_life() {
    let mut cluster = joined(6, &THREE);
    let (all, others) = (names(&THREE), ["west-1", "centre-1"]);
    cluster.kill("east-1");
    cluster.until(STALE, "its vehicle is stale", |it| {
        others.iter().all(|at| it.seen(at).vehicles_of("east-1").contains("OwnerLost"))
    });
    cluster
        .until(secs(30), "it is down", |it| others.iter().all(|at| it.seen(at).standings["east-1"] == Standing::Down));
    cluster.start("east-1");
    cluster.until(HEAL, "all agree", |it| it.agree(&all) && it.all_alive(&all));
    for at in others {
        let seen = cluster.seen(at);
        assert_eq!(seen.heard["east-1"], 2, "{seen:#?}");
        // Its vehicle has not come back: it is known, without a socket.
        assert_eq!(seen.vehicles[&vehicle_of("east-1")], ("east-1".to_owned(), "Idle".to_owned()), "{seen:#?}");
    }
}

#[test]
fn a_gateway_that_starts_anew_before_it_is_missed_is_believed_in_its_next_life() {
    let mut cluster = joined(7, &THREE);
    let all = names(&THREE);
    cluster.kill("west-1");
    cluster.run(Duration::from_millis(500));
    // It is everyone's seed, and is given nobody's address: the others come to it.
    cluster.start("west-1");
    cluster.until(HEAL, "all agree", |it| it.agree(&all) && it.all_alive(&all));
    assert!(all[1..].iter().all(|at| cluster.seen(at).heard["west-1"] == 2));
}

#[test]
fn a_gateway_that_leaves_on_purpose_has_left_and_is_never_suspected() {
    for seed in 1..=9 {
        let mut cluster = joined(seed, &THREE);
        let others = ["west-1", "centre-1"];
        cluster.leave("east-1");
        cluster.until(LEFT, "it has left", |it| {
            others.iter().all(|at| {
                let seen = it.seen(at);
                let shown = seen.vehicles_of("east-1");
                seen.standings["east-1"] == Standing::Left && shown.iter().all(|shown| *shown == "OwnerLeft")
            })
        });
        cluster.throughout(secs(30), "so it stays", |it| {
            others.iter().all(|at| it.seen(at).standings["east-1"] == Standing::Left)
        });
        let doubt = |line: &String| line.contains("Suspect") || line.contains("Down");
        let doubts: Vec<_> = cluster.trace().into_iter().filter(doubt).collect();
        assert!(doubts.is_empty(), "{doubts:#?}");
        assert!(cluster.agree(&others));
    }
}

#[test]
fn messages_that_a_network_holds_back_for_a_while_lose_nobody_and_for_long_lose_nothing() {
    let mut cluster = joined(9, &THREE);
    let all = names(&THREE);
    cluster.sim.hold("west-1", "east-1");
    cluster.throughout(secs(4), "nobody is lost", |it| it.agree(&all));
    cluster.sim.release("west-1", "east-1");
    cluster.throughout(secs(10), "nobody is lost", |it| it.agree(&all));
    cluster.sim.hold("west-1", "east-1");
    cluster.attach("V-new", "east-1");
    cluster.until(STALE, "held for longer", |it| is_relayed(it, "west-1", "east-1"));
    cluster.until(secs(5), "the centre tells", |it| it.seen("west-1").vehicles.contains_key("V-new"));
    cluster.run(secs(20));
    cluster.sim.release("west-1", "east-1");
    cluster.until(HEAL, "all agree", |it| it.agree(&all) && it.all_alive(&all));
}

#[test]
fn slow_links_lose_nobody_and_have_nobody_suspected() {
    let mut cluster = joined(10, &THREE);
    let all = names(&THREE);
    for (at, a) in all.iter().enumerate() {
        all[at + 1..].iter().for_each(|b| cluster.sim.set_link_latency(*a, *b, Duration::from_millis(200)));
    }
    cluster.throughout(secs(60), "all agree", |it| it.agree(&all) && it.all_alive(&all));
}

#[test]
fn links_that_break_again_and_again_lose_nothing() {
    for seed in 1..=3 {
        let mut cluster = joined(seed, &HALVES);
        let all = names(&HALVES);
        cluster.sim.set_fail_rate(0.01);
        for vehicle in 0..20 {
            cluster.attach(&format!("V-{vehicle}"), all[vehicle % all.len()]);
            cluster.run(secs(2));
        }
        cluster.sim.set_fail_rate(0.0);
        cluster.until(HEAL, "all agree", |it| it.agree(&all) && it.all_alive(&all));
        assert_eq!(cluster.seen("east-2").vehicles.len(), 24);
        let lost = cluster.trace().iter().filter(|line| line.contains("streams")).count();
        assert!(lost > 20, "the links did not break: {lost}");
    }
}

/// A story with a bit of everything.
fn story(seed: u64) -> Vec<String> {
    let mut cluster = joined(seed, &HALVES);
    cluster.sim.set_fail_rate(0.005);
    cluster.attach(&vehicle_of("west-1"), "east-1");
    cluster.run(secs(10));
    cluster.sim.partition_oneway("west-2", "east-1");
    cluster.run(secs(10));
    cluster.kill("east-2");
    cluster.run(secs(15));
    cluster.start("east-2");
    cluster.sim.repair_oneway("west-2", "east-1");
    cluster.sim.set_fail_rate(0.0);
    cluster.until(secs(30), "all agree", |it| it.agree(&names(&HALVES)));
    cluster.leave("west-2");
    cluster.run(secs(5));
    cluster.trace()
}

#[test]
fn the_same_seed_gives_the_same_trace_and_another_seed_another() {
    let (once, again, other) = (story(20), story(20), story(21));
    for (at, (one, two)) in once.iter().zip(&again).enumerate() {
        assert_eq!(one, two, "line {at}");
    }
    assert_eq!(once.len(), again.len());
    assert!(once.len() > 100, "{}", once.len());
    assert_ne!(once, other);
}
