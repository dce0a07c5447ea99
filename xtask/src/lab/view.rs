//! What one gateway shows of the whole: other gateways, every vehicle, and, where it tells them, the logs it holds.
//!
//! Ages differ between gateways and are left out; everything else must be the same at all of them once nothing happens any more.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use super::http;

/// What of a vehicle must be equal everywhere.
const FIELDS: &[&str] =
    &["state", "last_known", "cause", "region", "gateway", "epoch", "session", "cell", "wake", "cloned"];

/// What of a log must be equal everywhere.
const LOG_FIELDS: &[&str] = &["incarnation", "head", "live", "digest"];

/// Vehicles of one page: the most the API gives.
const PAGE: usize = 1000;

/// How long a page may take: it asks every other gateway for positions.
const PAGE_WITHIN: Duration = Duration::from_secs(10);

/// How a gateway sees another, or itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Neighbour {
    pub status: String,
    /// What the cluster thinks of it; empty where that is not told.
    pub standing: String,
    pub incarnation: u64,
    pub lag_entries: u64,
    pub online: u64,
    /// Known of it, in whatever state.
    pub vehicles: u64,
}

/// What a gateway counts and whom it hears.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Overview {
    pub neighbours: BTreeMap<String, Neighbour>,
    /// Vehicles by state.
    pub totals: BTreeMap<String, u64>,
}

impl Overview {
    pub fn ask(address: SocketAddr, within: Duration) -> Result<Self> {
        let answer = http::get(address, "/v1/regions", within)?;
        let mut overview = Self { totals: numbers(&answer["totals"]), ..Self::default() };
        let regions = answer["regions"].as_array().context("/v1/regions lists none")?;
        for gateway in regions.iter().flat_map(|region| region["gateways"].as_array()).flatten() {
            let counts = numbers(&gateway["vehicles"]);
            let neighbour = Neighbour {
                status: gateway["status"].as_str().unwrap_or_default().to_owned(),
                standing: gateway["standing"].as_str().unwrap_or_default().to_owned(),
                incarnation: number(&gateway["incarnation"]),
                lag_entries: number(&gateway["lag_entries"]),
                online: counts.get("online").copied().unwrap_or_default(),
                vehicles: counts.values().sum(),
            };
            overview.neighbours.insert(gateway["id"].as_str().unwrap_or_default().to_owned(), neighbour);
        }
        Ok(overview)
    }

    /// Vehicles in any state.
    pub fn vehicles(&self) -> u64 {
        self.totals.values().sum()
    }

    pub fn total(&self, state: &str) -> u64 {
        self.totals.get(state).copied().unwrap_or_default()
    }
}

/// A number, also one that is written as text.
fn number(value: &Value) -> u64 {
    value.as_u64().or_else(|| value.as_str()?.parse().ok()).unwrap_or_default()
}

fn numbers(value: &Value) -> BTreeMap<String, u64> {
    value.as_object().into_iter().flatten().map(|(key, value)| (key.clone(), number(value))).collect()
}

/// Everything a gateway shows that must be equal everywhere: by vehicle, and by the owner of each log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct View {
    pub vehicles: BTreeMap<String, BTreeMap<String, String>>,
    /// Empty where gateways do not tell of their logs.
    pub logs: BTreeMap<String, BTreeMap<String, String>>,
    /// Regions whose part is missing from the answer.
    pub missing: Vec<String>,
}

impl View {
    pub fn ask(address: SocketAddr) -> Result<Self> {
        let (mut view, mut cursor) = (Self::default(), String::new());
        loop {
            let page = http::get(address, &format!("/v1/vehicles?limit={PAGE}{cursor}"), PAGE_WITHIN)?;
            for vehicle in page["vehicles"].as_array().context("/v1/vehicles lists none")? {
                let id = vehicle["id"].as_str().context("a vehicle has no id")?;
                view.vehicles.insert(id.to_owned(), fields(vehicle, FIELDS));
            }
            let missing = page["view"]["missing_regions"].as_array().into_iter().flatten();
            view.missing.extend(missing.filter_map(Value::as_str).map(str::to_owned));
            match page["next"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => break,
            }
        }
        view.missing.sort();
        view.missing.dedup();
        view.logs = logs(address)?;
        Ok(view)
    }

    /// One number for all of it.
    pub fn hash(&self) -> u64 {
        let mut hash = Fnv::default();
        for (name, fields) in self.vehicles.iter().chain(&self.logs) {
            hash.add(name);
            fields.iter().for_each(|(key, value)| {
                hash.add(key);
                hash.add(value);
            });
        }
        hash.0
    }

    /// Where two differ first, for a person.
    pub fn difference(&self, other: &Self) -> Option<String> {
        first_difference("vehicle", &self.vehicles, &other.vehicles)
            .or_else(|| first_difference("the log of", &self.logs, &other.logs))
    }
}

fn first_difference(
    what: &str,
    one: &BTreeMap<String, BTreeMap<String, String>>,
    other: &BTreeMap<String, BTreeMap<String, String>>,
) -> Option<String> {
    let names = one.keys().chain(other.keys().filter(|name| !one.contains_key(*name)));
    let differing: Vec<_> = names.filter(|name| one.get(*name) != other.get(*name)).collect();
    let first = differing.first()?;
    let (here, there) = (one.get(*first), other.get(*first));
    Some(format!("{} differ, first {what} {first}: {here:?} against {there:?}", differing.len()))
}

fn fields(value: &Value, wanted: &[&str]) -> BTreeMap<String, String> {
    let present = wanted.iter().filter(|key| !value[**key].is_null());
    present.map(|key| ((*key).to_owned(), value[*key].to_string())).collect()
}

/// By owner, what a gateway tells of the logs it holds; nothing from one that does not tell.
pub fn logs(address: SocketAddr) -> Result<BTreeMap<String, BTreeMap<String, String>>> {
    let (status, body) = http::exchange(address, "GET", "/v1/gateways", "", http::WITHIN)?;
    if status == 404 {
        return Ok(BTreeMap::new());
    }
    if status != 200 {
        bail!("{address}/v1/gateways answers {status}");
    }
    let answer: Value = serde_json::from_slice(&body).context("/v1/gateways answers no JSON")?;
    let mut logs = BTreeMap::new();
    for log in answer["logs"].as_array().into_iter().flatten() {
        // One in which nothing was said is not sent.
        if number(&log["head"]) == 0 {
            continue;
        }
        let owner = log["owner"].as_str().context("a log has no owner")?;
        logs.insert(format!("{owner}/{}", log["incarnation"]), fields(log, LOG_FIELDS));
    }
    Ok(logs)
}

/// FNV-1a: equal for equal text, on every machine.
struct Fnv(u64);

impl Default for Fnv {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl Fnv {
    fn add(&mut self, text: &str) {
        for byte in text.bytes().chain([0]) {
            self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
}

#[cfg(test)]
#[path = "view_tests.rs"]
mod tests;
