//! Packs the built console: every file of `dist` as gzip in `OUT_DIR`, which the crate embeds.

use flate2::{Compression, GzBuilder};
use std::path::{Path, PathBuf};
use std::{env, fs, io};

fn main() -> io::Result<()> {
    let dist = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default()).join("dist");
    let packed = PathBuf::from(env::var_os("OUT_DIR").unwrap_or_default()).join("packed");
    if packed.exists() {
        fs::remove_dir_all(&packed)?;
    }
    println!("cargo::rerun-if-changed={}", dist.display());
    pack(&dist, &packed)
}

fn pack(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            pack(&entry.path(), &target)?;
            continue;
        }
        let mut content = fs::File::open(entry.path())?;
        // No time and no name in the header: the same console packs to the same bytes.
        let mut gzip = GzBuilder::new().mtime(0).write(fs::File::create(target)?, Compression::best());
        io::copy(&mut content, &mut gzip)?;
        gzip.finish()?;
    }
    Ok(())
}
