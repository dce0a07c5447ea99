//! `waygate gateway`: runs one gateway until it is told to end.

use std::error::Error;
use std::path::{Path, PathBuf};

use clap::Args;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::oneshot;
use waygate_gateway::{Config, Gateway, StartError};

use crate::exit::{Exit, Failure};
use crate::logs;

#[derive(Clone, Debug, Args)]
pub struct GatewayArgs {
    /// The configuration: a TOML file; environment variables such as WAYGATE_NODE__ID go over it.
    #[arg(long, value_name = "FILE")]
    pub config: PathBuf,
    /// End also when standard input ends: for a program that starts gateways and must not leave them behind.
    #[arg(long)]
    pub exit_with_stdin: bool,
}

pub async fn run(args: GatewayArgs) -> Result<Exit, Failure> {
    // Before anything is bound: a signal that comes early must not be lost.
    let mut ends = Ends::listen(args.exit_with_stdin)?;
    let mut hangups = catch(SignalKind::hangup())?;
    let config = Config::load(&args.config).map_err(|error| bad_config(&args.config, &error.to_string()))?;
    logs::start()?;
    let gateway = Gateway::bind(config).await.map_err(|error| not_started(&args.config, &error))?;
    let why = loop {
        tokio::select! {
            why = ends.next() => break why,
            life = gateway.outlived() => {
                gateway.shutdown().await;
                return Err(outlived(&life.0.to_string()));
            }
            _ = hangups.recv() => {
                tracing::info!("SIGHUP: certificates are looked at");
                gateway.reload();
            }
        }
    };
    // Without the program that started it nobody waits for a clean end.
    if why != STDIN {
        tracing::info!(why, "draining: vehicles are sent elsewhere; a second signal ends it at once");
        tokio::select! {
            () = gateway.drain() => {}
            why = ends.next() => tracing::info!(why, "no longer draining"),
        }
    }
    tracing::info!("stopping");
    gateway.shutdown().await;
    Ok(Exit::Ok)
}

/// Why a gateway ends with the program that started it.
const STDIN: &str = "standard input ended";

/// What ends a gateway.
struct Ends {
    term: Signal,
    interrupt: Signal,
    /// Resolves once standard input has ended; never if that is not asked for.
    stdin: oneshot::Receiver<()>,
    /// Held where standard input does not matter.
    _never: Option<oneshot::Sender<()>>,
}

fn catch(kind: SignalKind) -> Result<Signal, Failure> {
    signal(kind).map_err(|error| Failure::internal(format!("signals cannot be caught: {error}")))
}

impl Ends {
    fn listen(with_stdin: bool) -> Result<Self, Failure> {
        let (ended, stdin) = oneshot::channel();
        let never = if with_stdin {
            watch_stdin(ended)?;
            None
        } else {
            Some(ended)
        };
        Ok(Self {
            term: catch(SignalKind::terminate())?,
            interrupt: catch(SignalKind::interrupt())?,
            stdin,
            _never: never,
        })
    }

    /// Waits for the first of them.
    async fn next(&mut self) -> &'static str {
        // Each branch is cancel-safe; after the end of standard input there is no next.
        tokio::select! {
            _ = self.term.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
            _ = &mut self.stdin => STDIN,
        }
    }
}

/// Reads and forgets until there is no more; an error is an end as well. A thread of its own, which nobody waits for:
/// a read that never returns must not hold the process.
fn watch_stdin(ended: oneshot::Sender<()>) -> Result<(), Failure> {
    let read = move || {
        // Whether it was an end or an error, and whether anyone still listens, makes no difference.
        let _ = std::io::copy(&mut std::io::stdin().lock(), &mut std::io::sink());
        let _ = ended.send(());
    };
    let thread = std::thread::Builder::new().name("stdin".to_owned()).spawn(read);
    thread.map(drop).map_err(|error| Failure::internal(format!("standard input cannot be watched: {error}")))
}

/// A supervisor starts it again.
fn outlived(life: &str) -> Failure {
    Failure::internal(format!(
        "the other gateways know life {life} of this node, which its store does not: its data directory was lost or is an old \
         copy, and its clock is behind. That life is noted now: start it again, it begins a later one. Set its clock. If it ends so again, \
         another gateway has the same node.id"
    ))
}

fn not_started(path: &Path, error: &StartError) -> Failure {
    if let StartError::Config(error) = error {
        return bad_config(path, &error.to_string());
    }
    let mut message = error.to_string();
    let mut cause = error.source();
    while let Some(source) = cause {
        let text = source.to_string();
        if !message.contains(&text) {
            message = format!("{message}: {text}");
        }
        cause = source.source();
    }
    Failure::internal(format!("the gateway does not start: {message}"))
}

/// One message with file, line and key.
fn bad_config(path: &Path, message: &str) -> Failure {
    let file = path.display().to_string();
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let place = line_of(&text, message).map_or_else(|| file.clone(), |line| format!("{file}:{line}"));
    let message = if message.contains(&file) { message.trim_end().to_owned() } else { format!("{place}: {message}") };
    Failure::new(Exit::Config, format!("{message}\n  deploy/waygate.toml documents every key"))
}

/// The line of the key that a message of the form `[section] … key …` speaks of.
fn line_of(text: &str, message: &str) -> Option<usize> {
    let section = message.strip_prefix('[')?.split_once(']')?.0;
    let mut within = false;
    for (index, line) in text.lines().map(str::trim).enumerate() {
        if let Some(header) = line.strip_prefix('[') {
            within = header.split(']').next() == Some(section);
        } else if let (true, Some((key, _))) = (within, line.split_once('=')) {
            let key = key.trim();
            let stem =
                key.rsplit_once('_').filter(|(_, unit)| matches!(*unit, "s" | "ms")).map_or(key, |(stem, _)| stem);
            let mut words = message.split(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '_' | '-')));
            if !key.starts_with('#') && words.any(|word| word == key || word == stem) {
                return Some(index + 1);
            }
        }
    }
    None
}

#[cfg(test)]
#[path = "gateway_tests.rs"]
mod tests;
