use super::*;
use crate::admission::Gate;
use crate::clock::Clock;
use crate::journal::Answer;
use crate::live::Live;
use crate::mailbox::Mailbox;
use crate::presence::{Command, Outlets};
use crate::vehicles::refusals::Refusals;
use tokio::sync::mpsc;
use waygate_core::admission::Settings;
use waygate_core::epoch::Epoch;
use waygate_core::id::{Incarnation, RegionId, SessionId};
use waygate_core::message::{AttachKind, AttachRequest};
use waygate_core::node::Node;
use waygate_core::record::SpoolReport;
use waygate_core::redirect::Territory;
use waygate_core::region_map::RegionMap;
use waygate_core::session::Accepted;
use waygate_core::time::Millis;
use waygate_core::timers::Timers;
use waygate_core::token::KeyRing;
use waygate_core::view::NodeInfo;
use waygate_core::wake::WakeChannels;

const SPOOL: SpoolId = SpoolId(7);

fn vehicle() -> VehicleId {
    VehicleId::new("LUX-1").unwrap()
}

fn node(name: &str) -> Node {
    let mut keys = KeyRing::default();
    for (number, region) in (1..).zip(["west", "centre", "east"]) {
        keys.insert(RegionId::new(region).unwrap(), vec![number; 32]);
    }
    let me = NodeInfo {
        id: NodeId::new(name).unwrap(),
        region: RegionId::new(name).unwrap(),
        incarnation: Incarnation(1),
        vehicles_url: String::new(),
        operators_url: String::new(),
        draining: false,
        rest: Box::default(),
    };
    Node::new(me, Timers::default(), keys)
}

/// What a vehicle has of a session that it had there.
fn token_of(name: &str, epoch: Epoch) -> Vec<u8> {
    node(name).registrar().token(&vehicle(), SessionId(9), epoch)
}

fn ranges(first: u64, last: u64) -> SeqRanges {
    SeqRanges::from_iter([(first, last)])
}

/// The presence task of the gateway in the east, its journal and its errands performed by hand.
struct Rig {
    task: PresenceTask,
    jobs: mpsc::Receiver<Job>,
    errands: mpsc::Receiver<Errand>,
    clock: Clock,
    conns: u64,
}

/// A session that was just accepted.
struct Joined {
    mailbox: Arc<Mailbox>,
    accepted: Box<Accepted>,
    token: Vec<u8>,
}

impl Joined {
    /// What it is told of the gateways before, if it was.
    fn told(&self) -> Option<SeqRanges> {
        self.mailbox.take().into_iter().find_map(|letter| {
            let Letter::Gathered(settled) = letter else { return None };
            Some(settled)
        })
    }
}

impl Rig {
    fn new(errands_max: usize) -> Self {
        let clock = Clock::start();
        let (_, commands) = mpsc::channel(1);
        let (_, answers) = mpsc::channel(1);
        let (journal, jobs) = mpsc::channel(16);
        let (errands, errand_queue) = mpsc::channel(errands_max);
        let live = Live::new(Incarnation(1));
        let outlets = Outlets { journal, errands, live, refusals: Arc::new(Refusals::new(clock)) };
        let territory = Arc::new(Territory::new(RegionId::new("east").unwrap(), RegionMap::default()));
        let settings = Settings { wait_max: Millis(2000), queue_max: 4096, per_second_max: None };
        let gate = Gate::new(settings, clock.now());
        let task = PresenceTask::new(node("east"), clock, commands, answers, outlets, territory, gate);
        Self { task, jobs, errands: errand_queue, clock, conns: 0 }
    }

    /// A vehicle asks for a session with what it has of another one; the attach that waits for the disk.
    fn begins(&mut self, token: Option<Vec<u8>>, spool: SpoolId) -> (Arc<Mailbox>, (VehicleId, SessionId, Epoch)) {
        self.conns += 1;
        let mailbox = Arc::new(Mailbox::new(ConnId(self.conns), self.clock.now()));
        let request = AttachRequest {
            vehicle: vehicle(),
            kind: AttachKind::Handover,
            token,
            boot_id: "b1".to_owned(),
            spool: SpoolReport { id: spool, oldest: 1, last: 0, acked: SeqRanges::new() },
            position: None,
            clock: None,
            signals: Vec::new(),
            wake: WakeChannels::NONE,
        };
        self.task.obey(Command::Attach(mailbox.clone(), Box::new(request)));
        loop {
            let job = self.jobs.try_recv().unwrap();
            let Job::Presence { answer, .. } = job else { panic!("not an attach: {job:?}") };
            if let Some(attach) = answer {
                return (mailbox, attach);
            }
        }
    }

    fn disk_answers(&mut self, (vehicle, session, epoch): (VehicleId, SessionId, Epoch), settled: Option<SeqRanges>) {
        self.task.answered(Answer { vehicle, session, epoch, settled });
    }

    /// The same, and it is stored at once.
    fn joins(&mut self, token: Option<Vec<u8>>, spool: SpoolId) -> Joined {
        let (mailbox, attach) = self.begins(token, spool);
        self.disk_answers(attach, Some(SeqRanges::new()));
        let mut accept = None;
        for letter in mailbox.take() {
            if let Letter::Accept(accepted, token) = letter {
                accept = Some((accepted, token));
            } else if let Letter::Gathered(_) = letter {
                mailbox.put(letter);
            }
        }
        let (accepted, token) = accept.unwrap();
        Joined { mailbox, accepted, token }
    }

    fn errand(&mut self) -> Errand {
        self.errands.try_recv().unwrap()
    }

    /// A gateway answers, or does not.
    fn answers(&mut self, errand: Errand, context: Option<Context>) {
        let Errand { notice, spool, .. } = errand;
        self.task.obey(Command::Gathered { notice, spool: spool.unwrap(), context });
    }

    /// Another gateway has the vehicle by this epoch, and asks.
    fn asked(&mut self, of: &Accepted, by: Epoch) -> oneshot::Receiver<Context> {
        let (reply, answer) = oneshot::channel();
        let (session, epoch) = (of.session, of.epoch);
        let notice = Notice { vehicle: vehicle(), session, epoch, by, recorded: false, detached: false };
        self.task.obey(Command::Context(ContextRequest { notice, spool: SPOOL, reply }));
        answer
    }

    /// What the journal is given of spools.
    fn written(&mut self) -> Vec<Job> {
        let mut jobs = Vec::new();
        while let Ok(job) = self.jobs.try_recv() {
            if matches!(job, Job::Settle { .. } | Job::Fence { .. }) {
                jobs.push(job);
            }
        }
        jobs
    }
}

fn later(epoch: Epoch) -> Epoch {
    Epoch(epoch.0 + 1)
}

fn stored(first: u64, last: u64) -> Option<Context> {
    Some(Context::Settled(ranges(first, last)))
}

#[test]
fn what_another_gateway_has_stored_is_noted_though_the_vehicle_has_left_and_told_to_whoever_asks_meanwhile() {
    let mut rig = Rig::new(4);
    let joined = rig.joins(Some(token_of("west", Epoch(5))), SPOOL);
    assert!(joined.accepted.gathers);
    let errand = rig.errand();
    assert_eq!((errand.spool, rig.written().len()), (Some(SPOOL), 0));
    rig.task.obey(Command::Lost(joined.mailbox.conn()));
    let _answer = rig.asked(&joined.accepted, later(joined.accepted.epoch));
    assert!(rig.written().is_empty(), "it is not answered before");
    rig.answers(errand, stored(1, 5));
    let written = rig.written();
    let [Job::Settle { write: settle, mailbox: None }, Job::Fence { .. }] = &written[..] else {
        panic!("{written:?}");
    };
    assert_eq!(*settle, Write::Settle { vehicle: vehicle(), spool: SPOOL, settled: ranges(1, 5) });
}

#[test]
fn whoever_asks_after_its_entry_has_come_and_the_vehicle_has_left_is_answered_behind_what_is_noted_too() {
    let mut rig = Rig::new(4);
    let joined = rig.joins(Some(token_of("west", Epoch(5))), SPOOL);
    let (errand, by) = (rig.errand(), later(joined.accepted.epoch));
    rig.task.register(RegistrarEvent::Outranked { vehicle: vehicle(), by, detached: false });
    rig.task.obey(Command::Lost(joined.mailbox.conn()));
    let _answer = rig.asked(&joined.accepted, by);
    assert!(rig.written().is_empty());
    rig.answers(errand, None);
    assert!(matches!(rig.written()[..], [Job::Fence { .. }]), "and without an answer, at once");
    let _answer = rig.asked(&joined.accepted, by);
    assert!(matches!(rig.written()[..], [Job::Fence { .. }]), "nothing is waited for any more");
}

#[test]
fn gateways_between_which_the_vehicle_went_back_at_once_do_not_wait_for_each_other() {
    let mut rig = Rig::new(4);
    let joined = rig.joins(Some(token_of("west", Epoch(5))), SPOOL);
    let epoch = joined.accepted.epoch;
    let mut answer = rig.asked(&joined.accepted, Epoch(epoch.0 - 1));
    assert_eq!(answer.try_recv(), Ok(Context::Later(epoch)), "while its own question is under way");
}

#[test]
fn while_the_vehicle_attaches_here_whoever_asks_waits_for_the_disk() {
    for stored in [true, false] {
        let mut rig = Rig::new(4);
        let joined = rig.joins(None, SPOOL);
        let before = joined.accepted.clone();
        // Two more attaches: one elsewhere, which asks, and one here, which is not on disk yet.
        let by = later(before.epoch);
        let (mailbox, attach) = rig.begins(Some(token_of("west", by)), SPOOL);
        let mut answer = rig.asked(&before, by);
        assert_eq!((answer.try_recv(), rig.written().len()), (Err(oneshot::error::TryRecvError::Empty), 0));
        rig.disk_answers(attach.clone(), stored.then(SeqRanges::new));
        if stored {
            assert_eq!(answer.try_recv(), Ok(Context::Later(attach.2)));
        } else {
            assert!(matches!(rig.written()[..], [Job::Fence { .. }]), "that attach is none");
        }
        drop(mailbox);
    }
}

#[test]
fn a_later_attach_by_which_the_vehicle_is_not_connected_ends_no_session_elsewhere() {
    let mut rig = Rig::new(4);
    let joined = rig.joins(None, SPOOL);
    rig.task.obey(Command::Detach(joined.mailbox.conn(), waygate_core::cause::DetachCause::IgnitionOff));
    let mut answer = rig.asked(&joined.accepted, Epoch(joined.accepted.epoch.0 - 1));
    assert_eq!(answer.try_recv(), Ok(Context::Refused));
}

#[test]
fn a_session_of_which_a_later_attach_is_known_elsewhere_goes_on_until_the_entry_comes() {
    let mut rig = Rig::new(4);
    let joined = rig.joins(Some(token_of("west", Epoch(5))), SPOOL);
    let errand = rig.errand();
    rig.answers(errand, Some(Context::Refused));
    assert_eq!(joined.told(), Some(SeqRanges::new()));
}

#[test]
fn who_waits_for_the_question_of_a_session_is_told_of_the_next_one() {
    let mut rig = Rig::new(4);
    let before = rig.joins(Some(token_of("west", Epoch(5))), SPOOL);
    let by = later(before.accepted.epoch);
    let mut answer = rig.asked(&before.accepted, by);
    assert_eq!(answer.try_recv(), Err(oneshot::error::TryRecvError::Empty), "the first question is under way");
    // The vehicle comes back: of three gateways none waits for the others.
    let joined = rig.joins(Some(token_of("centre", by)), SPOOL);
    assert_eq!(answer.try_recv(), Ok(Context::Later(joined.accepted.epoch)));
}

#[test]
fn a_session_that_lost_where_the_vehicle_came_from_takes_no_telemetry() {
    let mut rig = Rig::new(4);
    let joined = rig.joins(Some(token_of("west", Epoch(5))), SPOOL);
    let (errand, by) = (rig.errand(), later(joined.accepted.epoch));
    rig.answers(errand, Some(Context::Later(by)));
    let letters = joined.mailbox.take();
    assert!(letters.iter().any(|letter| matches!(letter, Letter::Close(4409))), "{letters:?}");
    assert!(!letters.iter().any(|letter| matches!(letter, Letter::Gathered(_))), "{letters:?}");
    let shown = rig.task.state.node.view().sight(rig.clock.now(), &vehicle()).unwrap();
    assert_eq!(shown.known, waygate_core::view::Known::Online, "until the entry of the other one is here");
}

#[test]
fn a_session_waits_for_what_the_one_before_it_has_asked() {
    let mut rig = Rig::new(4);
    let before = rig.joins(Some(token_of("west", Epoch(5))), SPOOL);
    let errand = rig.errand();
    let joined = rig.joins(Some(before.token), SPOOL);
    assert!(joined.accepted.gathers, "it comes from here, and asks nobody itself");
    assert!(rig.errands.try_recv().is_err());
    rig.answers(errand, stored(1, 5));
    let written = rig.written();
    let [Job::Settle { mailbox: Some(mailbox), .. }] = &written[..] else { panic!("{written:?}") };
    assert_eq!(mailbox.conn(), joined.mailbox.conn());
}

#[test]
fn of_two_questions_the_last_answer_ends_the_waiting() {
    let mut rig = Rig::new(4);
    let before = rig.joins(Some(token_of("west", Epoch(5))), SPOOL);
    let joined = rig.joins(Some(token_of("centre", later(before.accepted.epoch))), SPOOL);
    let (first, second) = (rig.errand(), rig.errand());
    rig.answers(first, stored(1, 5));
    assert!(matches!(rig.written()[..], [Job::Settle { mailbox: None, .. }]), "noted, and still waited for");
    assert_eq!(joined.told(), None);
    rig.answers(second, None);
    // Of the disk it is told what the first one noted.
    let written = rig.written();
    let [Job::Settle { mailbox: Some(mailbox), .. }] = &written[..] else { panic!("{written:?}") };
    assert_eq!((mailbox.conn(), joined.told()), (joined.mailbox.conn(), None));
}

#[test]
fn with_a_journal_that_takes_nothing_telemetry_goes_on_without_what_is_told() {
    let mut rig = Rig::new(4);
    let joined = rig.joins(Some(token_of("west", Epoch(5))), SPOOL);
    let errand = rig.errand();
    rig.jobs.close();
    rig.answers(errand, stored(1, 5));
    assert_eq!(joined.told(), Some(SeqRanges::new()));
}

#[test]
fn what_is_noted_of_one_spool_is_not_told_to_a_session_of_another() {
    let mut rig = Rig::new(4);
    let before = rig.joins(Some(token_of("west", Epoch(5))), SPOOL);
    let errand = rig.errand();
    let joined = rig.joins(Some(before.token), SpoolId(8));
    rig.answers(errand, stored(1, 5));
    assert!(matches!(rig.written()[..], [Job::Settle { mailbox: None, .. }]));
    assert_eq!(joined.told(), Some(SeqRanges::new()));
}

#[test]
fn with_too_many_errands_telemetry_is_taken_without_asking() {
    let mut rig = Rig::new(1);
    let before = rig.joins(Some(token_of("west", Epoch(5))), SPOOL);
    let joined = rig.joins(Some(token_of("centre", later(before.accepted.epoch))), SPOOL);
    assert_eq!(joined.told(), None, "the first question is under way");
    let errand = rig.errand();
    rig.answers(errand, None);
    assert_eq!(joined.told(), Some(SeqRanges::new()), "the second was never asked");
    let _answer = rig.asked(&joined.accepted, later(joined.accepted.epoch));
    assert!(matches!(rig.written()[..], [Job::Fence { .. }]), "nobody waits");
}

#[test]
fn so_many_wait_for_an_answer_and_no_more() {
    let mut rig = Rig::new(4);
    let joined = rig.joins(Some(token_of("west", Epoch(5))), SPOOL);
    let by = later(joined.accepted.epoch);
    let mut answers: Vec<_> = (0..=WAITING_MAX).map(|_| rig.asked(&joined.accepted, by)).collect();
    let ended = |answer: &mut oneshot::Receiver<_>| answer.try_recv() == Err(oneshot::error::TryRecvError::Closed);
    let ended: Vec<bool> = answers.iter_mut().map(ended).collect();
    assert_eq!(ended, [false, false, false, false, true]);
}
