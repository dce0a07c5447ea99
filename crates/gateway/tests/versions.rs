//! A gateway of this version between two of the next one.
#![allow(clippy::unwrap_used)]

mod support;

use prost::Message;
use std::net::SocketAddr;
use std::time::Duration;
use support::{PATIENCE, eventually, start};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Streaming;
use waygate_wire::proto::presence_client::PresenceClient;
use waygate_wire::proto::sync_frame::Frame;
use waygate_wire::proto::{Cursors, Entry, EntryBatch, EntryState, Hello, Node, SyncFrame};

/// Fields that the next version might add: a number, text, a message.
const LATER_FIELDS: &[u8] = b"\xa0\x06\x96\x01\xaa\x06\x03new\xb2\x06\x02\x08\x01";

/// The other end of a stream, as a program of the next version would speak.
struct Peer {
    node: Vec<u8>,
    say: mpsc::Sender<SyncFrame>,
    hear: Streaming<SyncFrame>,
}

impl Peer {
    async fn greet(address: SocketAddr, id: &str) -> Self {
        let node = Node { id: id.to_owned(), region: "next".to_owned(), incarnation: 7, ..Node::default() };
        let node = [node.encode_to_vec(), LATER_FIELDS.to_vec()].concat();
        let (say, said) = mpsc::channel(64);
        let hello = Hello { node: node.clone(), protocol: 2, oldest_protocol: 1, ..Hello::default() };
        say.send(SyncFrame { frame: Some(Frame::Hello(hello)) }).await.unwrap();
        let mut client = PresenceClient::connect(format!("http://{address}")).await.unwrap();
        let hear = client.sync(ReceiverStream::new(said)).await.unwrap().into_inner();
        Self { node, say, hear }
    }

    async fn says(&self, frame: Frame) {
        self.say.send(SyncFrame { frame: Some(frame) }).await.unwrap();
    }

    /// The first batch of an owner; signs of life are given meanwhile.
    async fn hears_of(&mut self, owner: &[u8]) -> EntryBatch {
        loop {
            let frame = tokio::time::timeout(Duration::from_millis(500), self.hear.message()).await;
            match frame.map(|frame| frame.unwrap().unwrap().frame) {
                Ok(Some(Frame::Batch(batch))) if batch.owner == owner => return batch,
                Ok(_) => {}
                Err(_) => self.says(Frame::Cursors(Cursors::default())).await,
            }
        }
    }
}

#[tokio::test]
async fn what_the_next_version_says_passes_through_this_one_as_it_came() {
    let running = start("west", "").await;
    let owner = Peer::greet(running.operators(), "next-1").await;
    let entry = Entry {
        vehicle: "LUX-1".to_owned(),
        epoch: 9 << 16,
        session: 5,
        seq: 1,
        state: EntryState::Connected.into(),
        ..Entry::default()
    };
    let of_a_later_state = Entry { vehicle: "LUX-2".to_owned(), seq: 2, state: 77, ..entry.clone() };
    let of_a_later_cause = Entry { vehicle: "LUX-3".to_owned(), seq: 3, cause: 900, flags: 0x81, ..entry.clone() };
    let written = |entry: &Entry| [entry.encode_to_vec(), LATER_FIELDS.to_vec()].concat();
    let entries = [&entry, &of_a_later_state, &of_a_later_cause].map(|entry| written(entry).into()).to_vec();
    // A frame of a kind that is not known has no field that is.
    owner.say.send(SyncFrame { frame: None }).await.unwrap();
    owner
        .says(Frame::Batch(EntryBatch { owner: owner.node.clone(), from: 0, to: 3, entries, ..Default::default() }))
        .await;
    owner.says(Frame::Cursors(Cursors::default())).await;
    for vehicle in ["LUX-1", "LUX-3"] {
        let one =
            eventually(running.operators(), &format!("/v1/vehicles/{vehicle}"), |one| one["state"] == "online").await;
        assert_eq!((&one["gateway"], one["cloned"] == true), (&"next-1".into(), vehicle == "LUX-3"));
    }
    let (_, metrics) = support::get_text(running.operators(), "/metrics").await;
    assert!(metrics.contains("waygate_sync_frames_ignored_total 1"), "{metrics}");
    assert!(metrics.contains("waygate_sync_entries_skipped_total 1"), "{metrics}");

    let mut other = Peer::greet(running.operators(), "next-2").await;
    let relayed = tokio::time::timeout(PATIENCE, other.hears_of(&owner.node)).await.unwrap();
    assert_eq!((relayed.from, relayed.to), (0, 3));
    let read: Vec<Entry> = relayed.entries.iter().map(|bytes| Entry::decode(bytes.clone()).unwrap()).collect();
    let aged = |entry: &Entry, read: &Entry| Entry { contact_age_ms: read.contact_age_ms, ..entry.clone() };
    assert_eq!(read, [aged(&entry, &read[0]), aged(&of_a_later_cause, &read[1])]);
    assert!(relayed.entries[0].ends_with(LATER_FIELDS));
    let rest: Vec<u8> = [LATER_FIELDS, b"\x58\x81\x01"].concat();
    assert!(relayed.entries[1].ends_with(&rest), "{:?}", relayed.entries[1]);
    running.gateway.shutdown().await;
}
