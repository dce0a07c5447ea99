//! `waygate command ID`: where a command stands and how it came there; follows it, or cancels it.

use clap::Args;
use serde_json::Value;
use waygate_wire::operator::{CommandInfo, CommandPolicy, CommandState};

use crate::api::Api;
use crate::args::AskArgs;
use crate::commands::follow;
use crate::commands::send::finish;
use crate::exit::{Exit, Failure};
use crate::output::Output;
use crate::words;

#[derive(Clone, Debug, Args)]
pub struct CommandArgs {
    /// The command's id.
    #[arg(value_name = "ID", value_parser = command_id)]
    pub id: String,
    /// Cancel it, if it was not begun.
    #[arg(long, conflicts_with = "follow")]
    pub cancel: bool,
    /// Follow it to its end.
    #[arg(long)]
    pub follow: bool,
    #[command(flatten)]
    pub ask: AskArgs,
}

pub async fn run(args: CommandArgs, output: &mut Output) -> Result<Exit, Failure> {
    let api = Api::new(&args.ask);
    if args.cancel {
        let answer = api.delete(&["commands", &args.id]).await?;
        let info: CommandInfo = api.read(answer.clone())?;
        show(&info, &answer, output)?;
        return Ok(cancelled(info.state));
    }
    let answer = api.ask(&["commands", &args.id], &[]).await?;
    let info: CommandInfo = api.read(answer.clone())?;
    if args.follow {
        if !output.json {
            write_facts(&info, output)?;
        }
        return finish(&api, &args.id, follow::follow(&api, answer, follow::interrupted(), output).await?, output);
    }
    show(&info, &answer, output)?;
    Ok(follow::exit(info.state))
}

/// Whether cancelling did what was asked.
const fn cancelled(state: CommandState) -> Exit {
    match state {
        CommandState::Cancelled => Exit::Ok,
        CommandState::Succeeded => Exit::NotDone,
        CommandState::Queued
        | CommandState::Paging
        | CommandState::Sent
        | CommandState::Accepted
        | CommandState::Running
        | CommandState::Failed
        | CommandState::Rejected
        | CommandState::Expired
        | CommandState::Unknown => follow::exit(state),
    }
}

fn show(info: &CommandInfo, answer: &Value, output: &mut Output) -> Result<(), Failure> {
    if output.json {
        output.json(answer)?;
    } else {
        write_facts(info, output)?;
        follow::tell_steps(info, 0, output)?;
        follow::tell_end(info, output)?;
    }
    super::warn_of_missing(&info.missing_regions, "it may know more of this command", output);
    Ok(())
}

fn write_facts(info: &CommandInfo, output: &mut Output) -> std::io::Result<()> {
    let arguments = info.arguments.as_ref().map(|arguments| format!(" {arguments}")).unwrap_or_default();
    output.line(words::plain(&format!("{} for {}{arguments}", info.name, info.vehicle)))?;
    let left = match follow::left_to_begin(info) {
        Some(left) if left > 0.0 => format!(", {} of {} left to begin", words::age(left), words::age(info.ttl_s)),
        Some(_) => format!(", the {} to begin are over", words::age(info.ttl_s)),
        None => String::new(),
    };
    let policy = match (info.policy, &info.key) {
        (CommandPolicy::Now, _) => "now".to_owned(),
        (CommandPolicy::Queue, _) => "queue".to_owned(),
        (CommandPolicy::LatestWins, Some(key)) => format!("latest wins of {key}"),
        (CommandPolicy::LatestWins, None) => "latest wins".to_owned(),
    };
    let line = format!("taken by {} {} ago, policy {policy}{left}", info.origin, words::age(info.age_s));
    output.line(words::plain(&line))
}

/// Refuses what no command can be called, before anything is asked.
fn command_id(text: &str) -> Result<String, String> {
    if (1..=64).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_hexdigit() || b == b'-') {
        Ok(text.to_owned())
    } else {
        Err("a command's id is a UUID, as `waygate send` and `waygate commands` print it".to_owned())
    }
}

#[cfg(test)]
#[path = "command_tests.rs"]
mod tests;
