//! The keys of a gateway: from the configuration, or made once and kept in the data directory.

use super::StartError;
use crate::config::{self, Config};
use std::path::Path;
use waygate_core::id::RegionId;
use waygate_core::token::KeyRing;

/// The file of the region's own token key, if the configuration has none.
const KEY_FILE: &str = "token.key";

/// The file of the key for wake-ups, if the configuration has none.
const WAKE_KEY_FILE: &str = "wake.key";

/// The keys of all regions; this region's own is made if the configuration has none.
pub fn keys(config: &Config, region: &RegionId, data_dir: &Path) -> Result<KeyRing, StartError> {
    let mut ring = KeyRing::default();
    let mut own = false;
    for (of, id, key) in config.token_keys()? {
        own |= of == *region;
        ring.add(of, id, key);
    }
    if !own {
        ring.insert(region.clone(), kept_key(&data_dir.join(KEY_FILE), "vehicles then attach anew")?);
    }
    Ok(ring)
}

/// Random bits.
pub fn random() -> Result<u64, getrandom::Error> {
    let mut bytes = [0; 8];
    getrandom::fill(&mut bytes)?;
    Ok(u64::from_le_bytes(bytes))
}

/// A key that is made once, and kept in a file.
fn kept_key(path: &Path, without: &str) -> Result<Vec<u8>, StartError> {
    use std::io::Write;
    use std::os::unix::fs::OpenOptionsExt;
    let fault = |source| StartError::DataDir { path: path.to_owned(), source };
    match std::fs::read_to_string(path) {
        Ok(text) => {
            let key = config::from_hex(text.trim()).filter(|key| key.len() == 32);
            let what =
                format!("is not 64 hexadecimal digits; restore it, or remove it to have a new one made ({without})");
            return key.ok_or_else(|| fault(std::io::Error::new(std::io::ErrorKind::InvalidData, what)));
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => return Err(fault(error)),
    }
    let mut key = vec![0; 32];
    getrandom::fill(&mut key).map_err(StartError::Random)?;
    let mut file =
        std::fs::OpenOptions::new().create(true).write(true).truncate(true).mode(0o600).open(path).map_err(fault)?;
    file.write_all(config::to_hex(&key).as_bytes()).and_then(|()| file.sync_all()).map_err(fault)?;
    Ok(key)
}

/// The key that wake-ups are authenticated by.
pub fn wake_key(config: &Config, data_dir: &Path) -> Result<Vec<u8>, StartError> {
    match config.wake_key()? {
        Some(key) => Ok(key),
        None => kept_key(&data_dir.join(WAKE_KEY_FILE), "wake-ups reach a vehicle again after its next attach"),
    }
}
