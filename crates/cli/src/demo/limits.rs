//! How many files this process and its children may open: each vehicle is a socket on both sides.

use anyhow::bail;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Files a process needs besides its vehicles' sockets.
const FILES_BESIDES: u64 = 200;

/// Raises the limit as far as this user may, for this process and those it starts, and refuses more vehicles
/// than that allows.
pub fn allow_sockets(vehicles: u32) -> anyhow::Result<()> {
    let wanted = u64::from(vehicles) + FILES_BESIDES;
    let limit = getrlimit(Resource::Nofile);
    let hard = limit.maximum.unwrap_or(u64::MAX);
    if limit.current.is_some_and(|now| now < wanted) && wanted <= hard {
        // If that fails, the check below says so.
        let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum.or(Some(wanted)), maximum: limit.maximum });
    }
    match getrlimit(Resource::Nofile).current {
        Some(now) if now < wanted => bail!(
            "{vehicles} vehicles need {wanted} open files and this process may open {now}.\n  \
             Drive at most {} vehicles, or raise the limit (ulimit -Hn, or LimitNOFILE=)",
            now.saturating_sub(FILES_BESIDES)
        ),
        Some(_) | None => Ok(()),
    }
}
