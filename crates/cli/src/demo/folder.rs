//! Where the gateways of a demo keep everything.

use std::path::{Path, PathBuf};

use anyhow::Context;

/// Where everything is kept: a folder of the user's, or a temporary one that goes with the demo.
pub enum Folder {
    Kept(PathBuf),
    Temporary(tempfile::TempDir),
}

impl Folder {
    /// Makes it, if need be.
    pub fn new(wanted: Option<&Path>) -> anyhow::Result<Self> {
        match wanted {
            Some(path) => {
                std::fs::create_dir_all(path).with_context(|| format!("cannot make the folder {}", path.display()))?;
                let path = path.canonicalize().with_context(|| format!("cannot find the folder {}", path.display()))?;
                Ok(Self::Kept(path))
            }
            None => {
                let made = tempfile::Builder::new().prefix("waygate-demo-").tempdir();
                Ok(Self::Temporary(made.context("cannot make a temporary folder")?))
            }
        }
    }

    /// Its path, absolute.
    pub fn path(&self) -> &Path {
        match self {
            Self::Kept(path) => path,
            Self::Temporary(folder) => folder.path(),
        }
    }
}
