//! What every committed file keeps to: a size that one can read, no word that ties the repository to a machine or to
//! a place that packages come from.

#![allow(clippy::unwrap_used)]

use std::path::{Path, PathBuf};
use std::process::Command;

/// Lines of a source file.
const LINES_MAX: usize = 600;

/// Lines of ARCHITECTURE.md.
const ARCHITECTURE_LINES_MAX: usize = 300;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// Files that git knows, or would.
fn files() -> Option<Vec<PathBuf>> {
    let words = ["ls-files", "-z", "--cached", "--others", "--exclude-standard"];
    let output = Command::new("git").args(words).current_dir(root()).output().ok().filter(|o| o.status.success())?;
    let names = String::from_utf8(output.stdout).unwrap();
    Some(
        names
            .split('\0')
            .filter(|name| !name.is_empty())
            .map(PathBuf::from)
            .filter(|p| root().join(p).is_file())
            .collect(),
    )
}

/// A text file's content; `None` for pictures, traces and the like.
fn text(path: &Path) -> Option<String> {
    String::from_utf8(std::fs::read(root().join(path)).unwrap()).ok()
}

fn has_extension(path: &Path, wanted: &[&str]) -> bool {
    path.extension().and_then(|e| e.to_str()).is_some_and(|extension| wanted.contains(&extension))
}

fn is_generated(path: &Path) -> bool {
    path.starts_with("crates/console/dist") || has_extension(path, &["lock"]) || path.ends_with("package-lock.json")
}

#[test]
fn no_source_file_is_longer_than_one_can_read() {
    let Some(files) = files() else { return skipped() };
    let sources = files.iter().filter(|path| has_extension(path, &["rs", "ts", "mjs", "py", "proto"]));
    let long: Vec<_> = sources
        .filter(|path| !is_generated(path))
        .filter_map(|path| text(path).map(|text| (path, text.lines().count())))
        .filter(|(_, lines)| *lines > LINES_MAX)
        .collect();
    assert!(long.is_empty(), "over {LINES_MAX} lines: {long:?}");
}

#[test]
fn the_architecture_fits_its_ceiling() {
    let lines = text(Path::new("ARCHITECTURE.md")).unwrap().lines().count();
    assert!(lines <= ARCHITECTURE_LINES_MAX, "{lines} lines, at most {ARCHITECTURE_LINES_MAX}");
}

#[test]
fn no_file_names_a_package_registry_or_a_machine() {
    let Some(files) = files() else { return skipped() };
    // Put together here, so that this file does not hold them.
    let hosts =
        ["static.crates.io", "index.crates.io", "registry.npmjs.org", "pypi.org", "deb.debian.org", "pythonhosted.org"];
    let folders =
        [["/wo", "rk/"].concat(), ["/ro", "ot/"].concat(), ["/tmp/", "bash_jobs"].concat(), ["/ho", "me/"].concat()];
    let mut faults = Vec::new();
    for path in files.iter().filter(|path| !is_generated(path) && !path.ends_with("files.rs")) {
        let Some(text) = text(path) else { continue };
        for (number, line) in text.lines().enumerate() {
            let found =
                hosts.iter().copied().chain(folders.iter().map(String::as_str)).find(|word| line.contains(word));
            faults.extend(found.map(|word| format!("{}:{}: {word}", path.display(), number + 1)));
        }
    }
    assert!(faults.is_empty(), "{faults:#?}");
}

fn skipped() {
    // Standard error reaches the log even of a test that passes.
    use std::io::Write;
    let _ = writeln!(std::io::stderr(), "SKIPPED: this is no git checkout, or git is not installed");
}
