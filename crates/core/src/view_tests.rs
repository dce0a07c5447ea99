use super::{AgeKind, Known, Liveness, NodeInfo, Sight, StaleWhy, Tally, View};
use crate::cause::DetachCause;
use crate::epoch::Epoch;
use crate::homes::{HomeRegions, Part};
use crate::id::{Incarnation, NodeId, RegionId, SessionId, VehicleId};
use crate::log::{Entry, LiveState, Log, LogId, Slot, Suffix};
use crate::membership::Standing;
use crate::time::{Millis, Mono};
use crate::timers::Timers;
use crate::wake::WakeChannels;
use proptest::prelude::*;
use std::collections::BTreeMap;

const NOW: Mono = Mono(1 << 40);
const VEHICLES: u8 = 5;

pub fn info(id: &str, incarnation: u64) -> NodeInfo {
    NodeInfo {
        id: NodeId::new(id).unwrap(),
        region: RegionId::new(id).unwrap(),
        incarnation: Incarnation(incarnation),
        vehicles_url: String::new(),
        operators_url: String::new(),
        draining: false,
        rest: Box::default(),
    }
}

fn log_id(owner: &str, incarnation: u64) -> LogId {
    LogId::detail(NodeId::new(owner).unwrap(), Incarnation(incarnation))
}

fn vehicle(n: u8) -> VehicleId {
    VehicleId::new(&format!("V{n:03}")).unwrap()
}

fn entry(epoch: u64, state: LiveState) -> Entry {
    Entry {
        epoch: Epoch(epoch),
        session: SessionId(epoch),
        state,
        cause: None,
        cell: None,
        contact: NOW,
        sleep: Millis(0),
        wake: WakeChannels::NONE,
        cloned: false,
    }
}

fn view() -> View {
    View::new(info("me", 1), Timers::default())
}

/// A view that heard every owner directly in its life 1 and holds one log of "a".
fn view_of_a(entries: &[(u8, Entry)]) -> View {
    let mut log = Log::new(log_id("a", 1));
    for (v, entry) in entries {
        log.publish(NOW, vehicle(*v), entry.clone());
    }
    let mut view = view();
    hear(&mut view, NOW, info("a", 1));
    view.apply(NOW, log.id(), log.suffix(0, usize::MAX, &Part::Whole)).unwrap();
    view
}

fn hear(view: &mut View, now: Mono, info: NodeInfo) {
    let id = info.id.clone();
    view.mention(now, info);
    view.set_liveness(&id, Liveness::Alive { heard: now });
}

fn everyone(view: &View, now: Mono) -> Vec<Sight> {
    let mut all = Vec::new();
    assert_eq!(view.scan(now, None, usize::MAX, |sight| all.push(sight)), None);
    all
}

fn recount(view: &View, owner: &NodeId) -> Tally {
    let mut tally = Tally::default();
    for sight in everyone(view, NOW).into_iter().filter(|sight| sight.owner == *owner) {
        *match (sight.stale, sight.known) {
            (Some(_), _) => &mut tally.stale,
            (None, Known::Online) => &mut tally.online,
            (None, Known::Idle) => &mut tally.idle,
            (None, Known::Asleep) => &mut tally.asleep,
            (None, Known::Unreachable) => &mut tally.unreachable,
            (None, Known::Offline) => &mut tally.offline,
        } += 1;
    }
    tally
}

/// Logs of three owners in up to three lives, as they were written: (log, vehicle, step of the epoch, state).
type Written = Vec<(usize, u8, u64, LiveState)>;

fn written() -> impl Strategy<Value = Written> {
    let state = prop::sample::select(LiveState::ALL);
    prop::collection::vec((0usize..9, 0..VEHICLES, 0u64..3, state), 1..40)
}

/// The logs, and the order of the publications. Epochs of a vehicle never fall within one life.
fn logs_of(written: &Written) -> BTreeMap<LogId, Vec<(VehicleId, Entry)>> {
    let mut logs: BTreeMap<LogId, Vec<(VehicleId, Entry)>> = BTreeMap::new();
    for &(log, v, step, state) in written {
        let id = log_id(["a", "b", "c"][log % 3], 1 + log as u64 / 3);
        let entries = logs.entry(id).or_default();
        let last = entries.iter().rev().find(|(it, _)| *it == vehicle(v)).map_or(1, |(_, e)| e.epoch.0);
        entries.push((vehicle(v), entry(last + step, state)));
    }
    logs
}

fn replay(id: &LogId, entries: &[(VehicleId, Entry)]) -> Log {
    let mut log = Log::new(id.clone());
    for (vehicle, entry) in entries {
        log.publish(NOW, vehicle.clone(), entry.clone());
    }
    log
}

/// The winner by its definition, looking at everything that was ever written last.
fn winner_by_hand(logs: &[Log], vehicle: &VehicleId) -> Option<(LogId, Slot)> {
    let held: Vec<(&LogId, &Slot)> = logs.iter().filter_map(|log| Some((log.id(), log.slot(vehicle)?))).collect();
    let spoken_later = |id: &LogId, slot: &Slot| {
        held.iter().any(|(other, later)| {
            other.owner == id.owner && other.incarnation > id.incarnation && later.entry.epoch >= slot.entry.epoch
        })
    };
    held.iter()
        .filter(|(id, slot)| slot.entry.state != LiveState::Removed && !spoken_later(id, slot))
        .max_by_key(|(id, slot)| (slot.entry.epoch, id.owner.clone(), id.incarnation))
        .map(|(id, slot)| ((*id).clone(), (*slot).clone()))
}

/// Reads all logs in pieces, in the order of `turns`, some pieces twice.
fn read(view: &mut View, logs: &[Log], turns: &[(usize, usize, bool)]) {
    let mut cursors = vec![0; logs.len()];
    let mut turns = turns.iter().cycle();
    while logs.iter().zip(&cursors).any(|(log, cursor)| *cursor < log.head()) {
        let &(which, max, twice) = turns.next().unwrap();
        // A turn of a log that is read to its end goes to the next one.
        let behind: Vec<usize> = (0..logs.len()).filter(|&n| cursors[n] < logs[n].head()).collect();
        let n = behind[which % behind.len()];
        let piece = logs[n].suffix(cursors[n], max, &Part::Whole);
        cursors[n] = piece.to;
        for _ in 0..=usize::from(twice) {
            view.apply(NOW, logs[n].id(), piece.clone()).unwrap();
        }
    }
}

fn turns() -> impl Strategy<Value = Vec<(usize, usize, bool)>> {
    prop::collection::vec((0usize..9, 1usize..4, any::<bool>()), 12)
}

proptest! {
    /// The order in which logs arrive, the size of the pieces and repeats leave no trace.
    #[test]
    fn joining_is_commutative_associative_and_idempotent(written in written(), one in turns(), two in turns()) {
        let logs: Vec<Log> = logs_of(&written).iter().map(|(id, entries)| replay(id, entries)).collect();
        let mut views = [view(), view()];
        for (view, turns) in views.iter_mut().zip([&one, &two]) {
            for log in &logs {
                hear(view, NOW, NodeInfo { incarnation: log.id().incarnation, ..info(log.id().owner.as_str(), 0) });
            }
            read(view, &logs, turns);
        }
        prop_assert_eq!(everyone(&views[0], NOW), everyone(&views[1], NOW));
        for owner in ["a", "b", "c"] {
            let owner = NodeId::new(owner).unwrap();
            prop_assert_eq!(views[0].tally(&owner), views[1].tally(&owner));
        }
    }

    /// A view that followed while the logs were written, and one that reads them at the end, agree with the definition.
    #[test]
    fn the_winner_is_a_pure_function_of_what_was_written(
        written in written(), reads in prop::collection::vec(any::<bool>(), 40), turns in turns()
    ) {
        let (mut early, mut late) = (view(), view());
        for upto in 1..=written.len() {
            let so_far = logs_of(&written[..upto].to_vec());
            for (id, entries) in so_far.iter().filter(|_| reads[upto - 1]) {
                let cursor = early.log(id).map_or(0, Log::head);
                early.apply(NOW, id, replay(id, entries).suffix(cursor, usize::MAX, &Part::Whole)).unwrap();
            }
        }
        let logs: Vec<Log> = logs_of(&written).iter().map(|(id, entries)| replay(id, entries)).collect();
        for log in &logs {
            let cursor = early.log(log.id()).map_or(0, Log::head);
            early.apply(NOW, log.id(), log.suffix(cursor, usize::MAX, &Part::Whole)).unwrap();
        }
        read(&mut late, &logs, &turns);
        for v in (0..VEHICLES).map(vehicle) {
            let by_hand = winner_by_hand(&logs, &v);
            for view in [&early, &late] {
                let winner = view.winner(&v).map(|(id, slot)| (id.clone(), slot.clone()));
                prop_assert_eq!(&winner, &by_hand);
            }
        }
    }

    /// Whatever is mentioned, heard and lost in between.
    #[test]
    fn the_tally_equals_a_recount_and_only_present_lives_that_were_heard_are_believed(
        written in written(), turns in turns(),
        news in prop::collection::vec((0usize..3, 1u64..5, 0u8..3), 0..12), snapshots in any::<bool>()
    ) {
        let mut view = view();
        let logs: Vec<Log> = logs_of(&written).iter().map(|(id, entries)| replay(id, entries)).collect();
        let mut lives: BTreeMap<NodeId, (u64, Option<u64>)> = BTreeMap::new();
        for owner in ["a", "b", "c"] {
            hear(&mut view, NOW, info(owner, 1));
            lives.insert(info(owner, 1).id, (1, Some(1)));
        }
        for log in &logs {
            view.mention(NOW, NodeInfo { incarnation: log.id().incarnation, ..info(log.id().owner.as_str(), 0) });
            let life = lives.entry(log.id().owner.clone()).or_default();
            life.0 = life.0.max(log.id().incarnation.0);
        }
        read(&mut view, &logs, &turns);
        if snapshots {
            logs.iter().for_each(|log| { view.replace(log.clone()); });
        }
        view.publish(NOW, vehicle(0), entry(3, LiveState::Idle));
        for (which, incarnation, what) in news {
            let owner = info(["a", "b", "c"][which], incarnation);
            let id = owner.id.clone();
            let life = lives.entry(id.clone()).or_default();
            match what {
                0 => { view.mention(NOW, owner); life.0 = life.0.max(incarnation); }
                // A stream of an ended life is refused by the link.
                1 if incarnation >= life.0 => { hear(&mut view, NOW, owner); *life = (incarnation, Some(incarnation)); }
                1 => {}
                _ => { view.set_liveness(&id, Liveness::Lost { since: NOW }); life.1 = None; }
            }
            for owner in ["a", "b", "c", "me"].map(|id| NodeId::new(id).unwrap()) {
                prop_assert_eq!(view.tally(&owner), recount(&view, &owner), "{}", owner);
            }
            for sight in everyone(&view, NOW).into_iter().filter(|sight| sight.owner.as_str() != "me") {
                let (latest, heard) = lives[&sight.owner];
                let (id, _) = view.winner(&sight.vehicle).unwrap();
                let present = id.incarnation.0 == latest && heard == Some(latest);
                prop_assert_eq!(sight.stale.is_none(), present, "{:?}", sight);
            }
        }
    }

    #[test]
    fn pages_of_a_scan_cover_everything_exactly_once(
        present in prop::collection::btree_set(0u8..40, 0..40), page in 1usize..9
    ) {
        let entries: Vec<_> = present.iter().map(|&v| (v, entry(1, LiveState::Idle))).collect();
        let view = view_of_a(&entries);
        let (mut seen, mut after) = (Vec::new(), None);
        loop {
            let before = seen.len();
            after = view.scan(NOW, after.as_ref(), page, |sight| seen.push(sight.vehicle));
            prop_assert!(seen.len() - before <= page);
            if after.is_none() { break }
        }
        prop_assert_eq!(seen, present.into_iter().map(vehicle).collect::<Vec<_>>());
    }

    /// The owner says within ping + pong + hold that a vehicle fell silent; whatever this node missed since it
    /// heard the owner, the vehicle may have fallen silent right after.
    #[test]
    fn a_shown_age_is_never_too_young(
        connected_ago in 0u64..100_000_000, silent_after in 0u64..100_000_000, heard_ago in 0u64..100_000_000, how in 0u8..4
    ) {
        let timers = Timers::default();
        let (connected, heard) = (NOW.before(Millis(connected_ago)), NOW.before(Millis(heard_ago)));
        let last_contact = (connected + Millis(silent_after)).min(NOW);
        let said_idle = last_contact + timers.silence_max();
        let mut log = Log::new(log_id("a", 1));
        log.publish(connected, vehicle(1), Entry { contact: connected, ..entry(1, LiveState::Connected) });
        if said_idle <= heard {
            log.publish(said_idle, vehicle(1), Entry { contact: last_contact, ..entry(1, LiveState::Idle) });
        }
        let mut view = view();
        match how {
            // Heard directly, still or no more.
            0 => hear(&mut view, heard, info("a", 1)),
            1 => {
                hear(&mut view, heard, info("a", 1));
                view.set_liveness(&info("a", 1).id, Liveness::Lost { since: heard });
            }
            // Only another node heard it then, and told of it now.
            2 => { view.mention(NOW, info("a", 1)); }
            // Heard in this moment, in a later life.
            _ => hear(&mut view, NOW, info("a", 2)),
        }
        prop_assume!(connected <= heard);
        view.apply(NOW, log.id(), log.suffix(0, usize::MAX, &Part::Whole)).unwrap();
        let sight = view.sight(NOW, &vehicle(1)).unwrap();
        prop_assert!(sight.age >= NOW.since(last_contact), "{:?}, silent for {:?}", sight, NOW.since(last_contact));
    }
}

#[test]
fn what_is_shown_follows_the_state_the_age_and_what_is_known_of_the_owner() {
    let timers = Timers::default();
    let reachable = timers.reachable + timers.silence_max();
    let (alive, lost) = (Liveness::Alive { heard: NOW }, Liveness::Lost { since: NOW });
    let unmet = Liveness::Unmet { since: NOW };
    use LiveState::{Connected, Detached, Idle, Unreachable};
    use StaleWhy::{OwnerLost, OwnerRestarted, ViewCutOff};
    let table = [
        (Connected, Millis(0), alive, 1, Known::Online, None),
        (Connected, Millis::secs(99_999), alive, 1, Known::Online, None),
        (Idle, Millis(reachable.0 - 1), alive, 1, Known::Idle, None),
        (Idle, reachable, alive, 1, Known::Unreachable, None),
        (Unreachable, Millis(0), alive, 1, Known::Unreachable, None),
        (Detached, Millis(0), alive, 1, Known::Offline, None),
        (Connected, Millis(0), lost, 1, Known::Online, Some(OwnerLost)),
        (Detached, Millis(0), lost, 1, Known::Offline, Some(OwnerLost)),
        (Connected, Millis(0), unmet, 1, Known::Online, Some(ViewCutOff)),
        (Connected, Millis(0), alive, 2, Known::Online, Some(OwnerRestarted)),
        (Connected, Millis(0), lost, 2, Known::Online, Some(OwnerRestarted)),
    ];
    for (state, age, liveness, life, known, stale) in table {
        let mut view = view_of_a(&[(1, Entry { contact: NOW.before(age), ..entry(1, state) })]);
        view.mention(NOW, info("a", life));
        view.set_liveness(&info("a", 1).id, liveness);
        let sight = view.sight(NOW, &vehicle(1)).unwrap();
        assert_eq!((sight.known, sight.stale), (known, stale), "{state:?} {age:?} {liveness:?} life {life}");
        assert_eq!(sight.update_expected.is_some(), known == Known::Idle);
    }
}

#[test]
fn a_gateway_that_said_that_it_stops_is_told_from_one_that_fell_silent() {
    let mut view = view_of_a(&[(1, entry(1, LiveState::Idle))]);
    view.mention(NOW, info("a", 1));
    view.set_liveness(&info("a", 1).id, Liveness::Lost { since: NOW });
    assert!(view.note_standing(NOW, info("a", 1), Standing::Left));
    assert!(!view.note_standing(NOW, info("a", 1), Standing::Left), "no news");
    let stale = |view: &View| view.sight(NOW, &vehicle(1)).unwrap().stale;
    assert_eq!(stale(&view), Some(StaleWhy::OwnerLeft));
    // Whoever is heard is heard, whatever the cluster thinks.
    view.set_liveness(&info("a", 1).id, Liveness::Alive { heard: NOW });
    assert_eq!(stale(&view), None);
    // Of a later life nothing has been said.
    view.mention(NOW, info("a", 2));
    assert_eq!(view.node(&info("a", 2).id).unwrap().standing, None);
    assert!(!view.note_standing(NOW, info("a", 1), Standing::Down), "that life is over");
    assert_eq!(view.node(&info("a", 2).id).unwrap().standing, None);
}

#[test]
fn a_sleeping_vehicle_is_asleep_for_as_long_as_it_said_and_its_channels_are_shown() {
    let (timers, sleep) = (Timers::default(), Millis::secs(3600));
    let wake = WakeChannels::from_bits(3);
    let late = sleep + timers.sleep_grace + timers.silence_max();
    let still = (Known::Asleep, Some(Millis(0)));
    let table = [
        (Millis::secs(600), (Known::Asleep, Some(Millis::secs(3000)))),
        (sleep, still),
        (Millis(late.0 - 1), still),
        (late, (Known::Unreachable, None)),
    ];
    for (age, (known, expected)) in table {
        let asleep = Entry { sleep, wake, contact: NOW.before(age), ..entry(1, LiveState::Asleep) };
        let sight = view_of_a(&[(1, asleep)]).sight(NOW, &vehicle(1)).unwrap();
        assert_eq!((sight.known, sight.update_expected, sight.wake), (known, expected, wake), "{age:?}");
    }
}

#[test]
fn an_age_is_bounded_by_what_the_owner_would_have_said() {
    let timers = Timers::default();
    let mut view =
        view_of_a(&[(1, Entry { contact: NOW.before(Millis::secs(5000)), ..entry(1, LiveState::Connected) })]);
    let sight = view.sight(NOW, &vehicle(1)).unwrap();
    assert_eq!((sight.age, sight.age_kind), (timers.silence_max(), AgeKind::Bound));
    view.set_liveness(&info("a", 1).id, Liveness::Lost { since: NOW });
    let later = view.sight(NOW + Millis::secs(60), &vehicle(1)).unwrap();
    assert_eq!((later.age, later.view_age), (timers.silence_max() + Millis::secs(60), Millis::secs(60)));
    let contact_ahead = view_of_a(&[(1, Entry { contact: NOW + Millis(5), ..entry(1, LiveState::Idle) })]);
    assert_eq!(contact_ahead.sight(NOW, &vehicle(1)).unwrap().age, Millis(0), "never negative");
}

#[test]
fn a_detached_vehicle_is_shown_with_its_cause() {
    let gone = Entry { cause: Some(DetachCause::Service), ..entry(1, LiveState::Detached) };
    let sight = view_of_a(&[(1, gone)]).sight(NOW, &vehicle(1)).unwrap();
    assert_eq!((sight.known, sight.cause), (Known::Offline, Some(DetachCause::Service)));
}

#[test]
fn a_removed_vehicle_does_not_rise_again_from_an_old_batch_once_its_tombstone_is_gone() {
    let mut log = Log::new(log_id("a", 1));
    log.publish(NOW, vehicle(1), entry(1, LiveState::Connected));
    let old = log.suffix(0, 9, &Part::Whole);
    log.publish(NOW, vehicle(2), entry(1, LiveState::Connected));
    log.publish(NOW, vehicle(1), entry(1, LiveState::Removed));
    let mut view = view_of_a(&[]);
    view.apply(NOW, log.id(), old.clone()).unwrap();
    view.apply(NOW, log.id(), log.suffix(1, 9, &Part::Whole)).unwrap();
    assert_eq!(view.known_epoch(&vehicle(1)), Some(Epoch(1)), "a tombstone still tells the epoch");
    view.expire_tombstones(NOW + Millis(10), Millis(10));
    assert_eq!(view.apply(NOW, log.id(), old), Ok(Vec::new()));
    assert_eq!(view.sight(NOW, &vehicle(1)), None);
    assert_eq!(view.log(log.id()).unwrap().len(), 1);
}

#[test]
fn a_batch_that_names_a_vehicle_twice_is_counted_once() {
    for (from, to) in [(1, 3), (0, 0)] {
        let mut view = view_of_a(&[(1, entry(1, LiveState::Connected))]);
        let slot = |seq, state| (vehicle(1), Slot { seq, entry: entry(1, state) });
        let entries = vec![slot(2, LiveState::Idle), slot(3, LiveState::Asleep)];
        // In sequence, and ahead of it.
        view.apply(NOW, &log_id("a", 1), Suffix { from, to, entries, rests: BTreeMap::new() }).unwrap();
        assert_eq!(view.tally(&info("a", 1).id), Tally { asleep: 1, ..Tally::default() });
    }
}

#[test]
fn a_snapshot_takes_away_what_is_not_in_it() {
    let mut view = view_of_a(&[(1, entry(1, LiveState::Connected)), (2, entry(1, LiveState::Idle))]);
    let whole = replay(&log_id("a", 1), &[(vehicle(2), entry(2, LiveState::Connected))]);
    assert_eq!(view.replace(whole), [vehicle(1), vehicle(2)]);
    assert_eq!(everyone(&view, NOW).len(), 1);
    assert_eq!(view.tally(&info("a", 1).id), Tally { online: 1, ..Tally::default() });
}

#[test]
fn a_batch_that_names_a_vehicle_twice_does_not_spoil_the_counts() {
    let mut view = view_of_a(&[(1, entry(1, LiveState::Connected))]);
    let slot = |seq, state| (vehicle(1), Slot { seq, entry: entry(1, state) });
    let entries = vec![slot(2, LiveState::Idle), slot(3, LiveState::Detached)];
    view.apply(NOW, &log_id("a", 1), Suffix { from: 1, to: 3, entries, rests: Default::default() }).unwrap();
    assert_eq!(view.tally(&info("a", 1).id), Tally { offline: 1, ..Tally::default() });
}

#[test]
fn no_one_else_can_say_which_life_this_node_is_in() {
    let mut view = view();
    assert!(!view.mention(NOW, info("me", 9)));
    assert_eq!(view.own_log_id(), log_id("me", 1));
    view.set_liveness(&info("me", 1).id, Liveness::Lost { since: NOW });
    assert_eq!(view.node(&info("me", 1).id).unwrap().liveness, Liveness::Own);
}

#[test]
fn of_an_owners_lives_the_newest_few_are_held() {
    let mut view = view();
    for life in 1..=6u64 {
        hear(&mut view, NOW, info("a", life));
        let log = replay(&log_id("a", life), &[(vehicle(life as u8), entry(life, LiveState::Connected))]);
        let changed = view.apply(NOW, log.id(), log.suffix(0, 9, &Part::Whole)).unwrap();
        let expected = if life > 4 { vec![life as u8, life as u8 - 4] } else { vec![life as u8] };
        assert_eq!(changed, expected.into_iter().map(vehicle).collect::<Vec<_>>(), "the vehicle that vanishes is told");
        assert_eq!(view.tally(&info("a", 1).id), recount(&view, &info("a", 1).id));
    }
    let shown: Vec<_> = everyone(&view, NOW).into_iter().map(|sight| sight.vehicle).collect();
    assert_eq!(shown, [3, 4, 5, 6].map(vehicle));
}

#[test]
fn what_only_an_earlier_life_said_is_void_once_the_later_one_is_held_whole() {
    let mut view = view_of_a(&[(1, entry(5, LiveState::Connected)), (2, entry(6, LiveState::Idle))]);
    hear(&mut view, NOW, info("a", 2));
    let again = Suffix {
        from: 0,
        to: 1,
        entries: vec![(vehicle(2), Slot { seq: 1, entry: entry(6, LiveState::Idle) })],
        rests: Default::default(),
    };
    view.apply(NOW, &log_id("a", 2), again).unwrap();
    assert_eq!(view.sight(NOW, &vehicle(1)).unwrap().stale, Some(StaleWhy::OwnerRestarted));

    assert_eq!(view.void_lives_before(&info("a", 2).id, Incarnation(2)), vec![vehicle(1)]);
    assert_eq!(view.sight(NOW, &vehicle(1)), None);
    assert_eq!(view.sight(NOW, &vehicle(2)).unwrap().stale, None);

    // Whoever was cut off may still pass on more of that life.
    let late = Suffix {
        from: 2,
        to: 3,
        entries: vec![(vehicle(3), Slot { seq: 3, entry: entry(7, LiveState::Idle) })],
        rests: Default::default(),
    };
    view.apply(NOW, &log_id("a", 1), late).unwrap();
    assert_eq!(everyone(&view, NOW).len(), 1);
    assert_eq!(view.tally(&info("a", 2).id), recount(&view, &info("a", 2).id));
}

#[test]
fn what_a_neighbour_said_abroad_in_a_life_that_is_void_is_not_passed_on_again() {
    let mut view = view();
    let list = ["me", "far"].map(|region| RegionId::new(region).unwrap());
    view.set_homes(HomeRegions::new(list.to_vec(), None).unwrap());
    let neighbour = |life| NodeInfo { region: RegionId::new("me").unwrap(), ..info("b", life) };
    let abroad = |life| LogId::directory(neighbour(life).id, Incarnation(life));
    hear(&mut view, NOW, neighbour(1));
    hear(&mut view, NOW, neighbour(2));
    view.void_lives_before(&neighbour(2).id, Incarnation(2));
    let said = [(vehicle(1), entry(5, LiveState::Connected))];
    for life in [1, 2] {
        let log = replay(&abroad(life), &said);
        view.apply(NOW, log.id(), log.suffix(0, 9, &Part::Whole)).unwrap();
        let held = view.log(&abroad(life)).map(|log| (log.head(), log.len()));
        assert_eq!(held, Some((1, life as usize - 1)), "it is as far, so that it is not sent again");
        view.replace(log);
        let held = view.log(&abroad(life)).map(|log| (log.head(), log.len()));
        assert_eq!(held, Some((1, life as usize - 1)));
    }
}

#[test]
fn a_node_is_not_told_by_others_what_it_said_in_an_earlier_life() {
    let mut view = View::new(info("me", 2), Timers::default());
    let relayed = Suffix {
        from: 0,
        to: 1,
        entries: vec![(vehicle(1), Slot { seq: 1, entry: entry(5, LiveState::Idle) })],
        rests: Default::default(),
    };
    view.apply(NOW, &log_id("me", 1), relayed).unwrap();
    assert_eq!(view.sight(NOW, &vehicle(1)), None);
}

#[test]
fn snapshots_too_leave_only_the_newest_lives_of_an_owner() {
    let mut view = view();
    for life in 1..=6u64 {
        hear(&mut view, NOW, info("a", life));
        view.replace(replay(&log_id("a", life), &[(vehicle(life as u8), entry(life, LiveState::Connected))]));
    }
    let held: Vec<_> =
        view.logs().filter(|log| log.id().owner.as_str() == "a").map(|log| log.id().incarnation).collect();
    assert_eq!(held, [3, 4, 5, 6].map(Incarnation));
}
