//! What a gateway knew in its earlier life, read from its store.

use super::StartError;
use crate::clock::Clock;
use crate::feed::Place;
use crate::presence::restored;
use waygate_core::node::{Action, Event, Node};
use waygate_core::registrar::Event as RegistrarEvent;
use waygate_store::Reader;

/// Rows read at once when the store's knowledge is loaded.
const LOAD_PAGE: u32 = 4096;

/// Gives the node what the store kept of its earlier life.
pub async fn restore(mut node: Node, clock: &Clock, reader: &Reader) -> Result<Node, StartError> {
    let (mut after, mut out) = (None, Vec::new());
    loop {
        let page = reader.presence_all(after, LOAD_PAGE).await?;
        for record in &page.items {
            match restored(clock, record) {
                Some((vehicle, entry)) => {
                    node.apply(clock.now(), Event::Session(RegistrarEvent::Restored { vehicle, entry }), &mut out);
                }
                None => tracing::warn!(vehicle = %record.vehicle, "a stored state is not known to this version"),
            }
            // Nobody listens yet; the view has it.
            out.retain(|action| !matches!(action, Action::VehicleChanged(_)));
        }
        match page.next {
            Some(next) => after = Some(next),
            None => return Ok(node),
        }
    }
}

/// Where vehicles were last.
pub async fn places(reader: &Reader) -> Result<Vec<Place>, StartError> {
    let (mut after, mut places) = (None, Vec::new());
    loop {
        let page = reader.latest_all(after, LOAD_PAGE).await?;
        places.extend(page.items.into_iter().map(|(vehicle, latest)| Place { vehicle, latest }));
        match page.next {
            Some(next) => after = Some(next),
            None => return Ok(places),
        }
    }
}
