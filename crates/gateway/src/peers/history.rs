//! Histories between gateways: what this one gives, and what it reads of others.

use crate::operators::history::{Key, Pieces, Place};
use crate::tasks::Tasks;
use futures_util::stream::BoxStream;
use futures_util::{StreamExt, TryStreamExt};
use tokio::sync::mpsc;
use tonic::Status;
use tonic::transport::Channel;
use waygate_core::id::{SpoolId, VehicleId};
use waygate_core::time::Wall;
use waygate_store::{History, Reader};
use waygate_wire::proto;
use waygate_wire::proto::telemetry_query_client::TelemetryQueryClient;

/// Chunks on their way to a peer; without room the store is not read on.
const CHUNKS_MAX: usize = 4;

/// Batches of a chunk.
const CHUNK_BATCHES: usize = 64;

/// Bytes after which a chunk leaves: small, so that over a slow link it is seen that something comes. A batch has at
/// most a frame's size.
const CHUNK_BYTES: usize = 32 * 1024;

/// Bytes of one gRPC message with a chunk of any earlier version: a mebibyte and a batch at most.
const MESSAGE_BYTES_MAX: usize = 32 * 1024 * 1024;

/// Counts what is under way in a gauge, for as long as it lives.
#[derive(Debug)]
pub struct UnderWay(&'static str);

impl UnderWay {
    /// One more.
    pub fn new(gauge: &'static str) -> Self {
        metrics::gauge!(gauge).increment(1.0);
        Self(gauge)
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        metrics::gauge!(self.0).decrement(1.0);
    }
}

/// Gives a peer what the store holds, as fast as the peer reads it; ends when the peer hangs up.
pub fn give(
    mut history: History,
    place: Place,
    tasks: &Tasks,
) -> BoxStream<'static, Result<proto::HistoryChunk, Status>> {
    let (sender, chunks) = mpsc::channel(CHUNKS_MAX);
    let stopping = tasks.stopping();
    tasks.spawn("history", async move {
        let _under_way = (UnderWay::new("waygate_histories_given"), place);
        let give = async {
            loop {
                let chunk = match next_chunk(&mut history).await {
                    Ok(chunk) if is_empty(&chunk) => Given::End,
                    Ok(chunk) => Given::Chunk(Ok(chunk)),
                    Err(error) => {
                        tracing::error!(%error, "history cannot be read on");
                        Given::Chunk(Err(Status::internal("its store cannot be read")))
                    }
                };
                let ends = !matches!(chunk, Given::Chunk(Ok(_)));
                if sender.send(chunk).await.is_err() || ends {
                    return;
                }
            }
        };
        tokio::select! {
            () = give => {}
            () = sender.closed() => {}
            () = stopping => {}
        }
    });
    futures_util::stream::unfold(Some(chunks), given).boxed()
}

/// What the task that reads hands to the stream. Without an end it broke off, and the peer must not take it for all.
#[derive(Debug)]
enum Given {
    Chunk(Result<proto::HistoryChunk, Status>),
    End,
}

async fn given(
    chunks: Option<mpsc::Receiver<Given>>,
) -> Option<(Result<proto::HistoryChunk, Status>, Option<mpsc::Receiver<Given>>)> {
    let mut chunks = chunks?;
    match chunks.recv().await {
        Some(Given::Chunk(Ok(chunk))) => Some((Ok(chunk), Some(chunks))),
        Some(Given::Chunk(Err(status))) => Some((Err(status), None)),
        Some(Given::End) => None,
        None => Some((Err(Status::unavailable("the gateway stops")), None)),
    }
}

/// The next batches of a store; none at its end.
async fn next_chunk(history: &mut History) -> Result<proto::HistoryChunk, waygate_store::ReadError> {
    let (mut batches, mut bytes, mut damaged) = (Vec::new(), 0, 0);
    while batches.len() < CHUNK_BATCHES && bytes < CHUNK_BYTES {
        match history.next().await? {
            Some(Ok(batch)) => {
                bytes += batch.columns.len();
                batches.push(proto::StoredBatch {
                    spool: batch.spool.0,
                    received_ms: batch.received.0,
                    columns: batch.columns.into(),
                });
            }
            Some(Err(fault)) => {
                damaged += 1;
                tracing::error!(%fault, "a stored batch is damaged");
            }
            None => break,
        }
    }
    Ok(proto::HistoryChunk { batches, damaged })
}

fn is_empty(chunk: &proto::HistoryChunk) -> bool {
    chunk.batches.is_empty() && chunk.damaged == 0
}

/// What this gateway's own store holds of a vehicle after a record.
pub fn own(reader: Reader, vehicle: VehicleId, (from, to): (Wall, Wall), after: Option<Key>) -> Pieces {
    let start = after.map(|key| (key.t, SpoolId(key.spool), key.seq));
    let failed = |error: waygate_store::ReadError| {
        tracing::error!(%error, "history cannot be read");
        "its store cannot be read".to_owned()
    };
    let opened = async move { reader.history(&vehicle, from, to, start).await.map_err(failed) };
    let read = move |history| {
        futures_util::stream::try_unfold(history, move |mut history| async move {
            let chunk = next_chunk(&mut history).await.map_err(failed)?;
            Ok(Some((chunk, history)).filter(|(chunk, _)| !is_empty(chunk)))
        })
    };
    futures_util::stream::once(opened).map_ok(read).try_flatten().boxed()
}

/// What a peer holds. It is asked when the first piece is, and hung up on when this is dropped.
pub fn of_peer(channel: Channel, request: proto::HistoryRequest) -> Pieces {
    let said = |status: Status| format!("it answered with an error: {}", status.message());
    let opened = async move {
        let mut client = TelemetryQueryClient::new(channel).max_decoding_message_size(MESSAGE_BYTES_MAX);
        client.history(request).await.map(tonic::Response::into_inner).map_err(said)
    };
    let read = move |stream: tonic::Streaming<proto::HistoryChunk>| stream.map_err(said);
    futures_util::stream::once(opened).map_ok(read).try_flatten().boxed()
}
