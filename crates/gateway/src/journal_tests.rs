use super::*;
use crate::live::Live;
use waygate_core::id::{ConnId, Incarnation, NodeId, RegionId, SpoolId};
use waygate_core::time::{Mono, Wall};
use waygate_store::{OpenOptions, Reader, Store};

const PATIENCE: Duration = Duration::from_secs(10);

/// A journal whose next commit fails, and what it is told through.
struct Rig {
    jobs: mpsc::Sender<Job>,
    running: tokio::task::JoinHandle<Writer>,
    reader: Reader,
    health: Arc<Health>,
    _answers: (mpsc::Receiver<Answer>, mpsc::Receiver<(CommandId, bool)>),
    _folder: tempfile::TempDir,
}

fn transition(seq: u64) -> Write {
    Write::Transition(TransitionRecord {
        vehicle: vehicle(),
        at: Wall(1),
        owner: NodeId::new("west-1").unwrap(),
        region: RegionId::new("west").unwrap(),
        incarnation: Incarnation(1),
        seq,
        epoch: Epoch(1),
        session: SessionId(1),
        state: 1,
        cause: 0,
        cell: None,
        flags: 0,
    })
}

fn vehicle() -> VehicleId {
    VehicleId::new("LUX-1").unwrap()
}

async fn rig() -> Rig {
    let folder = tempfile::tempdir().unwrap();
    let options = OpenOptions::default();
    let (mut writer, reader) = Store::open(&folder.path().join("waygate.db"), options).await.unwrap();
    // A commit that was abandoned: the writer refuses everything until it is opened anew.
    let mut abandoned = Box::pin(writer.commit(vec![transition(1)]));
    assert!(futures_util::poll!(&mut abandoned).is_pending());
    drop(abandoned);
    let (jobs, queue) = mpsc::channel(8);
    let (attaches, attach_answers) = mpsc::channel(8);
    let (commands, command_answers) = mpsc::channel(8);
    let (feed, _) = Feed::new(Live::new(Incarnation(1)), Vec::new());
    let (health, answers) = (Arc::<Health>::default(), Answers { attaches, commands });
    let journal = Journal::new(writer, queue, answers, feed, health.clone(), Duration::ZERO, Tasks::default());
    let running = tokio::spawn(journal.run());
    Rig { jobs, running, reader, health, _answers: (attach_answers, command_answers), _folder: folder }
}

async fn is_stored(reader: &Reader, seq: u64) -> bool {
    let told = reader.timeline(&vehicle(), None, 10).await.unwrap();
    told.iter().any(|record| record.seq == seq)
}

async fn until_stored(reader: &Reader, seq: u64) {
    let stored = async {
        while !is_stored(reader, seq).await {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(PATIENCE, stored).await.expect("it is never written");
}

#[tokio::test]
async fn what_a_failed_commit_held_is_written_though_nothing_else_comes() {
    let rig = rig().await;
    let room = Arc::new(tokio::sync::Semaphore::new(1));
    let under_way = Some(room.clone().acquire_owned().await.unwrap());
    rig.jobs.send(Job::Transitions { writes: vec![transition(2)], under_way }).await.unwrap();
    until_stored(&rig.reader, 2).await;
    let given_back = tokio::time::timeout(PATIENCE, room.acquire()).await;
    assert!(given_back.is_ok(), "whoever sends these waits for their room");
    assert_eq!(rig.health.trouble(), None);
    drop(rig.jobs);
    rig.running.await.unwrap();
}

#[tokio::test]
async fn what_a_failed_commit_held_is_written_before_the_journal_ends() {
    let rig = rig().await;
    rig.jobs.send(Job::Transitions { writes: vec![transition(2)], under_way: None }).await.unwrap();
    drop(rig.jobs);
    rig.running.await.unwrap();
    assert!(is_stored(&rig.reader, 2).await);
}

#[tokio::test]
async fn telemetry_that_waits_for_another_gateway_goes_on_with_what_is_on_disk_and_without_it_if_that_fails() {
    let rig = rig().await;
    let mailbox = Arc::new(Mailbox::new(ConnId(1), Mono(0)));
    let write = Write::Settle { vehicle: vehicle(), spool: SpoolId(7), settled: SeqRanges::from_iter([(1, 5)]) };
    for expected in [SeqRanges::new(), SeqRanges::from_iter([(1, 5)])] {
        rig.jobs.send(Job::Settle { write: write.clone(), mailbox: Some(mailbox.clone()) }).await.unwrap();
        tokio::time::timeout(PATIENCE, mailbox.arrived()).await.expect("it is never told");
        let letters: Vec<_> = mailbox.take().into();
        let [Letter::Gathered(settled)] = &letters[..] else { panic!("{letters:?}") };
        assert_eq!(*settled, expected);
    }
    drop(rig.jobs);
    rig.running.await.unwrap();
}
