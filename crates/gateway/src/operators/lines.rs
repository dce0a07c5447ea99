//! Records as lines (`application/x-ndjson`), each as it is known; the last line says how it ended.
//!
//! A task merges and a few pieces of lines wait for the asker: who reads slowly slows the merge, and through it every
//! peer; who hangs up ends all of it.

use super::history::Merge;
use super::shape;
use super::telemetry::{regions, write_cursor};
use crate::peers::history::UnderWay;
use crate::tasks::Tasks;
use axum::body::Body;
use axum::response::{IntoResponse, Response};
use futures_util::StreamExt;
use http::header::CONTENT_TYPE;
use hyper::body::Bytes;
use std::convert::Infallible;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use waygate_wire::operator::{MissingSource, TelemetryEnd, TelemetryLine};

/// What they are called.
pub const KIND: &str = "application/x-ndjson";

/// Bytes of lines that leave together.
const PIECE_BYTES: usize = 32 * 1024;

/// Pieces that wait for the asker.
const PIECES_MAX: usize = 2;

/// The answer; it is merged while it is read.
pub fn answer(merge: Merge, missing: Vec<MissingSource>, limit: usize, tasks: &Tasks) -> Response {
    let (sender, pieces) = mpsc::channel(PIECES_MAX);
    let stopping = tasks.stopping();
    tasks.spawn("lines", async move {
        let _under_way = UnderWay::new("waygate_histories_asked");
        tokio::select! {
            () = write(merge, missing, limit, &sender) => {}
            // A peer that keeps the merge waiting would keep it here, too.
            () = sender.closed() => {}
            // Without a last line the asker knows that it broke off.
            () = stopping => {}
        }
    });
    let body = Body::from_stream(ReceiverStream::new(pieces).map(Ok::<_, Infallible>));
    ([(CONTENT_TYPE, KIND)], body).into_response()
}

async fn write(mut merge: Merge, missing: Vec<MissingSource>, limit: usize, sender: &mpsc::Sender<Bytes>) {
    let mut piece = Vec::with_capacity(PIECE_BYTES + 1024);
    let (mut records, mut last, mut next) = (0, None, None);
    loop {
        // What is written already is not kept back for a peer that keeps the rest waiting.
        let waits = !merge.is_ready() && !piece.is_empty();
        if (waits || piece.len() >= PIECE_BYTES) && sender.send(std::mem::take(&mut piece).into()).await.is_err() {
            return;
        }
        let Some((key, row)) = merge.next().await else { break };
        if records == limit as u64 {
            next = last.map(write_cursor);
            break;
        }
        let record = shape::record(key.spool, key.seq, row.received, row.record);
        line(&mut piece, &TelemetryLine::Record(Box::new(record)));
        (records, last) = (records + 1, Some(key));
    }
    let held_bytes_peak = merge.held_bytes_peak() as u64;
    let missing: Vec<_> = missing.into_iter().chain(merge.missing()).collect();
    let missing_regions = regions(missing.iter().cloned());
    let complete = missing.is_empty();
    let end = TelemetryEnd { records, complete, next, missing_regions, missing, held_bytes_peak };
    line(&mut piece, &TelemetryLine::End { end });
    let _ = sender.send(piece.into()).await;
}

fn line(piece: &mut Vec<u8>, line: &TelemetryLine) {
    if let Err(error) = serde_json::to_writer(&mut *piece, line) {
        tracing::error!(%error, "a record cannot be written as JSON; it is left out");
    }
    piece.push(b'\n');
}
