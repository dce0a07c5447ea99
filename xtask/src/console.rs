//! The console's own checks: its types and unit tests, that the committed bundle is what its sources build to, and
//! its end-to-end tests in a real browser over a real demo.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::demo::Demo;
use crate::program::{run, run_counted};
use crate::report::Report;
use crate::tools::Tools;

/// Types, unit tests and the bundle.
pub fn check(root: &Path, tools: &Tools, report: &mut Report) -> Result<()> {
    let sources = sources(root, tools)?;
    run_counted(tools.command("npm", &["test"], &sources), report)?;
    let built = root.join("target/xtask/dist");
    let built_text = built.to_string_lossy().into_owned();
    let words = ["run", "build", "--", "--outDir", &built_text, "--emptyOutDir"];
    run(&mut tools.command("npm", &words, &sources))?;
    compare(&root.join("crates/console/dist"), &built)?;
    report.passed_check();
    Ok(())
}

/// The end-to-end tests over a demo of their own.
pub fn browse(root: &Path, tools: &Tools, report: &mut Report) -> Result<()> {
    let sources = sources(root, tools)?;
    let demo = Demo::start(root)?;
    let mut command = tools.command("npm", &["run", "e2e"], &sources);
    command.env("WAYGATE_URL", demo.url()).env("CHROMIUM", &tools.chromium);
    let pid = demo.neighbour_pid().context("the demo names no gateway to kill")?;
    command.env("WAYGATE_KILL_PID", pid.to_string());
    let Some(pid) = demo.expendable() else { bail!("the demo names no gateway for killing") };
    command.env("WAYGATE_KILL_PID", pid.to_string());
    let outcome = run_counted(command, report);
    drop(demo);
    outcome
}

/// The sources' folder with their packages installed as the lock file has them.
fn sources(root: &Path, tools: &Tools) -> Result<PathBuf> {
    let sources = root.join("crates/console/ui");
    let lock = std::fs::read(sources.join("package-lock.json")).context("the console's lock file cannot be read")?;
    let record = sources.join("node_modules/.installed-lock.json");
    if std::fs::read(&record).is_ok_and(|installed| installed == lock) {
        return Ok(sources);
    }
    let mut install = tools.command("npm", &["ci", "--no-audit", "--no-fund"], &sources);
    install.env("PLAYWRIGHT_SKIP_BROWSER_DOWNLOAD", "1");
    run(&mut install)?;
    std::fs::write(&record, lock).with_context(|| format!("cannot write {}", record.display()))?;
    Ok(sources)
}

/// Fails with the first files that differ.
fn compare(committed: &Path, built: &Path) -> Result<()> {
    let (before, now) = (files(committed)?, files(built)?);
    let mut differing: Vec<_> =
        before.keys().chain(now.keys()).filter(|name| before.get(*name) != now.get(*name)).cloned().collect();
    differing.sort();
    differing.dedup();
    if differing.is_empty() {
        return Ok(());
    }
    let named: Vec<_> = differing.iter().take(5).map(|name| name.display().to_string()).collect();
    bail!(
        "crates/console/dist is not what crates/console/ui builds to ({}); run `npm run build` there and commit the result",
        named.join(", ")
    );
}

/// Every file below a folder, by its path from there.
fn files(folder: &Path) -> Result<BTreeMap<PathBuf, Vec<u8>>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in std::fs::read_dir(&next).with_context(|| format!("cannot read {}", next.display()))? {
            let path = entry.with_context(|| format!("cannot read {}", next.display()))?.path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(folder).map_or_else(|_| path.clone(), PathBuf::from);
                found.insert(name, std::fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?);
            }
        }
    }
    Ok(found)
}
