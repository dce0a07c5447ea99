//! A network namespace of the lab: the machine that one gateway, the vehicles or the observer has for itself.
//!
//! Nothing of the lab lies in the network of the machine it runs on: also the bridge has a namespace of its own.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::program;

/// Where `ip netns` keeps them.
const NAMESPACES: &str = "/run/netns";

/// Where vehicles, peers and operators find a gateway, in every gateway's own namespace.
pub const VEHICLES_PORT: u16 = 7701;
pub const OPERATORS_PORT: u16 = 7801;

/// One machine of the lab.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// As scenarios call it.
    pub name: String,
    /// As the system calls it.
    pub namespace: String,
    pub address: Ipv4Addr,
}

impl Place {
    pub fn socket(&self, port: u16) -> SocketAddr {
        SocketAddr::new(IpAddr::V4(self.address), port)
    }

    /// A program that runs there; it is the child itself, not a child of `ip`.
    pub fn command(&self, program: &Path) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.namespace]).arg(program);
        command
    }

    /// Moves this thread there, and every thread it spawns from then on.
    #[cfg(target_os = "linux")]
    pub fn enter(&self) -> Result<()> {
        use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
        use std::os::fd::AsFd;
        let path = Path::new(NAMESPACES).join(&self.namespace);
        let file = std::fs::File::open(&path).with_context(|| format!("cannot open {}", path.display()))?;
        move_into_link_name_space(file.as_fd(), Some(LinkNameSpaceType::Network))
            .with_context(|| format!("cannot enter {}", self.namespace))
    }

    #[cfg(not(target_os = "linux"))]
    pub fn enter(&self) -> Result<()> {
        bail!("network namespaces are Linux's")
    }
}

/// Runs `ip` with these words.
pub fn ip(words: &[&str]) -> Result<()> {
    quietly(program::command("ip", words, Path::new("/")))
}

/// Runs to the end; what it says is shown only if it fails.
pub fn quietly(mut command: Command) -> Result<()> {
    let words: Vec<_> = std::iter::once(command.get_program()).chain(command.get_args()).collect();
    let line = words.iter().map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ");
    let output = command.output().with_context(|| format!("`{line}` does not start"))?;
    if !output.status.success() {
        bail!("`{line}` failed with {}: {}", output.status, String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(())
}
