//! The network between the places: one bridge, a cable to each, and what goes wrong on them.
//!
//! A cut is a packet that is not taken: what is under way waits and is sent again, as on a link that is down. Loss, too, is
//! nftables' (this must work where the kernel has no netem); bandwidth is a token bucket on both ends of a cable. Every packet that
//! is taken is counted by the place it came from.

use std::collections::BTreeMap;
use std::io::Write;
use std::net::Ipv4Addr;
use std::path::Path;
use std::process::Stdio;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use super::place::{Place, ip, quietly};
use super::sweeper::Sweeper;
use crate::program;

/// The places beside those of gateways.
pub const VEHICLES: &str = "car";
pub const OBSERVER: &str = "obs";
const HUB: &str = "hub";

/// What a token bucket lets through at once, and how long it holds back what is more.
const BURST: &str = "16kb";
const LATENCY: &str = "400ms";

/// A network of the lab; it ends with this value, or with the process.
#[derive(Debug)]
pub struct Network {
    hub: String,
    places: Vec<Place>,
    /// Ends what is left when it is dropped: last.
    _sweeper: Sweeper,
}

impl Network {
    /// Makes it, with a place for each of these gateways, one for vehicles and one for the observer.
    pub fn new(prefix: &str, gateways: &[&str]) -> Result<Self> {
        let sweeper = Sweeper::start(prefix)?;
        let hub = format!("{prefix}-{HUB}");
        let mut places = Vec::new();
        for (name, last) in gateways.iter().zip(1..).chain([(&VEHICLES, 101), (&OBSERVER, 102)]) {
            let (name, namespace) = ((*name).to_owned(), format!("{prefix}-{name}"));
            places.push(Place { name, namespace, address: Ipv4Addr::new(10, 77, 0, last) });
        }
        let network = Self { hub, places, _sweeper: sweeper };
        network.lay()?;
        for place in &network.places {
            network.guard(place)?;
        }
        Ok(network)
    }

    fn lay(&self) -> Result<()> {
        let hub = self.hub.as_str();
        ip(&["netns", "add", hub])?;
        ip(&["-n", hub, "link", "add", "wan", "type", "bridge"])?;
        ip(&["-n", hub, "link", "set", "wan", "up"])?;
        for Place { name, namespace, address } in &self.places {
            ip(&["netns", "add", namespace])?;
            // Both ends are born where they belong.
            ip(&["link", "add", "eth0", "netns", namespace, "type", "veth", "peer", "name", name, "netns", hub])?;
            ip(&["-n", hub, "link", "set", name, "master", "wan", "up"])?;
            ip(&["-n", namespace, "address", "add", &format!("{address}/24"), "dev", "eth0"])?;
            ip(&["-n", namespace, "link", "set", "eth0", "up"])?;
            ip(&["-n", namespace, "link", "set", "lo", "up"])?;
        }
        Ok(())
    }

    /// What of the packets that reach a place is taken, and how much that was.
    fn guard(&self, place: &Place) -> Result<()> {
        let others: Vec<&Place> = self.places.iter().filter(|other| *other != place).collect();
        let counters: String = others.iter().map(|other| format!("counter from_{} {{}}\n", other.name)).collect();
        let count: String = others
            .iter()
            .map(|other| format!("ip saddr {} counter name from_{}\n", other.address, other.name))
            .collect();
        self.nft(
            place,
            &format!(
                "table ip lab {{\n set cut {{ type ipv4_addr; }}\n set barred {{ type ipv4_addr; }}\n{counters} chain loss {{ }}\n chain taken {{\n\
                 type filter hook input priority 0; policy accept;\n ip saddr @cut drop\n\
                 ip saddr @barred meta l4proto tcp reject with tcp reset\n jump loss\n{count} }}\n}}\n"
            ),
        )
    }

    fn nft(&self, place: &Place, script: &str) -> Result<()> {
        let mut command = place.command(Path::new("nft"));
        command.args(["-f", "-"]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().context("nft does not start")?;
        if let Some(mut stdin) = child.stdin.take() {
            stdin.write_all(script.as_bytes()).context("nft does not take its script")?;
        }
        let output = child.wait_with_output().context("nft cannot be waited for")?;
        if !output.status.success() {
            bail!("nft refuses this at {}: {}\n{script}", place.name, String::from_utf8_lossy(&output.stderr));
        }
        Ok(())
    }

    pub fn place(&self, name: &str) -> Result<&Place> {
        let found = self.places.iter().find(|place| place.name == name);
        found.with_context(|| format!("the lab has no place {name}"))
    }

    /// Nothing of what `from` sends reaches `to`.
    pub fn cut_one_way(&self, from: &str, to: &str) -> Result<()> {
        let (from, to) = (self.place(from)?, self.place(to)?);
        self.nft(to, &format!("add element ip lab cut {{ {} }}\n", from.address))
    }

    /// Nobody of `these` and nobody of `those` hear each other.
    pub fn part(&self, these: &[&str], those: &[&str]) -> Result<()> {
        for one in these {
            for other in those {
                self.cut_one_way(one, other)?;
                self.cut_one_way(other, one)?;
            }
        }
        Ok(())
    }

    /// Who comes from a place is turned away at these at once, as where nobody listens.
    pub fn bar(&self, from: &str, these: &[&str]) -> Result<()> {
        let address = self.place(from)?.address;
        let bar = |to: &&str| self.nft(self.place(to)?, &format!("add element ip lab barred {{ {address} }}\n"));
        these.iter().try_for_each(bar)
    }

    /// These and those hear each other again.
    pub fn join(&self, these: &[&str], those: &[&str]) -> Result<()> {
        for one in these {
            for other in those {
                let (one, other) = (self.place(one)?, self.place(other)?);
                for (from, to) in [(one, other), (other, one)] {
                    self.nft(to, &format!("delete element ip lab cut {{ {} }}\n", from.address))?;
                }
            }
        }
        Ok(())
    }

    /// Every cut is over, and nobody is turned away.
    pub fn mend(&self) -> Result<()> {
        let whole = "flush set ip lab cut\nflush set ip lab barred\n";
        self.places.iter().try_for_each(|place| self.nft(place, whole))
    }

    /// So many in a hundred packets from and to a place are lost.
    pub fn lose(&self, name: &str, percent: u32) -> Result<()> {
        let lossy = self.place(name)?;
        let dice = format!("numgen random mod 100 < {percent} drop");
        for place in &self.places {
            let of = if place == lossy { String::new() } else { format!("ip saddr {} ", lossy.address) };
            self.nft(place, &format!("add rule ip lab loss {of}{dice}\n"))?;
        }
        Ok(())
    }

    /// No packet is lost any more.
    pub fn lose_nothing(&self) -> Result<()> {
        self.places.iter().try_for_each(|place| self.nft(place, "flush chain ip lab loss\n"))
    }

    /// A place's cable carries so much each way.
    pub fn slow(&self, name: &str, kbit: u32) -> Result<()> {
        let place = self.place(name)?;
        let rate = format!("{kbit}kbit");
        for (namespace, device) in [(&place.namespace, "eth0"), (&self.hub, place.name.as_str())] {
            let words = ["-n", namespace, "qdisc", "replace", "dev", device, "root", "tbf"];
            let bucket = ["rate", &rate, "burst", BURST, "latency", LATENCY];
            quietly(program::command("tc", &[&words[..], &bucket[..]].concat(), Path::new("/")))?;
        }
        Ok(())
    }

    /// A place's cable is as fast as the machine again.
    pub fn hurry(&self, name: &str) -> Result<()> {
        let place = self.place(name)?;
        for (namespace, device) in [(&place.namespace, "eth0"), (&self.hub, place.name.as_str())] {
            quietly(program::command("tc", &["-n", namespace, "qdisc", "del", "dev", device, "root"], Path::new("/")))?;
        }
        Ok(())
    }

    /// Bytes taken so far, by who sent and who took them.
    pub fn bytes(&self) -> Result<BTreeMap<(String, String), u64>> {
        let mut bytes = BTreeMap::new();
        for place in &self.places {
            let mut command = place.command(Path::new("nft"));
            let output = command.args(["-j", "list", "counters"]).output().context("nft does not start")?;
            let listed: Value = serde_json::from_slice(&output.stdout).context("nft lists no counters")?;
            for counter in listed["nftables"].as_array().into_iter().flatten().map(|item| &item["counter"]) {
                let from = counter["name"].as_str().and_then(|name| name.strip_prefix("from_"));
                if let (Some(from), Some(count)) = (from, counter["bytes"].as_u64()) {
                    bytes.insert((from.to_owned(), place.name.clone()), count);
                }
            }
        }
        Ok(bytes)
    }
}
