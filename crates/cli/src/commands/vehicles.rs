//! `waygate vehicles`: the list, filtered by the gateway, paged here.

use clap::Args;
use comfy_table::Color;
use serde_json::{Value, json};
use waygate_wire::operator::{AgeKind, State, Vehicle, VehicleList, ViewStatus};

use crate::api::{Api, ApiError};
use crate::args::AskArgs;
use crate::exit::{Exit, Failure};
use crate::output::Output;
use crate::table::{Column, Field, Grid};
use crate::words;

/// The most vehicles a gateway gives in one answer.
const PAGE_VEHICLES_MAX: u64 = 1000;

/// The most that `--all` collects; a fleet beyond it is read page by page by a program.
const ALL_VEHICLES_MAX: u64 = 1_000_000;

#[derive(Clone, Debug, Args)]
pub struct VehiclesArgs {
    #[command(flatten)]
    pub filter: FilterArgs,
    /// Only within this box, in degrees.
    #[arg(long, value_name = "WEST,SOUTH,EAST,NORTH", allow_hyphen_values = true, value_parser = bounding_box)]
    pub bbox: Option<String>,
    /// Only within so many metres of a place.
    #[arg(long, value_name = "LAT,LON,METRES", allow_hyphen_values = true, value_parser = near, conflicts_with = "bbox")]
    pub near: Option<String>,
    /// Only those whose id contains this text.
    #[arg(long, short = 'q', value_name = "TEXT")]
    pub q: Option<String>,
    /// Show at most this many.
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u64).range(1..=ALL_VEHICLES_MAX))]
    pub limit: u64,
    /// Show all of them.
    #[arg(long, conflicts_with = "limit")]
    pub all: bool,
    /// Those that showed who they are and wait to be admitted, instead of those that are known.
    #[arg(long, conflicts_with_all = ["state", "region", "bbox", "near", "q"])]
    pub pending: bool,
    #[command(flatten)]
    pub ask: AskArgs,
}

/// What is asked for by state and region.
#[derive(Clone, Debug, Default, Args)]
pub struct FilterArgs {
    /// Only in these states: online, idle, asleep, unreachable, offline, stale.
    #[arg(long, value_name = "STATE,…", value_delimiter = ',', value_parser = state)]
    pub state: Vec<State>,
    /// Only in these regions.
    #[arg(long, value_name = "REGION,…", value_delimiter = ',')]
    pub region: Vec<String>,
}

pub async fn run(args: VehiclesArgs, output: &mut Output) -> Result<Exit, Failure> {
    let api = Api::new(&args.ask);
    let wanted = if args.all { ALL_VEHICLES_MAX } else { args.limit };
    if args.pending {
        return super::pending::run(&api, wanted, output).await;
    }
    let answer = collect(&api, &query(&args), wanted).await?;
    show(&api, answer, args.all, output)
}

/// Writes the merged pages, as JSON or as a table with what should be known about them.
fn show(api: &Api, answer: Value, all: bool, output: &mut Output) -> Result<Exit, Failure> {
    let list: VehicleList = api.read(answer.clone())?;
    if output.json {
        output.json(&answer)?;
    } else if !list.vehicles.is_empty() {
        grid(&list.vehicles).write(output)?;
    }
    warn_of_view(&list.view, output);
    if list.vehicles.is_empty() {
        if !output.json {
            output.note("no vehicle matches");
        }
        return Ok(Exit::Nothing);
    }
    if list.next.is_some() && !output.json {
        let shown = words::count(list.vehicles.len() as u64);
        let total = list.total.map(|total| format!(" of {}", words::count(total))).unwrap_or_default();
        let rest = if all { "" } else { "; --all shows the rest" };
        output.note(&format!("{shown}{total} shown{rest}"));
    }
    Ok(Exit::Ok)
}

/// Asks for pages until there are `wanted` vehicles or no more; the answer has the shape of one page.
pub async fn collect(api: &Api, query: &[(&str, String)], wanted: u64) -> Result<Value, ApiError> {
    let mut merged: Option<Value> = None;
    let mut cursor: Option<String> = None;
    loop {
        let have = merged.as_ref().and_then(vehicles_of).map_or(0, Vec::len) as u64;
        let mut page_query = query.to_vec();
        page_query.push(("limit", (wanted - have).min(PAGE_VEHICLES_MAX).to_string()));
        page_query.extend(cursor.clone().map(|cursor| ("cursor", cursor)));
        let mut page = api.ask(&["vehicles"], &page_query).await?;
        let next = page.get("next").and_then(Value::as_str).map(str::to_owned);
        let stuck = next.is_some() && next == cursor;
        if let Some(mut before) = merged.take() {
            let mut vehicles = before["vehicles"].take();
            if let (Some(vehicles), Some(new)) = (vehicles.as_array_mut(), page["vehicles"].as_array_mut()) {
                vehicles.append(new);
            }
            page["vehicles"] = vehicles;
            merge_view(&before["view"], &mut page["view"]);
        }
        let have = vehicles_of(&page).map_or(0, Vec::len) as u64;
        merged = Some(page);
        if next.is_none() || stuck || have >= wanted {
            return Ok(merged.unwrap_or(Value::Null));
        }
        cursor = next;
    }
}

fn vehicles_of(page: &Value) -> Option<&Vec<Value>> {
    page.get("vehicles")?.as_array()
}

/// A region that one of the pages lacked is missing from the whole.
fn merge_view(earlier: &Value, view: &mut Value) {
    let mut missing: Vec<Value> = view["missing_regions"].as_array().cloned().unwrap_or_default();
    for region in earlier["missing_regions"].as_array().into_iter().flatten() {
        if !missing.contains(region) {
            missing.push(region.clone());
        }
    }
    if earlier["complete"] == json!(false) {
        view["complete"] = json!(false);
    }
    view["missing_regions"] = Value::Array(missing);
}

fn query(args: &VehiclesArgs) -> Vec<(&'static str, String)> {
    let mut query = args.filter.query();
    query.extend(args.bbox.clone().map(|bbox| ("bbox", bbox)));
    query.extend(args.near.clone().map(|near| ("near", near)));
    query.extend(args.q.clone().map(|q| ("q", q)));
    query
}

impl FilterArgs {
    pub fn query(&self) -> Vec<(&'static str, String)> {
        let mut query = Vec::new();
        if !self.state.is_empty() {
            query.push(("state", self.state.iter().map(|state| state.name()).collect::<Vec<_>>().join(",")));
        }
        if !self.region.is_empty() {
            query.push(("region", self.region.join(",")));
        }
        query
    }
}

/// Says what an answer about presence may lack.
pub fn warn_of_view(view: &ViewStatus, output: &mut Output) {
    super::warn_of_missing(&view.missing_regions, "what is shown of it may be old or lacking", output);
}

/// Vehicles as a table.
pub fn grid(vehicles: &[Vehicle]) -> Grid {
    let mut grid = Grid::new(&[
        Column::left("VEHICLE"),
        Column::left("STATE"),
        Column::right("HEARD").expendable(1),
        Column::left("REGION").expendable(2),
        Column::left("GATEWAY").expendable(6),
        Column::right("SPEED").expendable(4),
        Column::left("HEADING").expendable(5),
        Column::left("POSITION").expendable(3),
    ]);
    for vehicle in vehicles {
        let position = vehicle.position.as_ref();
        grid.row(vec![
            Field::new(&vehicle.id),
            state_field(vehicle),
            Field::new(age_words(vehicle)),
            Field::new(&vehicle.region),
            Field::new(&vehicle.gateway),
            Field::maybe(position.and_then(|p| p.speed).map(words::speed)),
            Field::maybe(position.and_then(|p| p.heading).map(words::heading)),
            Field::maybe(position.map(|p| words::place(p.lat, p.lon))),
        ]);
    }
    grid
}

/// The state in its colour; a cloned identity is told in red.
fn state_field(vehicle: &Vehicle) -> Field {
    if vehicle.cloned {
        Field::new(format!("{}, cloned", state_words(vehicle))).coloured(Color::Red)
    } else {
        Field::new(state_words(vehicle)).coloured(state_colour(vehicle.state))
    }
}

/// The state, and what it was before or why it is so.
pub fn state_words(vehicle: &Vehicle) -> String {
    match (vehicle.state, vehicle.last_known, &vehicle.cause) {
        (State::Stale, Some(was), _) => format!("stale, was {}", was.name()),
        (State::Offline, _, Some(cause)) => format!("offline, {}", cause.replace('_', " ")),
        (state, _, _) => state.name().to_owned(),
    }
}

/// How long ago it was heard, with a sign where that is a bound.
pub fn age_words(vehicle: &Vehicle) -> String {
    match vehicle.age_kind {
        AgeKind::Measured => words::age(vehicle.age_s),
        AgeKind::Bound => format!("≤ {}", words::age(vehicle.age_s)),
    }
}

/// The colour of a state, everywhere the same.
pub const fn state_colour(state: State) -> Color {
    match state {
        State::Online => Color::DarkGreen,
        State::Idle => Color::DarkCyan,
        State::Asleep => Color::DarkMagenta,
        State::Unreachable => Color::DarkRed,
        State::Stale => Color::DarkYellow,
        State::Offline | State::Unknown => Color::DarkGrey,
    }
}

fn state(text: &str) -> Result<State, String> {
    State::from_name(text).ok_or_else(|| {
        let known: Vec<_> = State::ALL.iter().map(|state| state.name()).collect();
        format!("a state is one of {}", known.join(", "))
    })
}

fn numbers<const N: usize>(text: &str, form: &str) -> Result<[f64; N], String> {
    let parts: Vec<f64> = text
        .split(',')
        .map(|part| part.trim().parse::<f64>().ok().filter(|number| number.is_finite()))
        .collect::<Option<_>>()
        .unwrap_or_default();
    parts.try_into().map_err(|_| format!("{N} numbers are wanted, as {form}"))
}

pub fn bounding_box(text: &str) -> Result<String, String> {
    let form = "WEST,SOUTH,EAST,NORTH, for example 6.05,49.55,6.20,49.68";
    let [west, south, east, north] = numbers::<4>(text, form)?;
    if south > north {
        return Err(format!("south ({south}) lies above north ({north}); give {form}"));
    }
    if [west, east].iter().any(|lon| lon.abs() > 180.0) || [south, north].iter().any(|lat| lat.abs() > 90.0) {
        return Err(format!("that is beyond the globe; give {form}"));
    }
    Ok(format!("{west},{south},{east},{north}"))
}

fn near(text: &str) -> Result<String, String> {
    let form = "LAT,LON,METRES, for example 49.61,6.13,500";
    let [lat, lon, metres] = numbers::<3>(text, form)?;
    if lat.abs() > 90.0 || lon.abs() > 180.0 {
        return Err(format!("that is beyond the globe; give {form}"));
    }
    if metres <= 0.0 {
        return Err(format!("a distance above 0 is wanted; give {form}"));
    }
    Ok(format!("{lat},{lon},{metres}"))
}

#[cfg(test)]
#[path = "vehicles_tests.rs"]
mod tests;
