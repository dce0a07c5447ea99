//! `waygate vehicles --pending`: those that showed who they are and wait to be admitted.

use serde_json::{Value, json};
use waygate_wire::operator::{EnrolledList, EnrolledVehicle};

use crate::api::{Api, ApiError};
use crate::exit::{Exit, Failure};
use crate::output::Output;
use crate::table::{Column, Field, Grid};

/// The most that a gateway gives in one answer.
const PAGE_MAX: u64 = 1000;

/// Shows at most `wanted` of them.
pub async fn run(api: &Api, wanted: u64, output: &mut Output) -> Result<Exit, Failure> {
    let (vehicles, more) = collect(api, wanted).await?;
    if output.json {
        let next = more.then(|| vehicles.last().map(|vehicle| vehicle["id"].clone())).flatten();
        output.json(&json!({"vehicles": vehicles, "next": next}))?;
    } else {
        let list: EnrolledList = api.read(json!({"vehicles": vehicles, "next": null}))?;
        if list.vehicles.is_empty() {
            output.note("no vehicle waits to be admitted");
        } else {
            grid(&list.vehicles).write(output)?;
        }
        if more {
            output.note("more wait; --all shows the rest");
        }
    }
    Ok(if vehicles.is_empty() { Exit::Nothing } else { Exit::Ok })
}

async fn collect(api: &Api, wanted: u64) -> Result<(Vec<Value>, bool), ApiError> {
    let (mut vehicles, mut cursor) = (Vec::new(), None::<String>);
    loop {
        let limit = (wanted - vehicles.len() as u64).min(PAGE_MAX);
        let mut query = vec![("limit", limit.to_string())];
        query.extend(cursor.clone().map(|cursor| ("cursor", cursor)));
        let mut page = api.ask(&["vehicles", "pending"], &query).await?;
        let next = page.get("next").and_then(Value::as_str).map(str::to_owned);
        match page["vehicles"].take() {
            Value::Array(mut found) => vehicles.append(&mut found),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Object(_) => {}
        }
        if next.is_none() || next == cursor || vehicles.len() as u64 >= wanted {
            return Ok((vehicles, next.is_some()));
        }
        cursor = next;
    }
}

fn grid(vehicles: &[EnrolledVehicle]) -> Grid {
    let mut grid = Grid::new(&[
        Column::left("VEHICLE"),
        Column::left("FLEET"),
        Column::left("SHOWED").expendable(2),
        Column::left("ASKED FIRST").expendable(3),
        Column::left("ASKED LAST").expendable(1),
    ]);
    for vehicle in vehicles {
        grid.row(vec![
            Field::new(&vehicle.id),
            Field::new(&vehicle.fleet),
            Field::maybe(vehicle.means.clone()),
            Field::new(vehicle.first_seen.to_string()),
            Field::new(vehicle.last_seen.to_string()),
        ]);
    }
    grid
}

#[cfg(test)]
#[path = "pending_tests.rs"]
mod tests;
