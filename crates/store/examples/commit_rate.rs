//! How fast batches become durable and what they take on disk, beside the leanest thing that could do it:
//! the same bytes appended to a file, with one fdatasync a commit.
//!
//! `cargo run --release -p waygate-store --example commit_rate [-- SECONDS [DIR [BATCHxGROUP]]]`

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use waygate_core::epoch::Epoch;
use waygate_core::id::{SpoolId, VehicleId};
use waygate_core::record::{Fix, Position};
use waygate_core::time::Wall;
use waygate_store::{Batch, Latest, OpenOptions, Store, Write};

/// Vehicles that take turns.
const VEHICLES: u64 = 10_000;

/// What a record takes in columns of many, and what a batch has beside its records: as the Luxembourg
/// trace with position, speed and heading.
const RECORD_BYTES: u64 = 7;
const BATCH_BYTES: u64 = 18;

struct Load {
    vehicles: Vec<VehicleId>,
    records: u64,
    group: u64,
    next: u64,
    noise: u64,
}

struct Measured {
    records: u64,
    wall: Duration,
    cpu: f64,
    commits: Vec<Duration>,
    disk_bytes: u64,
}

impl Load {
    fn new(records: u64, group: u64) -> anyhow::Result<Self> {
        let vehicles = (0..VEHICLES).map(|n| VehicleId::new(&format!("LUX-{n:05}"))).collect::<Result<_, _>>()?;
        Ok(Self { vehicles, records, group, next: 0, noise: 0x9e37_79b9_7f4a_7c15 })
    }

    fn commit(&mut self) -> Vec<Write> {
        (0..self.group).map(|_| Write::Batch(self.batch())).collect()
    }

    fn batch(&mut self) -> Batch {
        let (vehicle, round) = ((self.next % VEHICLES) as usize, self.next / VEHICLES);
        self.next += 1;
        let first_seq = round * self.records + 1;
        let last_seq = first_seq + self.records - 1;
        let at = |seq: u64| Wall(1_795_219_200_000 + seq as i64 * 1000);
        let position = Position { lat_e7: 496_100_000 + round as i32, lon_e7: 61_300_000 };
        let fix = Fix { position, alt_cm: None, speed_cms: Some(1390), heading_cdeg: Some(35_400), hdop_centi: None };
        let bytes = BATCH_BYTES + RECORD_BYTES * self.records;
        Batch {
            vehicle: self.vehicles[vehicle].clone(),
            epoch: Epoch(1),
            spool: SpoolId(0x70bd_2f11_93a4_5c0e ^ vehicle as u64),
            first_seq,
            last_seq,
            settled: [(first_seq, last_seq)].into_iter().collect(),
            received: Wall(at(last_seq).0 + 180),
            t_min: at(first_seq),
            t_max: at(last_seq),
            count: self.records as u32,
            columns: (0..bytes).map(|_| self.random()).collect(),
            latest: Some(Latest { t: at(last_seq), fix }),
            latest_signals: Vec::new(),
        }
    }

    /// Bytes that nothing could compress.
    fn random(&mut self) -> u8 {
        self.noise ^= self.noise << 13;
        self.noise ^= self.noise >> 7;
        self.noise ^= self.noise << 17;
        self.noise as u8
    }
}

async fn store(dir: &Path, mut load: Load, time: Duration) -> anyhow::Result<Measured> {
    let path = dir.join("store.db");
    let (mut writer, reader) = Store::open(&path, OpenOptions::default()).await?;
    let mut measured = Measured { records: 0, wall: Duration::ZERO, cpu: 0.0, commits: Vec::new(), disk_bytes: 0 };
    while measured.wall < time {
        let writes = load.commit();
        let (began, cpu) = (Instant::now(), cpu_seconds()?);
        writer.commit(writes).await?;
        let took = began.elapsed();
        measured.cpu += cpu_seconds()? - cpu;
        measured.wall += took;
        measured.commits.push(took);
        measured.records += load.group * load.records;
    }
    reader.close().await;
    writer.close().await?;
    measured.disk_bytes = path.metadata()?.len();
    Ok(measured)
}

fn append(dir: &Path, mut load: Load, time: Duration) -> anyhow::Result<Measured> {
    let path = dir.join("append");
    let mut file = File::create(&path)?;
    let mut measured = Measured { records: 0, wall: Duration::ZERO, cpu: 0.0, commits: Vec::new(), disk_bytes: 0 };
    while measured.wall < time {
        let mut body = Vec::new();
        for _ in 0..load.group {
            body.extend(load.batch().columns);
        }
        let (began, cpu) = (Instant::now(), cpu_seconds()?);
        file.write_all(&body)?;
        file.sync_data()?;
        let took = began.elapsed();
        measured.cpu += cpu_seconds()? - cpu;
        measured.wall += took;
        measured.commits.push(took);
        measured.records += load.group * load.records;
    }
    measured.disk_bytes = path.metadata()?.len();
    Ok(measured)
}

/// CPU seconds of this process, its threads included.
fn cpu_seconds() -> anyhow::Result<f64> {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Ok(time.tv_sec as f64 + time.tv_nsec as f64 / 1e9)
}

fn line(name: &str, records: u64, group: u64, m: &mut Measured) -> String {
    m.commits.sort_unstable();
    let at = |part: f64| m.commits[((m.commits.len() - 1) as f64 * part) as usize].as_secs_f64() * 1e3;
    let (rate, million) = (m.records as f64 / m.wall.as_secs_f64(), m.records as f64 / 1e6);
    format!(
        "{name:>7} {records:>4} {group:>6} {rate:>11.0} {:>9.2} {:>9.2} {:>8.2} {:>8.2} {:>8.2}",
        m.cpu / million,
        m.disk_bytes as f64 / m.records as f64,
        at(0.5),
        at(0.99),
        at(1.0),
    )
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let mut args = std::env::args().skip(1);
    let time = Duration::from_secs(args.next().map_or(Ok(5), |seconds| seconds.parse())?);
    let parent = args.next().map_or_else(std::env::temp_dir, PathBuf::from);
    let only = args.next();
    let mut out = std::io::stdout();
    writeln!(out, "{VEHICLES} vehicles in turn; batch: records each; group: batches a commit")?;
    writeln!(out, "        batch  group   records/s  CPU s/M   B/rec    p50 ms   p99 ms   max ms")?;
    for (records, group) in [(1, 1), (1, 200), (1, 2000), (30, 1), (30, 200), (30, 1000)] {
        if only.as_ref().is_some_and(|only| *only != format!("{records}x{group}")) {
            continue;
        }
        let dir = tempfile::tempdir_in(&parent)?;
        let mut lean = append(dir.path(), Load::new(records, group)?, time)?;
        let mut ours = store(dir.path(), Load::new(records, group)?, time).await?;
        writeln!(out, "{}", line("append", records, group, &mut lean))?;
        writeln!(out, "{}", line("store", records, group, &mut ours))?;
        let rate = |m: &Measured| m.records as f64 / m.wall.as_secs_f64();
        let bytes = |m: &Measured| m.disk_bytes as f64 / m.records as f64;
        writeln!(out, "  ratio: rate {:.2}, bytes {:.2}", rate(&ours) / rate(&lean), bytes(&ours) / bytes(&lean))?;
    }
    Ok(())
}
