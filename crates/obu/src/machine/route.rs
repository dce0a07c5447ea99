//! Which gateway is dialled next, and after what wait.
//!
//! The owner's list first, then neighbours that gateways named. Each failure goes to the next; each pass through the
//! list waits longer, with full jitter, so that the vehicles of a lost gateway do not come all at once.

use waygate_core::message::GatewayAddress;
use waygate_core::time::Millis;

/// The longest wait of each pass; it is uniform from zero.
const PASS_WAITS: [Millis; 5] = [Millis::secs(1), Millis::secs(3), Millis::secs(8), Millis::secs(23), Millis::secs(64)];

/// The wait after the last pass, and its spread to both sides.
const LONG_WAIT: Millis = Millis::secs(12 * 60);
/// The same with the ignition on.
const LONG_WAIT_DRIVING: Millis = Millis::secs(2 * 60);
const LONG_WAIT_SPREAD_PERCENT: u64 = 20;

/// The wait where a gateway asks for one without saying how long.
const BACKOFF_MIN: Millis = Millis::secs(1);
/// A gateway cannot ask for a longer one.
const BACKOFF_MAX: Millis = Millis::secs(30 * 60);

/// Addresses that are tried. More are not needed to find one that lives.
const GATEWAYS_MAX: usize = 16;
/// Longest address, bytes.
const ADDRESS_BYTES_MAX: usize = 512;

/// Where to go after a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// The same gateway.
    Same,
    /// The next one.
    Other,
    /// The same one, after a wait from this to twice this.
    After(Millis),
    /// The next one, after at least a wait from this to twice this.
    OtherAfter(Millis),
    /// The same one, after a long wait.
    Long,
    /// The same one, in half a day.
    Stop,
}

/// The gateways a unit knows.
#[derive(Clone, Debug)]
pub(super) struct Route {
    own: Vec<String>,
    learnt: Vec<String>,
    current: String,
    failures: usize,
    ignition_on: bool,
}

impl Route {
    pub(super) fn new(gateways: Vec<String>, ignition_on: bool) -> Self {
        let mut route = Self { own: Vec::new(), learnt: Vec::new(), current: String::new(), failures: 0, ignition_on };
        if route.prefer(gateways) {
            route.go_to_preferred();
        }
        route
    }

    /// The gateway in question.
    pub(super) fn current(&self) -> &str {
        &self.current
    }

    pub(super) fn set_ignition(&mut self, on: bool) {
        self.ignition_on = on;
    }

    /// Replaces the owner's list; an empty one changes nothing, and says so.
    pub(super) fn prefer(&mut self, mut gateways: Vec<String>) -> bool {
        gateways.truncate(GATEWAYS_MAX);
        if gateways.is_empty() {
            return false;
        }
        self.own = gateways;
        self.failures = 0;
        true
    }

    /// Goes to the first of the owner's list.
    pub(super) fn go_to_preferred(&mut self) {
        if let Some(first) = self.own.first() {
            self.current.clone_from(first);
        }
    }

    /// Goes to a gateway that was dialled beside the present one.
    pub(super) fn go_to(&mut self, gateway: String) {
        self.current = gateway;
    }

    /// The owner's gateways that come before the current one.
    pub(super) fn preferred(&self) -> Vec<String> {
        self.own.iter().take_while(|gateway| **gateway != self.current).cloned().collect()
    }

    /// All gateways that are known, but for the current one.
    pub(super) fn others(&self) -> Vec<String> {
        let mut list = self.list();
        list.retain(|gateway| *gateway != self.current);
        list
    }

    /// Neighbours that the present gateway named; they replace those named before.
    pub(super) fn learn(&mut self, gateways: &[GatewayAddress]) {
        if !gateways.is_empty() {
            self.learnt = usable(gateways);
        }
    }

    /// Gateways to try before the neighbours known so far.
    pub(super) fn learn_first(&mut self, gateways: &[GatewayAddress]) {
        let mut first = usable(gateways);
        self.learnt.retain(|known| !first.contains(known));
        first.append(&mut self.learnt);
        first.truncate(GATEWAYS_MAX);
        self.learnt = first;
    }

    /// A session stands.
    pub(super) fn succeed(&mut self) {
        self.failures = 0;
    }

    /// Chooses the next gateway, and how long to wait before it is dialled; true if that is a long wait.
    pub(super) fn after_failure(&mut self, next: Next, random: u64) -> (Millis, bool) {
        let list = self.list();
        match next {
            Next::Same | Next::Other => {
                let pass = self.failures / list.len().max(1);
                self.failures += 1;
                if next == Next::Other {
                    let at = list.iter().position(|gateway| *gateway == self.current).map_or(0, |at| at + 1);
                    self.current = list[at % list.len()].clone();
                }
                match pass_wait(pass, random) {
                    Some(wait) => (wait, false),
                    None => self.long_wait(random),
                }
            }
            Next::After(backoff) => (asked_wait(backoff, random), false),
            Next::OtherAfter(backoff) => {
                let (wait, long) = self.after_failure(Next::Other, random);
                (wait.max(asked_wait(backoff, random)), long)
            }
            Next::Long => self.long_wait(random),
            Next::Stop => (uniform(super::STOP_WAIT, Millis(super::STOP_WAIT.0 * 5 / 4), random), true),
        }
    }

    fn long_wait(&mut self, random: u64) -> (Millis, bool) {
        self.failures = 0;
        let wait = if self.ignition_on { LONG_WAIT_DRIVING } else { LONG_WAIT };
        let spread = wait.0 * LONG_WAIT_SPREAD_PERCENT / 100;
        (uniform(Millis(wait.0 - spread), Millis(wait.0 + spread), random), true)
    }

    /// The owner's gateways, then the neighbours. Never empty while there is a current one.
    fn list(&self) -> Vec<String> {
        let mut list = self.own.clone();
        for gateway in &self.learnt {
            if !list.contains(gateway) && list.len() < GATEWAYS_MAX {
                list.push(gateway.clone());
            }
        }
        if list.is_empty() {
            list.push(self.current.clone());
        }
        list
    }
}

/// The wait of a pass through a list, with jitter; none after the last pass.
pub(super) fn pass_wait(pass: usize, random: u64) -> Option<Millis> {
    PASS_WAITS.get(pass).map(|most| uniform(Millis(0), *most, random))
}

/// The wait where a gateway asks for one: from that to twice that, within reason.
pub(super) fn asked_wait(backoff: Millis, random: u64) -> Millis {
    let backoff = backoff.clamp(BACKOFF_MIN, BACKOFF_MAX);
    uniform(backoff, Millis(backoff.0 * 2), random)
}

pub(super) fn usable(gateways: &[GatewayAddress]) -> Vec<String> {
    let urls = gateways.iter().map(|gateway| gateway.url.clone());
    urls.filter(|url| !url.is_empty() && url.len() <= ADDRESS_BYTES_MAX).take(GATEWAYS_MAX).collect()
}

/// A span from `least` to `most`, by 64 random bits.
fn uniform(least: Millis, most: Millis, random: u64) -> Millis {
    let width = u128::from(most.0.saturating_sub(least.0)) + 1;
    // The upper 64 bits of a product of 64 and at most 64 bits.
    Millis(least.0 + ((u128::from(random) * width) >> 64) as u64)
}

#[cfg(test)]
#[path = "route_tests.rs"]
mod tests;
