//! `waygate-obu`: records as JSON lines on standard input, to a gateway, through a spool on disk.

mod exec;
mod input;
mod output;
mod wake;

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
use wake::Broker;
use waygate_core::cause::DetachCause;
use waygate_core::command::Command;
use waygate_core::id::{SpoolId, VehicleId};
use waygate_core::time::Millis;
use waygate_core::wake::WakeChannel;
use waygate_obu::machine::{Batching, GOODBYE_WAIT, State};
use waygate_obu::spool::{DiskSpoolConfig, SyncPolicy};
use waygate_obu::{Config, Credentials, DiskSpool, Notice, Obu, Source};
use waygate_wire::Codec;

/// An onboard unit: reads records from standard input, one JSON object a line, and sends them to a gateway. What is not
/// acked stays in the spool and is sent by the next run.
///
/// A line: {"t"?: ms since 1970, "lat", "lon", "alt"?: m, "speed"?: m/s, "heading"?: degrees, "hdop"?, "signals"?: {path:
/// value}}. Without "t" the record is from now.
///
/// Other lines: {"suspend": {"active_s"?, "sleep_s"?}} ends the connection for a sleep, {"attach": true} ends the sleep, and
/// {"command_status": {"id", "state", "percent"?, "code"?, "text"?, "result"?}} answers a command, {"wake_up": "WG1…"} is a short
/// message that came. Without --exec commands come out as JSON lines on standard output.
///
/// Exit status: 0 all records are acked; 1 some remain in the spool; 2 wrong arguments; 3 all that could be sent is acked, but
/// lines were wrong, or records were refused or dropped.
#[derive(Debug, Parser)]
#[command(name = "waygate-obu", version)]
struct Args {
    /// A gateway's address, wss://host:port/v1/obu or ws://…; several in order of preference.
    #[arg(long = "gateway", required = true, value_name = "URL")]
    gateways: Vec<String>,
    /// The vehicle's id: 1 to 64 characters out of A-Z a-z 0-9 . _ -
    #[arg(long, value_name = "ID")]
    vehicle: String,
    /// The folder of the spool; it is made if need be.
    #[arg(long, value_name = "DIR")]
    spool: PathBuf,
    /// The CAs whose gateways are believed (PEM); wanted for wss://.
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
    /// The vehicle's certificate (PEM), which shows a gateway who it is.
    #[arg(long, value_name = "FILE", requires = "key", requires = "ca")]
    cert: Option<PathBuf>,
    /// The key of that certificate (PEM).
    #[arg(long, value_name = "FILE", requires = "cert")]
    key: Option<PathBuf>,
    /// A file with a token (JWT), which shows a gateway who the vehicle is. It is read anew for each dial.
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
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
    /// Do commands with this program: the command's name is its argument, the arguments come as JSON on its standard input, and
    /// what it writes to standard output is the result. Exit code 0 means success.
    #[arg(long, value_name = "PROGRAM")]
    exec: Option<String>,
    /// Kill that program after so long.
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    exec_timeout: u64,
    /// Be woken by messages on this broker, mqtt://host:port.
    #[arg(long, value_name = "URL", requires = "wake_topic")]
    wake_mqtt: Option<String>,
    /// The topic of the wake-ups.
    #[arg(long, value_name = "TOPIC", requires = "wake_mqtt")]
    wake_topic: Option<String>,
    /// Be woken by short messages: whoever receives them gives the text of each as a line {"wake_up": "WG1…"}.
    #[arg(long)]
    wake_sms: bool,
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

    let broker = args.wake_mqtt.as_deref().zip(args.wake_topic.as_deref());
    let broker = broker.map(|(address, topic)| Broker::new(address, topic)).transpose()?;
    let mut config = Config::new(vehicle.clone(), args.gateways.clone());
    let sms = args.wake_sms.then_some(WakeChannel::Sms);
    config.wake = broker.iter().map(|_| WakeChannel::Mqtt).chain(sms).collect();
    config.takes_commands = true;
    config.credentials = credentials(&args)?;
    config.codec = if args.json { Codec::Json } else { Codec::Proto };
    config.boot_id = format!("{:016x}", rand::rng().random::<u64>());
    config.batching = Batching { delay: Millis(args.batch_ms), ..Batching::default() };
    let listener = Arc::clone(output);
    let (hand, mut commands) = mpsc::unbounded_channel();
    let printed = args.exec.is_none();
    config.listener = Some(Arc::new(move |notice: &Notice| {
        listener.notice(notice);
        if printed {
            listener.print_command(notice);
        } else if let Notice::CommandArrived(command) = notice {
            // The unit has at most COMMANDS_IN_HAND_MAX of them under way.
            let _ = hand.send(command.clone());
        }
    }));
    let obu = Obu::start(config, spool);
    let code = tokio::select! {
        code = serve(&obu, &args, output) => code?,
        () = do_commands(&obu, &args, &mut commands) => anyhow::bail!("the commands have ended"),
        () = hear_wake_ups(&obu, broker.as_ref(), &vehicle) => anyhow::bail!("the wake-ups have ended"),
    };
    obu.shut_down().await;
    Ok(code)
}

/// What is shown; what cannot be used is told at once.
fn credentials(args: &Args) -> anyhow::Result<Credentials> {
    let file = |path: &PathBuf| Source::File(path.clone());
    let credentials = Credentials {
        ca: args.ca.as_ref().map(file),
        certificate: args.cert.as_ref().zip(args.key.as_ref()).map(|(cert, key)| (file(cert), file(key))),
        token: args.token_file.as_ref().map(file),
    };
    credentials.check().map_err(|what| anyhow::anyhow!(what))?;
    Ok(credentials)
}

/// Runs until told otherwise.
async fn do_commands(obu: &Obu, args: &Args, commands: &mut mpsc::UnboundedReceiver<Command>) {
    if let Some(program) = &args.exec {
        exec::run(obu, program, Duration::from_secs(args.exec_timeout), commands).await;
    }
    std::future::pending().await
}

async fn hear_wake_ups(obu: &Obu, broker: Option<&Broker>, vehicle: &VehicleId) {
    if let Some(broker) = broker {
        wake::run(obu, broker, vehicle).await;
    }
    std::future::pending().await
}

/// From the first record to the goodbye.
async fn serve(obu: &Obu, args: &Args, output: &Output) -> anyhow::Result<ExitCode> {
    let interrupted = feed(obu, output).await?;
    let linger = if interrupted { GOODBYE_WAIT.as_secs_ceil() } else { args.linger };
    let mut status = obu.status();
    let all_acked = status.wait_for(|status| status.unsettled == 0);
    // Whether it came to that is seen from what remains.
    let _ = tokio::time::timeout(Duration::from_secs(linger), all_acked).await;
    obu.detach(args.detach.into()).await;
    let goodbye = Duration::from_secs(2 * GOODBYE_WAIT.as_secs_ceil());
    let _ = tokio::time::timeout(goodbye, obu.until(State::Stopped)).await;
    let last = status.borrow().clone();
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
            Some(Input::CommandStatus(status)) => {
                obu.command_status(status).await.context("cannot answer a command")?
            }
            Some(Input::Suspend { active, sleep }) => obu.suspend(active, sleep).await,
            Some(Input::Attach) => obu.attach().await,
            Some(Input::WakeUp(payload)) => obu.woken(payload.as_bytes()).await,
            Some(Input::Bad { line, what }) => output.bad_line(line, &what),
            Some(Input::Broken(error)) => return Err(error).context("cannot read standard input"),
        }
    }
}
