//! `waygate-obu`: records as JSON lines on standard input, to a gateway, through a spool on disk.

mod input;
mod output;

use anyhow::Context;
use clap::{Parser, ValueEnum};
use input::Input;
use output::Output;
use rand::Rng;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use waygate_core::cause::DetachCause;
use waygate_core::id::{SpoolId, VehicleId};
use waygate_core::time::Millis;
use waygate_obu::machine::{Batching, GOODBYE_WAIT, State};
use waygate_obu::spool::{DiskSpoolConfig, SyncPolicy};
use waygate_obu::{Config, DiskSpool, Notice, Obu};
use waygate_wire::Codec;

/// An onboard unit: reads records from standard input, one JSON object a line, and sends them to a gateway. What is not
/// acked stays in the spool and is sent by the next run.
///
/// A line: {"t"?: ms since 1970, "lat", "lon", "alt"?: m, "speed"?: m/s, "heading"?: degrees, "hdop"?, "signals"?: {path:
/// value}}. Without "t" the record is from now.
///
/// Exit status: 0 all records are acked; 1 some remain in the spool; 2 wrong arguments; 3 all that could be sent is acked, but
/// lines were wrong, or records were refused or dropped.
#[derive(Debug, Parser)]
#[command(name = "waygate-obu", version)]
struct Args {
    /// A gateway's address, ws://host:port/v1/obu; several in order of preference.
    #[arg(long = "gateway", required = true, value_name = "URL")]
    gateways: Vec<String>,
    /// The vehicle's id: 1 to 64 characters out of A-Z a-z 0-9 . _ -
    #[arg(long, value_name = "ID")]
    vehicle: String,
    /// The folder of the spool; it is made if need be.
    #[arg(long, value_name = "DIR")]
    spool: PathBuf,
    /// Talk protobuf (the default).
    #[arg(long, conflicts_with = "json")]
    proto: bool,
    /// Talk JSON.
    #[arg(long)]
    json: bool,
    /// After the end of input, wait so many seconds for records to be acked.
    #[arg(long, value_name = "SECONDS", default_value_t = 30)]
    linger: u64,
    /// Gather live records for at most so long.
    #[arg(long, value_name = "MS", default_value_t = 1000)]
    batch_ms: u64,
    /// The most the spool may take on disk; beyond it the oldest records are given up.
    #[arg(long, value_name = "BYTES", default_value_t = DiskSpoolConfig::default().bytes_max)]
    spool_bytes: u64,
    /// Make each record safe on disk as soon as it comes, not within a second.
    #[arg(long)]
    sync_every_record: bool,
    /// Why the vehicle leaves at the end.
    #[arg(long, value_enum, default_value_t = Cause::Shutdown)]
    detach: Cause,
    /// Say nothing but errors.
    #[arg(long, short)]
    quiet: bool,
}

/// Causes of a goodbye.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Cause {
    IgnitionOff,
    Service,
    Shutdown,
}

impl From<Cause> for DetachCause {
    fn from(cause: Cause) -> Self {
        match cause {
            Cause::IgnitionOff => Self::IgnitionOff,
            Cause::Service => Self::Service,
            Cause::Shutdown => Self::Shutdown,
        }
    }
}

/// Lines that wait for the unit; a faster writer waits, too.
const LINES_MAX: usize = 64;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_env_filter(tracing_subscriber::EnvFilter::try_from_default_env().unwrap_or_else(|_| "warn".into()))
        .init();
    let args = Args::parse();
    let output = Arc::new(Output::new(args.quiet));
    match run(args, &output).await {
        Ok(code) => code,
        Err(error) => {
            output.error(&format!("{error:#}"));
            ExitCode::from(1)
        }
    }
}

async fn run(args: Args, output: &Arc<Output>) -> anyhow::Result<ExitCode> {
    let vehicle = VehicleId::new(&args.vehicle).with_context(|| format!("--vehicle {:?}", args.vehicle))?;
    let sync =
        if args.sync_every_record { SyncPolicy::EveryRecord } else { SyncPolicy::Within(Duration::from_secs(1)) };
    let limits = DiskSpoolConfig { bytes_max: args.spool_bytes, sync, ..DiskSpoolConfig::default() };
    let (spool, recovery) = DiskSpool::open(&args.spool, limits, SpoolId(rand::rng().random()))
        .with_context(|| format!("cannot open the spool {}", args.spool.display()))?;
    output.recovered(&recovery);

    let mut config = Config::new(vehicle, args.gateways);
    config.codec = if args.json { Codec::Json } else { Codec::Proto };
    config.boot_id = format!("{:016x}", rand::rng().random::<u64>());
    config.batching = Batching { delay: Millis(args.batch_ms), ..Batching::default() };
    let listener = Arc::clone(output);
    config.listener = Some(Arc::new(move |notice: &Notice| listener.notice(notice)));
    let obu = Obu::start(config, spool);

    let interrupted = feed(&obu, output).await?;
    let linger = if interrupted { GOODBYE_WAIT.as_secs_ceil() } else { args.linger };
    let mut status = obu.status();
    let all_acked = status.wait_for(|status| status.unsettled == 0);
    // Whether it came to that is seen from what remains.
    let _ = tokio::time::timeout(Duration::from_secs(linger), all_acked).await;
    obu.detach(args.detach.into()).await;
    let goodbye = Duration::from_secs(2 * GOODBYE_WAIT.as_secs_ceil());
    let _ = tokio::time::timeout(goodbye, obu.until(State::Stopped)).await;
    let last = status.borrow().clone();
    obu.shut_down().await;
    Ok(ExitCode::from(output.summary(&last, &args.spool)))
}

/// Gives the unit what comes in, until the end or an interrupt; says whether it was that.
async fn feed(obu: &Obu, output: &Output) -> anyhow::Result<bool> {
    let (send, mut lines) = mpsc::channel(LINES_MAX);
    // A thread of its own, because reading standard input cannot be given up half way; it ends with the process.
    std::thread::spawn(move || input::read(std::io::stdin().lock(), &mut |input| send.blocking_send(input).is_ok()));
    loop {
        let input = tokio::select! {
            input = lines.recv() => input,
            interrupt = tokio::signal::ctrl_c() => {
                interrupt.context("cannot wait for an interrupt")?;
                return Ok(true);
            }
        };
        match input {
            None => return Ok(false),
            Some(Input::Record(record)) => obu.record(record).await.context("cannot keep a record")?,
            Some(Input::Bad { line, what }) => output.bad_line(line, &what),
            Some(Input::Broken(error)) => return Err(error).context("cannot read standard input"),
        }
    }
}
