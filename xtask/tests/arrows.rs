//! Which crate may name which: the arrows of ARCHITECTURE.md, read from cargo itself.

#![allow(clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use serde_json::Value;

/// What each crate may depend on inside the workspace, in its code and in its tests.
const ALLOWED: &[(&str, &[&str])] = &[
    ("waygate-core", &[]),
    ("waygate-wire", &["waygate-core"]),
    ("waygate-store", &["waygate-core"]),
    ("waygate-obu", &["waygate-core", "waygate-wire"]),
    ("waygate-console", &[]),
    ("waygate-gateway", &["waygate-core", "waygate-wire", "waygate-store", "waygate-console"]),
    ("waygate-simulator", &["waygate-core", "waygate-wire", "waygate-obu", "waygate-gateway"]),
    ("waygate", &["waygate-gateway", "waygate-simulator", "waygate-wire"]),
    ("xtask", &[]),
];

/// What only these crates may name, in their code and in their tests.
const CONFINED: &[(&str, &[&str])] = &[
    ("sqlx", &["waygate-store"]),
    ("axum", &["waygate-gateway"]),
    ("figment", &["waygate-gateway"]),
    ("rust-embed", &["waygate-console"]),
];

/// What decides or translates can name neither IO nor chance.
const PURE: &[&str] = &["waygate-core", "waygate-wire"];
const IMPURE: &[&str] = &["tokio", "rand", "getrandom", "hyper", "axum", "sqlx", "reqwest", "socket2"];

/// Crate → what its manifest names, with the kind of each (`normal`, `build`, `dev`).
fn manifests() -> BTreeMap<String, Vec<(String, String)>> {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let words = ["metadata", "--format-version", "1", "--no-deps", "--offline"];
    let output = Command::new(cargo).args(words).current_dir(env!("CARGO_MANIFEST_DIR")).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let text = |value: &Value| value.as_str().unwrap_or("normal").to_owned();
    let packages = metadata["packages"].as_array().unwrap();
    packages
        .iter()
        .map(|package| {
            let named = package["dependencies"].as_array().unwrap();
            (text(&package["name"]), named.iter().map(|d| (text(&d["name"]), text(&d["kind"]))).collect())
        })
        .collect()
}

#[test]
fn every_crate_has_its_arrows_written_down() {
    let known: BTreeSet<_> = ALLOWED.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(manifests().into_keys().collect::<BTreeSet<_>>(), known);
}

#[test]
fn no_crate_names_another_against_the_arrows() {
    let manifests = manifests();
    let mut faults = Vec::new();
    for (name, allowed) in ALLOWED {
        for (named, kind) in &manifests[*name] {
            if manifests.contains_key(named) && !allowed.contains(&named.as_str()) {
                faults.push(format!("{name} → {named} ({kind})"));
            }
        }
    }
    assert!(faults.is_empty(), "these arrows are not allowed: {faults:#?}");
}

#[test]
fn what_is_confined_to_a_crate_is_named_by_no_other() {
    let manifests = manifests();
    for (confined, owners) in CONFINED {
        for (name, named) in &manifests {
            let names_it = named.iter().any(|(other, _)| other == confined);
            assert!(!names_it || owners.contains(&name.as_str()), "{name} names {confined}; only {owners:?} may");
        }
    }
}

#[test]
fn what_decides_cannot_name_io_or_chance() {
    let manifests = manifests();
    for pure in PURE {
        for (named, kind) in &manifests[*pure] {
            assert!(kind == "dev" || !IMPURE.contains(&named.as_str()), "{pure} names {named}");
        }
    }
}
