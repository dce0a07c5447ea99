//! A presence stream's shell: frames between the presence task and a gRPC stream, either way it was opened.

use super::gate::impostor;
use super::meter::Meter;
use crate::presence::{Command, Link, Presence};
use futures_util::{Stream, StreamExt};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use waygate_core::identity::Identity;
use waygate_core::node::LinkId;
use waygate_core::sync::Frame;
use waygate_wire::peer::{FrameReader, FrameWriter, ReadFrame, halves};
use waygate_wire::proto::SyncFrame;

/// Frames on their way to a peer; what has no room stays in the log.
const FRAMES_MAX: usize = 16;

/// Opens streams. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Streams {
    presence: Presence,
    next: Arc<AtomicU64>,
}

/// A stream that was just opened.
#[derive(Debug)]
pub struct Opened {
    /// Its name.
    pub link: LinkId,
    /// Counts what passes on it.
    pub meter: Meter,
    /// Frames for the peer.
    pub outbound: Outbound,
    /// Reads those of the peer.
    pub reader: FrameReader,
    /// Ends it.
    pub hang_up: CancellationToken,
}

impl Streams {
    /// Streams that end at this presence task.
    pub fn new(presence: Presence) -> Self {
        Self { presence, next: Arc::new(AtomicU64::new(1)) }
    }

    /// Tells the presence task of a new stream.
    pub async fn open(&self, dialled: bool, meter: Meter) -> Opened {
        let link = LinkId(self.next.fetch_add(1, Ordering::Relaxed));
        let (frames, outbound) = mpsc::channel(FRAMES_MAX);
        let hang_up = CancellationToken::new();
        let command =
            Command::LinkOpened(link, Link { dialled, frames, meter: meter.clone(), hang_up: hang_up.clone() });
        self.presence.tell(command).await;
        let (writer, reader) = halves();
        Opened { link, meter, outbound: Outbound { frames: ReceiverStream::new(outbound), writer }, reader, hang_up }
    }

    /// Gives the peer's frames to the presence task until the stream ends. Returns why it ended.
    ///
    /// If it is known by a certificate who speaks, the stream ends when it says that it is another.
    pub async fn read<S>(
        &self,
        link: LinkId,
        meter: &Meter,
        mut reader: FrameReader,
        mut inbound: S,
        hang_up: CancellationToken,
        speaker: Option<Identity>,
    ) -> String
    where
        S: Stream<Item = Result<SyncFrame, tonic::Status>> + Unpin,
    {
        let why = loop {
            let next = tokio::select! {
                // Nothing is read once it is hung up.
                biased;
                () = hang_up.cancelled() => break "hung up here".to_owned(),
                next = inbound.next() => next,
            };
            let frame = match next {
                Some(Ok(frame)) => frame,
                Some(Err(status)) => break status.message().to_owned(),
                None => break "the peer ended it".to_owned(),
            };
            match reader.read(frame) {
                Ok(read) => {
                    let why = match &read.frame {
                        Some(Frame::Hello { node, .. }) => impostor(node, speaker.as_ref()),
                        Some(Frame::Batch(_) | Frame::Cursors { .. } | Frame::Audit(_)) | None => None,
                    };
                    if let Some(why) = why {
                        metrics::counter!("waygate_peer_calls_refused_total").increment(1);
                        tracing::warn!("a stream of a peer was refused: {why}");
                        break why;
                    }
                    if let Some(Frame::Hello { node, .. }) = &read.frame {
                        meter.name(&node.id);
                    }
                    count_unread(&read);
                    if let Some(frame) = read.frame {
                        self.presence.tell(Command::FrameReceived(link, frame)).await;
                    }
                }
                Err(fault) => break format!("a frame could not be read: {fault}"),
            }
        };
        self.presence.tell(Command::LinkLost(link)).await;
        why
    }
}

/// What of a frame was not read has no effect but to be counted.
fn count_unread(read: &ReadFrame) {
    if read.skipped > 0 {
        metrics::counter!("waygate_sync_entries_skipped_total").increment(read.skipped as u64);
        tracing::warn!(skipped = read.skipped, "entries of a peer could not be read");
    }
    if read.shortened > 0 {
        metrics::counter!("waygate_sync_entries_shortened_total").increment(read.shortened as u64);
        tracing::debug!(shortened = read.shortened, "entries of a peer say more than is kept to be passed on");
    }
    if read.frame.is_none() {
        metrics::counter!("waygate_sync_frames_ignored_total").increment(1);
        tracing::debug!("a frame of a peer is of a kind that is not known here");
    }
}

/// Frames for a peer.
#[derive(Debug)]
pub struct Outbound {
    frames: ReceiverStream<Frame>,
    writer: FrameWriter,
}

impl Outbound {
    /// As they go over the wire.
    pub fn encoded(self) -> impl Stream<Item = SyncFrame> {
        let mut writer = self.writer;
        self.frames.map(move |frame| writer.write(frame))
    }
}
