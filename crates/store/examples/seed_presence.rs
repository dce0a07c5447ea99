//! Writes the presence of vehicles that drove here once and said goodbye into a data directory, for a gateway that is then
//! started over it: as many entries as wanted, without as many attaches.
//!
//! `cargo run -p waygate-store --example seed_presence -- DATA_DIR COUNT [PREFIX]`

use std::io::Write as _;
use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use waygate_core::cause::DetachCause;
use waygate_core::epoch::Epoch;
use waygate_core::id::{SessionId, VehicleId};
use waygate_core::log::LiveState;
use waygate_core::time::{Millis, Wall};
use waygate_store::{OpenOptions, PresenceRecord, Store, Write};

/// Vehicles written in one commit.
const GROUP: u64 = 1000;

/// How long ago they said goodbye.
const AGO: Duration = Duration::from_secs(3600);

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let mut args = std::env::args().skip(1);
    let (Some(dir), Some(count)) = (args.next().map(PathBuf::from), args.next()) else {
        anyhow::bail!("give a data directory and how many vehicles");
    };
    let count: u64 = count.parse()?;
    let prefix = args.next().unwrap_or_else(|| "SEED".to_owned());
    let then = SystemTime::now().duration_since(UNIX_EPOCH)?.saturating_sub(AGO);
    let contact = Wall(i64::try_from(then.as_millis())?);
    std::fs::create_dir_all(&dir)?;
    let (mut writer, reader) = Store::open(&dir.join("waygate.db"), OpenOptions::default()).await?;
    for first in (0..count).step_by(GROUP as usize) {
        let group =
            (first..count.min(first + GROUP)).map(|number| record(&prefix, number, contact).map(Write::Presence));
        writer.commit(group.collect::<anyhow::Result<Vec<_>>>()?).await?;
    }
    reader.close().await;
    writer.close().await?;
    writeln!(std::io::stdout(), "{count} vehicles are in {}", dir.display())?;
    Ok(())
}

fn record(prefix: &str, number: u64, contact: Wall) -> anyhow::Result<PresenceRecord> {
    Ok(PresenceRecord {
        vehicle: VehicleId::new(&format!("{prefix}-{number:07}"))?,
        epoch: Epoch(1 + number),
        session: SessionId(1 + number),
        state: LiveState::Detached.number(),
        cause: DetachCause::IgnitionOff.number(),
        cell: None,
        contact,
        spool: None,
        sleep: Millis(0),
        wake: 0,
        flags: 0,
    })
}
