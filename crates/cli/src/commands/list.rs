//! `waygate commands VEHICLE`: its commands, newest first.

use clap::Args;
use serde_json::Value;
use waygate_wire::operator::{CommandInfo, CommandList};

use crate::api::Api;
use crate::args::AskArgs;
use crate::commands::follow::{colour, left_to_begin, state_words};
use crate::commands::vehicle::vehicle_id;
use crate::exit::{Exit, Failure};
use crate::output::Output;
use crate::table::{Column, Field, Grid};
use crate::words;

#[derive(Clone, Debug, Args)]
pub struct CommandsArgs {
    /// The vehicle's id.
    #[arg(value_name = "VEHICLE", value_parser = vehicle_id)]
    pub vehicle: String,
    #[command(flatten)]
    pub ask: AskArgs,
}

pub async fn run(args: CommandsArgs, output: &mut Output) -> Result<Exit, Failure> {
    let api = Api::new(&args.ask);
    let answer = api.ask(&["vehicles", &args.vehicle, "commands"], &[]).await?;
    show(&api, answer, &args.vehicle, output)
}

fn show(api: &Api, answer: Value, vehicle: &str, output: &mut Output) -> Result<Exit, Failure> {
    let list: CommandList = api.read(answer.clone())?;
    if output.json {
        output.json(&answer)?;
    } else if !list.commands.is_empty() {
        grid(&list.commands).write(output)?;
    }
    super::warn_of_missing(&list.missing_regions, "commands that it took may be lacking", output);
    if list.commands.is_empty() {
        if !output.json {
            output.note(&format!("no command of {vehicle} is known"));
        }
        return Ok(Exit::Nothing);
    }
    Ok(Exit::Ok)
}

fn grid(commands: &[CommandInfo]) -> Grid {
    let mut grid = Grid::new(&[
        Column::left("COMMAND"),
        Column::left("NAME"),
        Column::left("STATE"),
        Column::right("TAKEN").expendable(2),
        Column::right("LEFT").expendable(3),
        Column::left("TAKEN BY").expendable(4),
    ]);
    for info in commands {
        grid.row(vec![
            Field::new(&info.id),
            Field::new(&info.name),
            Field::new(state_words(info)).coloured(colour(info.state)),
            Field::new(format!("{} ago", words::age(info.age_s))),
            Field::maybe(left_to_begin(info).map(|left| words::age(left.max(0.0)))),
            Field::new(&info.origin),
        ]);
    }
    grid
}

#[cfg(test)]
#[path = "list_tests.rs"]
mod tests;
