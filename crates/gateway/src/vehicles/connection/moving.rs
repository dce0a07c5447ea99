//! A vehicle on the move: its tracking areas, the region it enters, and what it brings from the gateway before.

use super::{Connection, End};
use crate::presence::Command;
use waygate_core::cell::Cell;
use waygate_core::ingest::Event;
use waygate_core::message::{Downlink, GatewayAddress, TrackingAccept};
use waygate_core::ranges::SeqRanges;
use waygate_core::record::Position;

impl Connection {
    /// Records from outside the tracking areas are a tracking update, whoever forgot to send one.
    pub(super) async fn follow(&mut self, position: Option<Position>) -> Result<(), End> {
        let Some(cell) = position.and_then(Cell::of) else {
            return Ok(());
        };
        let inside = self.cell.is_some_and(|centre| centre == cell || centre.tracking_areas().contains(&cell));
        if inside { Ok(()) } else { self.track(Some(cell)).await }
    }

    /// Answers with the tracking areas around the vehicle, and sends it to the region that it has entered.
    pub(super) async fn track(&mut self, cell: Option<Cell>) -> Result<(), End> {
        let centre = self.cell;
        if let Some(cell) = cell.filter(|cell| centre != Some(*cell)) {
            self.cell = Some(cell);
            self.edge.presence.tell(Command::Moved(self.mailbox.conn(), cell)).await;
        }
        let accept = TrackingAccept {
            areas: self.cell.map(Cell::tracking_areas).unwrap_or_default(),
            timers: self.edge.timers,
            gateways: self.gateways(),
        };
        // Both: a vehicle that finds no gateway there has its areas here.
        self.feed(&Downlink::TrackingAccept(accept));
        self.redirect_from(centre);
        self.flush().await
    }

    /// Sends the vehicle to the region of its place, if that is another's and lies beyond the areas around `centre`.
    pub(super) fn redirect_from(&mut self, centre: Option<Cell>) {
        let Some(cell) = self.cell else { return };
        let (now, edge) = (self.edge.clock.now(), self.edge.clone());
        let redirect = self.mover.seen(now, centre, cell, &edge.territory, &edge.neighbours.borrow());
        if let Some(redirect) = redirect {
            metrics::counter!("waygate_redirects_total", "reason" => redirect.reason.wire()).increment(1);
            self.feed(&Downlink::Redirect(redirect));
        }
    }

    /// The gateways the vehicle may go to.
    pub(super) fn gateways(&self) -> Vec<GatewayAddress> {
        self.edge.territory.in_order(&self.edge.neighbours.borrow(), self.cell)
    }

    /// The gateway before has answered, or its time is up: telemetry is taken.
    pub(super) async fn gathered(&mut self, settled: SeqRanges) -> Result<(), End> {
        self.gathering = None;
        if !settled.is_empty() {
            self.ingest(Event::SettledElsewhere(settled)).await?;
        }
        match self.parked.take() {
            Some(frame) => Box::pin(self.receive(frame)).await,
            None => Ok(()),
        }
    }
}
