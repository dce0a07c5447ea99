//! What the gateways know of each other, put into a few words for the status line.

use waygate_wire::operator::{GatewayStatus, Regions, StateCounts};

/// What each gateway answers when asked for its regions; none if it does not answer.
#[derive(Debug, Default)]
pub struct Knowledge {
    /// By seat, west to east: its short name and its answer.
    pub answers: Vec<(&'static str, Option<Regions>)>,
}

impl Knowledge {
    /// Vehicles by state, as the first gateway that answers sees all regions.
    pub fn totals(&self) -> Option<StateCounts> {
        self.answers.iter().find_map(|(_, answer)| answer.as_ref()).map(|answer| answer.totals)
    }

    /// Who hears whom: `west↔centre ok · centre↔east ok`, and who is lost to whom and for how long.
    pub fn words(&self) -> String {
        let mut words = Vec::new();
        for (i, (name, answer)) in self.answers.iter().enumerate() {
            if answer.is_none() {
                words.push(self.absent(name));
            }
            for (other, _) in self.answers.iter().skip(i + 1) {
                words.extend(self.pair(name, other));
            }
        }
        words.join(" · ")
    }

    /// Whether all of them answer and hear each other.
    pub fn is_whole(&self) -> bool {
        let hears = |a, b| self.sees(a, b).is_some_and(|seen| seen.0 == GatewayStatus::Alive);
        let names = || self.answers.iter().map(|(name, _)| *name);
        !self.answers.is_empty() && names().all(|a| names().all(|b| a == b || hears(a, b)))
    }

    /// Whether no vehicle is shown as stale anywhere.
    pub fn is_fresh(&self) -> bool {
        self.answers.iter().all(|(_, answer)| answer.as_ref().is_some_and(|a| a.totals.stale == 0))
    }

    /// A gateway that does not answer, by what the others say of it.
    fn absent(&self, name: &str) -> String {
        let by_others = self.answers.iter().filter_map(|(other, _)| self.sees(other, name));
        let mut unheard_s: Option<f64> = None;
        let mut lost = false;
        for (status, ago_s) in by_others {
            lost |= status == GatewayStatus::Lost;
            unheard_s = match (unheard_s, ago_s) {
                (Some(a), Some(b)) => Some(a.max(b)),
                (a, b) => a.or(b),
            };
        }
        match (lost, unheard_s) {
            (true, Some(s)) => format!("{name} lost {s:.0} s"),
            (true, None) => format!("{name} lost"),
            (false, _) => format!("{name} does not answer"),
        }
    }

    /// Two gateways that answer; nothing about those that do not.
    fn pair(&self, a: &str, b: &str) -> Option<String> {
        let (ab, ba) = (self.sees(a, b)?, self.sees(b, a)?);
        let one_way = |from: &str, to: &str, seen: (GatewayStatus, Option<f64>)| {
            let ago = seen.1.map(|s| format!(" {s:.0} s")).unwrap_or_default();
            match seen.0 {
                GatewayStatus::Alive => None,
                GatewayStatus::Relayed => Some(format!("{from} hears {to} through others")),
                GatewayStatus::Lost => Some(format!("{from} lost {to}{ago}")),
                GatewayStatus::Unknown => Some(format!("{from} has not met {to}")),
            }
        };
        let faults: Vec<_> = [one_way(a, b, ab), one_way(b, a, ba)].into_iter().flatten().collect();
        Some(if faults.is_empty() { format!("{a}↔{b} ok") } else { faults.join(", ") })
    }

    /// What one gateway says of another, and how long ago it heard of it.
    fn sees(&self, observer: &str, observed: &str) -> Option<(GatewayStatus, Option<f64>)> {
        let (_, answer) = self.answers.iter().find(|(name, _)| *name == observer)?;
        let gateways = answer.as_ref()?.regions.iter().flat_map(|region| &region.gateways);
        // One that a gateway has no entry for is one it has never heard of.
        let found = gateways.into_iter().find(|gateway| gateway.id.strip_prefix("lux-") == Some(observed));
        Some(found.map_or((GatewayStatus::Unknown, None), |g| (g.status, g.stale_for_s.or(g.heard_ago_s))))
    }
}

#[cfg(test)]
#[path = "knowledge_tests.rs"]
pub mod tests;
