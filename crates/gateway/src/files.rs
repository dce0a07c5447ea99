//! Small files that are kept whole: written beside the old one, synced, and put in its place.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;

/// Replaces a file, whole or not at all. Returns it, open at its end.
pub fn replace(path: &Path, text: &str) -> io::Result<File> {
    let beside = path.with_extension("new");
    let mut file = File::create(&beside)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    std::fs::rename(&beside, path)?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    File::open(folder.unwrap_or(Path::new(".")))?.sync_all()?;
    Ok(file)
}

#[cfg(test)]
#[path = "files_tests.rs"]
mod tests;
