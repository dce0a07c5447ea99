//! Takes a network of the lab down, however its lab ends: a process of its own that waits for the end of its standard input.
//!
//! It has a process group of its own, so that Ctrl-C and a closed terminal do not reach it. What a sweeper that was killed
//! leaves behind is found by the next lab: the names of namespaces hold the process that made them.

use std::path::Path;
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result};

use super::place::ip;
use crate::program;

/// Of every namespace of every lab: followed by the process that made it.
const MARK: &str = "wglab-";

/// The word that makes this program a sweeper.
pub const WORD: &str = "lab-sweeper";

/// What a network of this process is called.
pub fn prefix(number: usize) -> String {
    format!("{MARK}{}-{number}", std::process::id())
}

/// Waits, then sweeps.
#[derive(Debug)]
pub struct Sweeper(Child);

impl Sweeper {
    pub fn start(prefix: &str) -> Result<Self> {
        // Not by its path: the build that a lab begins with may have put another file there.
        let mut command = Command::new("/proc/self/exe");
        command.args([WORD, prefix]).stdin(Stdio::piped()).stdout(Stdio::null());
        #[cfg(unix)]
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        Ok(Self(command.spawn().context("the lab's sweeper does not start")?))
    }
}

impl Drop for Sweeper {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        let _ = self.0.wait();
    }
}

/// What a sweeper does.
pub fn run(prefix: &str) -> Result<()> {
    // Nothing is ever written to it.
    let _ = std::io::copy(&mut std::io::stdin().lock(), &mut std::io::sink());
    sweep(&|namespace| namespace.starts_with(&format!("{prefix}-")))
}

/// Removes what labs left behind whose processes are gone.
pub fn leftovers() -> Result<()> {
    sweep(&|namespace| maker(namespace).is_some_and(|pid| !runs(pid)))
}

/// The process that made a namespace, if it is one of a lab.
fn maker(namespace: &str) -> Option<u32> {
    namespace.strip_prefix(MARK)?.split('-').next()?.parse().ok()
}

/// Whether it is still there and a lab.
pub fn runs(pid: u32) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|name| name.trim() == "xtask")
}

fn sweep(is_meant: &dyn Fn(&str) -> bool) -> Result<()> {
    let listed = program::output_of("ip", &["netns", "list"]).unwrap_or_default();
    for namespace in listed.lines().filter_map(|line| line.split_whitespace().next()).filter(|name| is_meant(name)) {
        let inside = program::output_of("ip", &["netns", "pids", namespace]).unwrap_or_default();
        for pid in inside.lines().filter(|pid| *pid != std::process::id().to_string() && is_child_of_a_lab(pid)) {
            let _ = program::command("kill", &["-KILL", pid], Path::new("/")).status();
        }
        ip(&["netns", "delete", namespace])?;
    }
    Ok(())
}

/// A lab's own threads are inside, too, while it looks at its gateways: they end with it.
fn is_child_of_a_lab(pid: &str) -> bool {
    !pid.parse().is_ok_and(runs)
}

#[cfg(test)]
#[path = "sweeper_tests.rs"]
mod tests;
