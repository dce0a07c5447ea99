//! `waygate watch`: the live stream, as a calm screen on a terminal and as one line per event elsewhere.

mod feed;
mod lines;
mod model;
mod screen;

use clap::Args;

use crate::api::Api;
use crate::args::AskArgs;
use crate::commands::vehicle::vehicle_id;
use crate::commands::vehicles::bounding_box;
use crate::commands::watch::feed::{Feed, Wish};
use crate::exit::{Exit, Failure};
use crate::output::Output;

#[derive(Clone, Debug, Args)]
pub struct WatchArgs {
    /// Only these vehicles.
    #[arg(long, value_name = "ID,…", value_delimiter = ',', value_parser = vehicle_id)]
    pub vehicle: Vec<String>,
    /// Only in these regions.
    #[arg(long, value_name = "REGION,…", value_delimiter = ',')]
    pub region: Vec<String>,
    /// Only positions within this box, in degrees; with --kind positions.
    #[arg(
        long,
        value_name = "WEST,SOUTH,EAST,NORTH",
        allow_hyphen_values = true,
        value_parser = bounding_box,
        requires = "kind"
    )]
    pub bbox: Option<String>,
    /// Print these kinds of events as lines [default: presence].
    #[arg(long, value_name = "KIND,…", value_delimiter = ',', value_parser = ["presence", "positions"])]
    pub kind: Vec<String>,
    /// Print lines also on a terminal.
    #[arg(long)]
    pub lines: bool,
    /// End after so many lines.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub events: Option<u64>,
    #[command(flatten)]
    pub ask: AskArgs,
}

pub async fn run(args: WatchArgs, output: &mut Output) -> Result<Exit, Failure> {
    let api = Api::new(&args.ask);
    let as_lines = args.lines || output.json || !output.terminal || args.events.is_some() || !args.kind.is_empty();
    let feed = Feed::start(api.clone(), wish(&args, as_lines));
    if as_lines { lines::follow(feed, &args, output).await } else { screen::follow(feed, api.base(), output).await }
}

fn wish(args: &WatchArgs, as_lines: bool) -> Wish {
    let mut area = Vec::new();
    if !args.region.is_empty() {
        area.push(("region", args.region.join(",")));
    }
    area.extend(args.bbox.clone().map(|bbox| ("bbox", bbox)));
    let kinds = match (as_lines, args.kind.is_empty()) {
        (false, _) => "presence,positions".to_owned(),
        (true, true) => "presence".to_owned(),
        (true, false) => args.kind.join(","),
    };
    Wish { kinds, area, vehicles: args.vehicle.clone(), list: !as_lines }
}
