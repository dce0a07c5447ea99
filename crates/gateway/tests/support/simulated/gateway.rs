//! One gateway on a simulated host: the presence task and the wiring of peers as they are, over a disk in memory.

use super::disk::Disk;
use super::net::{Door, dial, url};
use super::seen::Seen;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use waygate_core::admission::Settings;
use waygate_core::id::{ConnId, Incarnation, NodeId, RegionId, SpoolId, VehicleId};
use waygate_core::message::{AttachKind, AttachRequest};
use waygate_core::node::{Event, Node};
use waygate_core::ranges::SeqRanges;
use waygate_core::record::SpoolReport;
use waygate_core::redirect::Territory;
use waygate_core::region_map::RegionMap;
use waygate_core::registrar::Event as RegistrarEvent;
use waygate_core::time::{Millis, Wall};
use waygate_core::timers::Timers;
use waygate_core::token::KeyRing;
use waygate_core::view::NodeInfo;
use waygate_core::wake::WakeChannels;
use waygate_gateway::admission::Gate;
use waygate_gateway::clock::Clock;
use waygate_gateway::live::Live;
use waygate_gateway::mailbox::{Letter, Mailbox};
use waygate_gateway::peers::channels::Channels;
use waygate_gateway::peers::gate;
use waygate_gateway::peers::membership::{Parts, Ways};
use waygate_gateway::peers::wiring::{Wiring, guarded};
use waygate_gateway::presence::{Command, Outlets, Presence, PresenceTask, restored};
use waygate_gateway::tasks::Tasks;
use waygate_gateway::tls::serve::serve;
use waygate_gateway::vehicles::refusals::Refusals;

/// How often it is looked what a gateway knows.
pub const LOOK: Duration = Duration::from_millis(50);

/// How long what is told and what ends may take when a gateway stops.
const PATIENCE: Duration = Duration::from_secs(5);

/// What a test asks of a gateway.
pub enum Order {
    /// A vehicle attaches, with the token of its last accept if it has one.
    Attach(String),
    /// It stops on purpose, and is told once it may end.
    Leave(oneshot::Sender<()>),
}

/// Tokens by vehicle.
pub type Tokens = Arc<Mutex<BTreeMap<String, Vec<u8>>>>;

/// What a host is, over all its lives. Cheap to clone.
#[derive(Clone)]
pub struct Host {
    pub name: String,
    pub region: String,
    pub regions: Vec<String>,
    pub seeds: Vec<String>,
    pub disk: Disk,
    pub chance: u64,
    /// What it knows now.
    pub seen: Arc<Mutex<Seen>>,
    /// To the present life.
    pub orders: Arc<Mutex<Option<mpsc::Sender<Order>>>>,
    /// What vehicles have.
    pub tokens: Tokens,
    /// What happened, of all hosts.
    pub trace: Arc<Mutex<Vec<String>>>,
}

struct Life {
    host: Host,
    clock: Clock,
    presence: Presence,
    ways: Ways,
    tasks: Tasks,
    conns: u64,
}

impl Host {
    /// One life, until it is told to leave.
    pub async fn live(self) -> turmoil::Result {
        let (orders, mut queue) = mpsc::channel(64);
        *self.orders.lock().unwrap() = Some(orders);
        let mut life = Life::begin(self).await?;
        let mut look = tokio::time::interval(LOOK);
        loop {
            tokio::select! {
                biased;
                order = queue.recv() => match order {
                    Some(Order::Attach(vehicle)) => life.attach(&vehicle),
                    Some(Order::Leave(left)) => {
                        life.leave().await;
                        let _ = left.send(());
                        // What is left of its sockets ends with the process.
                        return std::future::pending().await;
                    }
                    None => return Ok(()),
                },
                _ = look.tick() => life.look().await,
            }
        }
    }

    fn keys(&self) -> KeyRing {
        let mut keys = KeyRing::default();
        for (number, region) in (1..).zip(&self.regions) {
            keys.insert(RegionId::new(region).unwrap(), vec![number; 32]);
        }
        keys
    }

    fn restored(&self, me: NodeInfo, clock: &Clock) -> Node {
        let mut node = Node::new(me, Timers::default(), self.keys());
        for record in self.disk.vehicles() {
            let (vehicle, entry) = restored(clock, &record).unwrap();
            node.apply(clock.now(), Event::Session(RegistrarEvent::Restored { vehicle, entry }), &mut Vec::new());
        }
        node
    }
}

impl Life {
    async fn begin(host: Host) -> Result<Self, std::io::Error> {
        let wall = turmoil::since_epoch().expect("only in a simulation").as_millis();
        let clock = Clock::start_at(Wall(i64::try_from(wall).unwrap()));
        let me = NodeInfo {
            id: NodeId::new(&host.name).unwrap(),
            region: RegionId::new(&host.region).unwrap(),
            incarnation: Incarnation(host.disk.next_life()),
            vehicles_url: format!("ws://{}:7001/v1/obu", host.name),
            operators_url: url(&host.name),
            draining: false,
            rest: Box::default(),
        };
        let tasks = Tasks::default();
        let (commands, command_queue) = mpsc::channel(4096);
        let (answers, answer_queue) = mpsc::channel(4096);
        let (journal, jobs) = mpsc::channel(4096);
        let (errands, errand_queue) = mpsc::channel(1024);
        tasks.spawn("disk", host.disk.clone().run(jobs, answers));
        let presence = Presence::new(commands);
        let live = Live::new(me.incarnation);
        let outlets = Outlets { journal, errands, live, refusals: Arc::new(Refusals::new(clock)) };
        let territory = Arc::new(Territory::new(me.region.clone(), RegionMap::default()));
        let settings = Settings { wait_max: Millis(2000), queue_max: 4096, per_second_max: None };
        let gate = Gate::new(settings, clock.now());
        let node = host.restored(me.clone(), &clock);
        let task = PresenceTask::new(node, clock, command_queue, answer_queue, outlets, territory, gate);
        tokio::spawn(task.run());

        let channels = Channels::over(dial);
        let parts = Parts { clock, presence: presence.clone(), channels, tasks: tasks.clone(), sockets_max: 1000 };
        let chance = host.chance.wrapping_add(me.incarnation.0);
        let wiring = Wiring::new(me, &host.seeds, chance, parts);
        let ways = wiring.ways().clone();
        let router = guarded(wiring.routes(), gate::Gate::new(None));
        tasks.spawn("peers", serve(Door::open().await?, None, router, tasks.clone()));
        wiring.begin(errand_queue);
        Ok(Self { host, clock, presence, ways, tasks, conns: 0 })
    }

    /// A vehicle's socket, as far as its session needs one.
    fn attach(&mut self, vehicle: &str) {
        let token = self.host.tokens.lock().unwrap().get(vehicle).cloned();
        self.conns += 1;
        let mailbox = Arc::new(Mailbox::new(ConnId(self.conns), self.clock.now()));
        let request = AttachRequest {
            vehicle: VehicleId::new(vehicle).unwrap(),
            kind: if token.is_some() { AttachKind::Handover } else { AttachKind::Initial },
            token,
            boot_id: "b1".to_owned(),
            spool: SpoolReport { id: SpoolId(7), oldest: 1, last: 0, acked: SeqRanges::new() },
            position: None,
            clock: None,
            signals: Vec::new(),
            wake: WakeChannels::NONE,
        };
        assert!(self.presence.try_attach(mailbox.clone(), Box::new(request)));
        tokio::spawn(read(mailbox, vehicle.to_owned(), self.presence.clone(), self.host.tokens.clone()));
    }

    async fn look(&self) {
        let Some(seen) = self.presence.ask(Seen::of).await else { return };
        let mut before = self.host.seen.lock().unwrap();
        let at = turmoil::sim_elapsed().expect("only in a simulation").as_millis();
        let mut trace = self.host.trace.lock().unwrap();
        trace.extend(seen.news(&before).into_iter().map(|what| format!("{at} {} {what}", self.host.name)));
        *before = seen;
    }

    /// As a gateway that is told to stop.
    async fn leave(self) {
        self.presence.tell(Command::SendAway).await;
        self.ways.leave(PATIENCE).await;
        self.tasks.stop();
        drop(self.presence);
        assert_eq!(self.tasks.ended(PATIENCE).await, 0, "tasks of {} do not end", self.host.name);
    }
}

/// Reads what the gateway has for a vehicle, until its socket is closed.
async fn read(mailbox: Arc<Mailbox>, vehicle: String, presence: Presence, tokens: Tokens) {
    loop {
        mailbox.arrived().await;
        for letter in mailbox.take() {
            if let Letter::Accept(_, token) = letter {
                tokens.lock().unwrap().insert(vehicle.clone(), token);
            } else if let Letter::Close(_) = letter {
                return presence.tell(Command::Lost(mailbox.conn())).await;
            }
        }
    }
}
