use super::*;
use waygate_core::cell::Cell;
use waygate_core::homes::HomeRegions;
use waygate_core::id::{Incarnation, RegionId, SessionId};
use waygate_core::log::{Entry, LiveState, Suffix};
use waygate_core::record::Position;
use waygate_core::time::{Millis, Mono};
use waygate_core::timers::Timers;
use waygate_core::view::NodeInfo;
use waygate_core::wake::WakeChannels;

fn gateway(id: &str) -> NodeInfo {
    NodeInfo {
        id: NodeId::new(id).unwrap(),
        region: RegionId::new("west").unwrap(),
        incarnation: Incarnation(3),
        vehicles_url: String::new(),
        operators_url: String::new(),
        draining: false,
        rest: Box::default(),
    }
}

fn view() -> View {
    View::new(gateway("west-1"), Timers::default())
}

fn vehicle(number: usize) -> VehicleId {
    VehicleId::new(&format!("LUX-{number}")).unwrap()
}

fn entry(state: LiveState, epoch: u64) -> Entry {
    Entry {
        epoch: Epoch(epoch),
        session: SessionId(9),
        state,
        cause: (state == LiveState::Detached).then_some(DetachCause::IgnitionOff),
        cell: None,
        contact: Mono(0),
        sleep: Millis(0),
        wake: WakeChannels::NONE,
        cloned: false,
    }
}

fn drained(news: &mut mpsc::Receiver<News>) -> Vec<(u8, u64, i64, bool)> {
    let one = |news: News| (news.record.state, news.record.seq, news.record.at.0, news.first);
    std::iter::from_fn(|| news.try_recv().ok()).map(one).collect()
}

#[test]
fn a_change_of_state_epoch_or_suspicion_is_news_and_another_cell_is_not() {
    let (sender, mut news) = mpsc::channel(8);
    let (mut view, vehicle) = (view(), vehicle(1));
    let mut timeline = Timeline::new(sender, &view);
    let mut say = |entry: Entry, wall: i64| {
        view.publish(Mono(0), vehicle.clone(), entry);
        timeline.changed(&view, &vehicle, Wall(wall));
        timeline.changed(&view, &vehicle, Wall(wall + 1));
    };
    say(entry(LiveState::Connected, 1), 10);
    say(Entry { cell: Cell::of(Position::from_degrees(49.6, 6.1)), ..entry(LiveState::Connected, 1) }, 20);
    say(Entry { cloned: true, ..entry(LiveState::Connected, 1) }, 30);
    say(entry(LiveState::Connected, 2), 40);
    say(entry(LiveState::Detached, 2), 50);
    say(entry(LiveState::Removed, 2), 60);
    let wanted = [(1, 1, 10, true), (1, 3, 30, false), (1, 4, 40, false), (5, 5, 50, false), (6, 6, 60, false)];
    assert_eq!(drained(&mut news), wanted);
}

#[test]
fn what_finds_no_room_is_looked_at_again_as_it_stands_then() {
    let (sender, mut news) = mpsc::channel(1);
    let mut view = view();
    let mut timeline = Timeline::new(sender, &view);
    for number in 1..=3 {
        view.publish(Mono(0), vehicle(number), entry(LiveState::Connected, 1));
        timeline.changed(&view, &vehicle(number), Wall(10));
    }
    view.publish(Mono(0), vehicle(2), entry(LiveState::Idle, 1));
    assert_eq!(drained(&mut news), [(1, 1, 10, true)]);
    timeline.tick(&view, Wall(20));
    assert_eq!(drained(&mut news), [(2, 4, 20, true)]);
    timeline.tick(&view, Wall(30));
    assert_eq!(drained(&mut news), [(1, 3, 30, true)]);
    assert!(timeline.again.is_empty());
}

#[test]
fn what_the_view_holds_at_the_start_is_looked_at_and_what_it_forgets_is_forgotten() {
    let (sender, mut news) = mpsc::channel(8);
    let mut view = view();
    view.publish(Mono(0), vehicle(1), entry(LiveState::Removed, 1));
    let mut timeline = Timeline::new(sender, &view);
    timeline.tick(&view, Wall(10));
    assert_eq!(drained(&mut news), [(6, 1, 10, true)]);
    assert_eq!(timeline.last.len(), 1);
    view.expire_tombstones(Mono(2_000), Millis(1_000));
    timeline.tick(&view, Wall(20));
    assert!(timeline.last.is_empty());
}

#[test]
fn what_a_gateway_of_the_region_says_for_other_regions_says_less_and_does_not_count() {
    let (sender, mut news) = mpsc::channel(8);
    let (mut view, vehicle) = (view(), vehicle(1));
    let list = ["west", "east"].map(|region| RegionId::new(region).unwrap());
    view.set_homes(HomeRegions::new(list.to_vec(), None).unwrap());
    let (peer, cell) = (gateway("west-2"), Cell::of(Position::from_degrees(49.6, 6.1)));
    view.mention(Mono(0), peer.clone());
    let mut timeline = Timeline::new(sender, &view);
    let mut hears = |log: LogId, seq, state| {
        let entry = Entry { cell, ..entry(state, 1) };
        let suffix =
            Suffix { from: 0, to: seq, entries: vec![(vehicle.clone(), Slot { seq, entry })], rests: BTreeMap::new() };
        view.apply(Mono(0), &log, suffix).unwrap();
        timeline.changed(&view, &vehicle, Wall(10));
    };
    let (detail, abroad) = (LogId::detail, LogId::directory);
    hears(detail(peer.id.clone(), peer.incarnation), 100, LiveState::Connected);
    hears(abroad(peer.id.clone(), peer.incarnation), 40, LiveState::Connected);
    hears(detail(peer.id.clone(), peer.incarnation), 150, LiveState::Asleep);
    let told = std::iter::from_fn(|| news.try_recv().ok()).map(|news| (news.record.seq, news.record.cell));
    assert_eq!(told.collect::<Vec<_>>(), [(100, cell), (150, cell)]);
}
