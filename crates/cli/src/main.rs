//! `waygate`: the one binary. Parses the command line, runs one command, turns its outcome into an exit code.

mod api;
mod args;
mod commands;
mod demo;
mod events;
mod exit;
mod lines;
mod logs;
mod output;
mod table;
mod trust;
mod words;

use std::process::ExitCode;

use clap::Parser;

use crate::args::{Arguments, Command};
use crate::exit::{Exit, Failure};
use crate::output::Output;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let mut output = Output::to_stdout(arguments.command.wants_json());
    let outcome = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::internal(format!("the async runtime does not start: {error}")))
        .and_then(|runtime| runtime.block_on(run(arguments.command, &mut output)))
        // An answer that did not arrive whole is not one that was given.
        .and_then(|exit| output.flush().map(|()| exit).map_err(Failure::from));
    match outcome {
        Ok(exit) => exit.into(),
        Err(failure) => {
            if !failure.message.is_empty() {
                output.complain(&failure.message);
            }
            failure.exit.into()
        }
    }
}

async fn run(command: Command, output: &mut Output) -> Result<Exit, Failure> {
    match command {
        Command::Demo(args) => demo::run(args).await,
        Command::Gateway(args) => commands::gateway::run(args).await,
        Command::Vehicles(args) => commands::vehicles::run(args, output).await,
        Command::Vehicle(args) => commands::vehicle::run(args, output).await,
        Command::History(args) => commands::history::run(args, output).await,
        Command::Watch(args) => commands::watch::run(args, output).await,
        Command::Gateways(args) => commands::gateways::run(args, output).await,
        Command::Regions(args) => commands::regions::run(args, output).await,
        Command::Timeline(args) => commands::timeline::run(args, output).await,
        Command::Send(args) => commands::send::run(args, output).await,
        Command::One(args) => commands::command::run(args, output).await,
        Command::Commands(args) => commands::list::run(args, output).await,
        Command::Page(args) => commands::page::run(args, output).await,
        Command::Pki(args) => commands::pki::run(&args, output),
        Command::Admit(args) => commands::admit::admit(args, output).await,
        Command::Refuse(args) => commands::admit::refuse(args, output).await,
        Command::Snapshot(args) => commands::snapshot::run(args, output).await,
    }
}
