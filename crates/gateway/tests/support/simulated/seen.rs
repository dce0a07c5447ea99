//! What one gateway knows of the others, as plain values to compare.

use std::collections::{BTreeMap, BTreeSet};
use waygate_core::membership::Standing;
use waygate_core::view::Liveness;
use waygate_gateway::presence::State;

/// What a gateway knows at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// Of each log it holds, by owner and life: up to where, and the digest.
    pub logs: BTreeMap<(String, u64), (u64, u64)>,
    /// Who is heard, and in which life; itself not.
    pub heard: BTreeMap<String, u64>,
    /// With whom a stream stands.
    pub streams: BTreeSet<String>,
    /// What the cluster thinks of whom, as this one was told.
    pub standings: BTreeMap<String, Standing>,
    /// Whose each vehicle is, and how it is shown.
    pub vehicles: BTreeMap<String, (String, String)>,
}

impl Seen {
    pub fn of(state: &State) -> Self {
        let view = state.node.view();
        let mut seen = Self::default();
        for log in view.logs() {
            let id = (log.id().owner.as_str().to_owned(), log.id().incarnation.0);
            seen.logs.insert(id, (log.head(), log.digest()));
        }
        for node in view.nodes() {
            let name = node.info.id.as_str().to_owned();
            if matches!(node.liveness, Liveness::Alive { .. }) {
                seen.heard.insert(name.clone(), node.info.incarnation.0);
            }
            if state.node.link_to(&node.info.id).is_some() {
                seen.streams.insert(name.clone());
            }
            if let Some(standing) = node.standing {
                seen.standings.insert(name, standing);
            }
        }
        state.scan(None, usize::MAX, |sight| {
            let shown = match sight.stale {
                Some(why) => format!("{why:?}"),
                None => format!("{:?}", sight.known),
            };
            seen.vehicles.insert(sight.vehicle.as_str().to_owned(), (sight.owner.as_str().to_owned(), shown));
        });
        seen
    }

    /// How the vehicles of a gateway are shown.
    pub fn vehicles_of(&self, owner: &str) -> BTreeSet<&str> {
        self.vehicles.values().filter(|(of, _)| of == owner).map(|(_, shown)| shown.as_str()).collect()
    }

    /// What is new since then, a line each. Without digests: they contain session ids, which the system draws.
    pub fn news(&self, before: &Self) -> Vec<String> {
        let mut lines = Vec::new();
        for (id, (head, _)) in &self.logs {
            if before.logs.get(id).map(|(head, _)| head) != Some(head) {
                lines.push(format!("log {}/{} up to {head}", id.0, id.1));
            }
        }
        if self.heard != before.heard {
            lines.push(format!("hears {:?}", self.heard));
        }
        if self.streams != before.streams {
            lines.push(format!("streams {:?}", self.streams));
        }
        if self.standings != before.standings {
            lines.push(format!("members {:?}", self.standings));
        }
        if self.vehicles != before.vehicles {
            lines.push(format!("vehicles {:?}", self.vehicles));
        }
        lines
    }
}
