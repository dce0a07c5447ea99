//! Where a gateway's own log goes: text on a terminal, JSON lines elsewhere, both on standard error.

use std::io::{self, IsTerminal};

use tracing_subscriber::EnvFilter;
use tracing_subscriber::util::SubscriberInitExt;

use crate::exit::{Exit, Failure};

/// What is logged unless `WAYGATE_LOG` says otherwise.
const DEFAULT_FILTER: &str = "info";

/// Starts logging for the whole process.
pub fn start() -> Result<(), Failure> {
    let filter = match std::env::var("WAYGATE_LOG") {
        Ok(text) if !text.is_empty() => EnvFilter::try_new(&text).map_err(|error| {
            let form = "give it as info, or waygate_gateway=debug,info";
            Failure::new(Exit::Config, format!("WAYGATE_LOG={text}: {error}; {form}"))
        })?,
        Ok(_) | Err(_) => EnvFilter::new(DEFAULT_FILTER),
    };
    let terminal = io::stderr().is_terminal();
    let builder =
        tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr).with_ansi(terminal && coloured());
    let started =
        if terminal { builder.finish().try_init() } else { builder.json().flatten_event(true).finish().try_init() };
    started.map_err(|error| Failure::internal(format!("the log does not start: {error}")))
}

fn coloured() -> bool {
    std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}
