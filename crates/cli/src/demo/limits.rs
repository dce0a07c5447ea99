//! How many files this process and its children may open: each vehicle is a socket on both sides.

use anyhow::bail;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Files a process needs besides its vehicles' sockets.
const FILES_BESIDES: u64 = 200;

/// Raises the limit as far as this user may, for this process and those it starts, and refuses more vehicles
/// than that allows.
pub fn allow_sockets(vehicles: u32) -> anyhow::Result<()> {
    let wanted = u64::from(vehicles) + FILES_BESIDES;
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current.is_some_and(|now| now < wanted) {
        // If that fails, the check below says so.
        let _ = setrlimit(Resource::Nofile, Rlimit { current: maximum.or(Some(wanted)), maximum });
    }
    match getrlimit(Resource::Nofile).current {
        Some(now) if now < wanted => bail!(
            "{vehicles} vehicles need {wanted} open files and this process may open {now}.\n  \
             Drive at most {} vehicles, or raise the limit as root (ulimit -n {wanted})",
            now.saturating_sub(FILES_BESIDES)
        ),
        Some(_) | None => Ok(()),
    }
}
