//! The seeded world: two thousand seeds in every run of the tests, and many more when asked for.
//!
//! `WAYGATE_SEED=7 cargo test -p waygate-simulator --test world` runs one seed and prints what happened in it
//! (with `-- --nocapture` if it keeps its promises).
//! `WAYGATE_SEEDS=10000 cargo test -p waygate-simulator --test world` runs so many, with `WAYGATE_FIRST=2000` from there on.

use std::collections::BTreeMap;
use waygate_simulator::world::{self, Check, Failure, Plant, World};

/// Seeds in a usual run, shared between two tests that run beside each other.
const SEEDS: u64 = 2000;

/// Seeds that once found something, and what. A change of the world makes another run of a seed: then it is one more seed.
const KEPT_SEEDS: &[(u64, &str)] = &[
    (21, "TruthIsShown: an attach that failed was on disk all the same, and its epoch forgotten with its session"),
    (60, "ViewsAgree: a vehicle was purged by its timer in the moment before the last look"),
    (
        187,
        "TruthIsShown: a gateway told by a home region that it lost let the vehicle in below the winner again and again",
    ),
    (334, "EndsAreTrue: whoever handed a command over had forgotten it after a cut of 25 hours"),
    (736, "DeadIsSuspected: one of five gateways was cut off and probed the dead one last"),
    (3315, "CommandsAgree: a holder's disk had lied about a command, and the check took it for a witness"),
    (5013, "TimersHold: a loss at night, when nobody looks every second, was noticed after its hold was over"),
    (
        5753,
        "TimersHold: a session lost the socket of an attach under way, then its own, and was held from the earlier loss",
    ),
];

/// Seeds within which every planted fault has to be caught.
const SEEDS_TO_CATCH: u64 = 400;

fn number(name: &str) -> Option<u64> {
    std::env::var(name)
        .ok()
        .map(|text| text.parse().unwrap_or_else(|_| panic!("{name} must be a number, not {text:?}")))
}

fn told(failure: &Failure) -> String {
    format!(
        "seed {0}: {1}\nrun it again, with everything that happened in it:\n  \
         WAYGATE_SEED={0} cargo test -p waygate-simulator --test world",
        failure.seed, failure.violation
    )
}

/// With fewer seeds not every rare situation comes up.
const SEEDS_FOR_ALL: u64 = 500;

/// Rare situations that so many seeds have to come to, or the world has grown too mild.
const REACHED: &[&str] = &[
    "asleep",
    "attach not durable",
    "batch not durable",
    "batch overlaps",
    "call lost",
    "clock set back",
    "clock_off",
    "command cancelled at the vehicle",
    "command done",
    "command expired at the vehicle",
    "command rejected",
    "command unknown",
    "corruption mended",
    "disk lied",
    "disk wiped",
    "late answer of the disk",
    "late goodbye",
    "late supersede",
    "late word of a home region",
    "member down",
    "member left",
    "nothing said of a part",
    "outlived",
    "relayed batch",
    "relayed directory",
    "relayed owner",
    "resume within the hold",
    "safe command",
    "silent peer",
    "snapshot",
    "store_unavailable",
    "supersede",
    "suspected member",
    "twin streams",
    "wake-up",
    "word of a home region",
];

/// Runs seeds one after the other; says of each that fails what was broken and how to run it again. Returns how
/// often each promise was looked at, and which rare situations came up.
fn all_keep_their_promises(seeds: impl Iterator<Item = u64>) -> (BTreeMap<Check, u64>, BTreeMap<&'static str, u64>) {
    let (mut looked, mut reached) = (BTreeMap::new(), BTreeMap::new());
    let mut failures = Vec::new();
    for seed in seeds {
        match world::run(seed) {
            Ok(report) => {
                report.looked.iter().for_each(|(check, n)| *looked.entry(*check).or_default() += n);
                report.reached.iter().for_each(|(what, n)| *reached.entry(*what).or_default() += n);
            }
            Err(failure) => failures.push(told(&failure)),
        }
    }
    assert!(failures.is_empty(), "{} seeds failed\n{}", failures.len(), failures.join("\n"));
    (looked, reached)
}

/// What happened in one seed.
fn story(seed: u64) -> String {
    match World::new(seed, None, true).run(seed) {
        Ok(report) => format!("{}\n{:?}", report.lines.join("\n"), report.looked),
        Err(failure) => panic!("{}\n{}", failure.lines.join("\n"), told(&failure)),
    }
}

#[test]
fn every_seed_keeps_every_promise_and_every_promise_is_looked_at() {
    if let Some(seed) = number("WAYGATE_SEED") {
        return println!("{}", story(seed));
    }
    let (first, seeds) = (number("WAYGATE_FIRST").unwrap_or(0), number("WAYGATE_SEEDS").unwrap_or(SEEDS) / 2);
    let (looked, reached) = all_keep_their_promises(first..first + seeds);
    if seeds < SEEDS_FOR_ALL {
        return;
    }
    for what in REACHED {
        assert!(reached.contains_key(what), "{seeds} seeds never came to {what:?}, but to {reached:?}");
    }
    for check in Check::ALL {
        assert!(looked.contains_key(check), "{seeds} seeds never looked at {check}");
    }
}

#[test]
fn every_further_seed_keeps_every_promise() {
    if number("WAYGATE_SEED").is_none() {
        let (first, seeds) = (number("WAYGATE_FIRST").unwrap_or(0), number("WAYGATE_SEEDS").unwrap_or(SEEDS));
        all_keep_their_promises(first + seeds / 2..first + seeds);
    }
}

#[test]
fn the_seeds_that_once_found_something_are_kept() {
    if number("WAYGATE_SEED").is_none() {
        all_keep_their_promises(KEPT_SEEDS.iter().map(|(seed, _)| *seed));
    }
}

#[test]
fn the_same_seed_gives_the_same_trace_and_another_seed_another() {
    let trace = |seed| world::run(seed).map(|report| (report.trace, report.events)).map_err(|failure| told(&failure));
    for seed in [1, 2, 3] {
        let (first, second) = (trace(seed).unwrap(), trace(seed).unwrap());
        assert_eq!(first, second, "seed {seed} went two ways");
        assert_ne!(first, trace(seed + 100).unwrap());
    }
}

/// Checks for which no fault is planted. What they guard against is got wrong inside the core, whose own tests look at it;
/// a second connection takes a gateway and a unit that err together.
const UNPLANTED: &[Check] = &[
    Check::SequenceRises,
    Check::JoinInAnyOrder,
    Check::WinnerIsPure,
    Check::OneConnection,
    Check::NoResurrection,
    Check::QuietSendsNothing,
    Check::LogFollowsRegister,
    Check::TallyMatches,
];

/// Runs seeds with a planted fault until a check that guards against it catches it. Returns all that caught it.
fn caught(plant: Plant, guards: &[Check]) -> Result<u64, Vec<Check>> {
    let mut others = Vec::new();
    for seed in 0..SEEDS_TO_CATCH {
        match World::new(seed, Some(plant), false).run(seed) {
            Err(failure) if guards.contains(&failure.violation.check) => return Ok(seed),
            Err(failure) => others.push(failure.violation.check),
            Ok(_) => {}
        }
    }
    Err(others)
}

/// Among them a late goodbye that is honoured, an epoch from the wall clock, and a command that is sent after its time.
#[test]
fn every_planted_fault_is_caught_by_the_check_that_guards_against_it() {
    let expected: &[(Plant, &[Check])] = &[
        (Plant::AckBeforeCommit, &[Check::AckAfterCommit]),
        (Plant::SkipPersistOnAttach, &[Check::AcceptAfterCommit]),
        (Plant::HonourLateGoodbye, &[Check::LateIsIgnored]),
        (Plant::RestampRelayed, &[Check::OnlyTheOwnerWrites]),
        (Plant::EpochFromClock, &[Check::EpochsRise]),
        (Plant::DropTombstones, &[Check::CursorCovers]),
        (Plant::BelieveTheSilent, &[Check::LostOwnerIsStale]),
        (Plant::BelieveTheSilent, &[Check::OnlineNeedsContact]),
        (Plant::ReuseIncarnation, &[Check::IncarnationRises]),
        (Plant::StoreTwice, &[Check::StoredOnce]),
        (Plant::HonourLateSupersede, &[Check::LateIsIgnored]),
        (Plant::PublishWithoutHold, &[Check::HoldHidesLoss]),
        (Plant::ForgetAges, &[Check::AgeIsNotTooYoung]),
        (Plant::HurryTimers, &[Check::TimersHold]),
        (Plant::TimersRestAtNight, &[Check::TimersHold]),
        (Plant::SleepUnasked, &[Check::AsleepAsSaid]),
        (Plant::ForgetCommandAges, &[Check::CommandInTime]),
        (Plant::ForgetIds, &[Check::CommandOnce]),
        (Plant::AnswerBeforeDisk, &[Check::CommandAfterCommit]),
        (Plant::DropKeptCommands, &[Check::CommandIsKept]),
        (Plant::CommandsNeverEnd, &[Check::CommandsEnd]),
        (Plant::DoneWhenAccepted, &[Check::EndsAreTrue]),
        (Plant::KeepEndsBack, &[Check::CommandsAgree]),
        (Plant::KeepWordsBack, &[Check::LastWordsArrive]),
        (Plant::CancelTheBegun, &[Check::RefusedIsNotBegun]),
        (Plant::SettleUnwritten, &[Check::AckedIsKept]),
        (Plant::LoseAcks, &[Check::BacklogDrains]),
        (Plant::AskPeersFirst, &[Check::AttachIsLocal]),
        (Plant::ChangeUnannounced, &[Check::ChangesAreAnnounced]),
        (Plant::StayWhenOff, &[Check::OffIsOff]),
        (Plant::CutOnTheWire, &[Check::WireIsFaithful]),
        (Plant::IgnoreLaterLives, &[Check::EarlierLifeIsOffline]),
        (Plant::LeaveOneOut, &[Check::ViewsAgree]),
        (Plant::StopDialling, &[Check::TruthIsShown]),
        (Plant::IgnoreRoom, &[Check::BuffersAreBounded]),
        (Plant::WrongDigests, &[Check::DigestsMatch]),
        (Plant::ForgetTheDown, &[Check::MembersAgree]),
        (Plant::NeverProbe, &[Check::DeadIsSuspected]),
        (Plant::DeafInCalm, &[Check::QuietAccusesNobody]),
        (Plant::StayOutlived, &[Check::ViewsAgree, Check::MembersAgree]),
        (Plant::NoAudits, &[Check::ViewsAgree]),
        (Plant::KeepEverything, &[Check::KeepsItsShare]),
        (Plant::PassOnLess, &[Check::CursorCovers]),
        (Plant::KeepLosersIgnorant, &[Check::ViewsAgree]),
        (Plant::BlankAll, &[Check::CursorCovers]),
        (Plant::VouchForTheLost, &[Check::OnlineNeedsContact]),
    ];
    for plant in Plant::ALL {
        assert!(expected.iter().any(|(planted, _)| planted == plant), "nothing has to catch {plant:?}");
    }
    for check in Check::ALL {
        let caught = expected.iter().any(|(_, guards)| guards.contains(check));
        assert_ne!(caught, UNPLANTED.contains(check), "{check} has a plant or is said to have none");
    }
    for (plant, guards) in expected {
        if let Err(others) = caught(*plant, guards) {
            panic!("{plant:?} was not caught by {guards:?} in {SEEDS_TO_CATCH} seeds, but by {others:?}");
        }
    }
}
