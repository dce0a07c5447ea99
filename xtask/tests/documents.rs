//! What the documents name is there: tests, files and links.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

const DOCUMENTS: &[&str] = &[
    "README.md",
    "ARCHITECTURE.md",
    "CONTRIBUTING.md",
    "CHANGELOG.md",
    "docs/lab.md",
    "docs/operators.md",
    "docs/presence.md",
    "docs/protocol.md",
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Every Rust file of the workspace.
fn sources() -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders: Vec<_> = ["crates", "simulator", "xtask"].map(|folder| root().join(folder)).into();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() && !path.ends_with("node_modules") {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(path);
            }
        }
    }
    found
}

/// What stands in backticks.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.lines().filter(|line| !line.starts_with("```")).flat_map(|line| line.split('`').skip(1).step_by(2))
}

#[test]
fn every_test_named_in_a_document_exists() {
    let all: String = sources().iter().map(|path| std::fs::read_to_string(path).unwrap()).collect();
    let functions: BTreeSet<_> =
        all.split("fn ").skip(1).filter_map(|rest| rest.split(['(', '<']).next()).map(str::trim).collect();
    for document in ["README.md", "ARCHITECTURE.md"] {
        let text = read(document);
        // Our tests are sentences: nothing else in backticks has so many words.
        let tests = quoted(&text).filter(|name| name.matches('_').count() >= 4 && !name.contains(['/', '.', ' ', ',']));
        for test in tests {
            assert!(functions.contains(test), "{document} names the test {test}, which is not there");
        }
    }
}

#[test]
fn every_file_named_in_the_architecture_exists() {
    let text = read("ARCHITECTURE.md");
    let named = quoted(&text).filter(|name| name.ends_with(".rs") || name.ends_with(".proto") || name.ends_with(".md"));
    let existing: Vec<String> = sources().iter().map(|path| path.to_string_lossy().replace("/src/", "/")).collect();
    for name in named {
        let wanted = format!("/{}", name.replace("/src/", "/"));
        let other = root().join(name).exists() || root().join("proto/waygate/v1").join(name).exists();
        assert!(other || existing.iter().any(|path| path.ends_with(&wanted)), "ARCHITECTURE.md names {name}");
    }
}

#[test]
fn every_link_to_a_file_leads_somewhere() {
    for document in DOCUMENTS {
        let folder = root().join(document).parent().unwrap().to_owned();
        let text = read(document);
        for rest in text.split("](").skip(1) {
            let target = rest.split([')', '#']).next().unwrap();
            let elsewhere = target.is_empty() || target.contains("://");
            assert!(elsewhere || folder.join(target).exists(), "{document} links to {target}, which is not there");
        }
    }
}
