use super::{
    record_from_bytes, record_from_proto, record_to_bytes, record_to_proto, report_from_proto, report_to_proto,
};
use waygate_core::command::{CommandId, CommandName, CommandStatus, Policy, VehicleVerdict};
use waygate_core::commands::{End, EndKind, Progress, Record, Report, RequestKey, Said, State, Step};
use waygate_core::id::{NodeId, VehicleId};
use waygate_core::time::{BootMoment, Millis, Mono, Wall};

const NOW: Mono = Mono(1 << 40);

fn record() -> Record {
    let node = NodeId::new("west-1").unwrap();
    let state = State::Running;
    Record {
        id: CommandId::new(Wall(1_795_219_200_000), 7),
        vehicle: VehicleId::new("LUX-1").unwrap(),
        name: CommandName::new("lock").unwrap(),
        arguments: "{\"doors\":4}".to_owned(),
        policy: Policy::LatestWins("doors".to_owned()),
        wake: true,
        taken: NOW.before(Millis(5000)),
        ttl: Millis::secs(60),
        origin: node.clone(),
        by: "http".to_owned(),
        request: Some(RequestKey { key: "k".to_owned(), digest: u64::MAX }),
        keepers: [NodeId::new("east-1").unwrap()].into(),
        attempting: true,
        cancel: true,
        wakes: 2,
        progress: Progress::Running(40, Said::of("on", "its way")),
        end: Some(End { kind: EndKind::Unknown, said: Said::of("no_end", "") }),
        steps: vec![Step { at: NOW.before(Millis(4000)), state, gateway: node, text: "on".to_owned() }],
    }
}

#[test]
fn a_record_comes_back_as_it_was_and_as_old_as_it_was() {
    let there = record();
    assert_eq!(record_from_proto(record_to_proto(&there, NOW), NOW).unwrap(), there);
    // On another clock.
    let here = Mono(7 << 40);
    let copy = record_from_proto(record_to_proto(&there, NOW), here).unwrap();
    assert_eq!(here.since(copy.taken), NOW.since(there.taken));
    assert_eq!(here.since(copy.steps[0].at), Millis(4000));
}

#[test]
fn a_stored_record_comes_back_with_when_it_was_written() {
    let there = record();
    for written in [None, Some(BootMoment { boot: u128::MAX - 7, at: Millis(1 << 40) })] {
        let read = record_from_bytes(&record_to_bytes(&there, NOW, written), |told| {
            assert_eq!(told, written);
            NOW
        });
        assert_eq!(read.unwrap(), there);
    }
}

#[test]
fn what_a_later_version_says_is_refused_and_named() {
    let changed = |change: fn(&mut crate::proto::CommandRecord)| {
        let mut wire = record_to_proto(&record(), NOW);
        change(&mut wire);
        record_from_proto(wire, NOW).unwrap_err().path
    };
    assert_eq!(changed(|m| m.end.as_mut().unwrap().number = 99), "end.number");
    assert_eq!(changed(|m| m.progress = None), "progress");
    assert_eq!(changed(|m| m.policy = 9), "policy");
    assert_eq!(changed(|m| m.ttl_ms = 0), "ttl_ms");
    assert_eq!(changed(|m| m.arguments = "{".to_owned()), "arguments");
    assert_eq!(changed(|m| m.keepers = vec!["a".to_owned(); 17]), "keepers");
}

#[test]
fn a_report_comes_back_as_it_was() {
    let status = CommandStatus {
        id: record().id,
        verdict: VehicleVerdict::Succeeded,
        code: String::new(),
        text: "done".to_owned(),
        result: "1".to_owned(),
    };
    let report = Report { vehicle: record().vehicle, status, gateway: NodeId::new("west-1").unwrap() };
    assert_eq!(report_from_proto(report_to_proto(&report)).unwrap(), report);
}

#[test]
fn the_largest_record_fits_into_the_store() {
    let text = |bytes: usize| "x".repeat(bytes);
    let json = |bytes: usize| format!("\"{}\"", text(bytes - 2));
    let said = Said { code: text(512), text: text(512), result: json(16 * 1024) };
    let mut largest = record();
    largest.arguments = json(16 * 1024);
    largest.policy = Policy::LatestWins(text(512));
    largest.request = Some(RequestKey { key: text(512), digest: 1 });
    largest.progress = Progress::Running(1, said.clone());
    largest.end = Some(End { kind: EndKind::Failed, said });
    let gateway = NodeId::new(&text(64)).unwrap();
    let text = text(waygate_core::limits::COMMAND_STEP_TEXT_BYTES_MAX);
    largest.steps = vec![Step { at: NOW, state: State::Failed, gateway, text }; 32];
    let written = Some(BootMoment { boot: u128::MAX, at: Millis(u64::MAX) });
    assert!(record_to_bytes(&largest, NOW, written).len() < 64 * 1024);
}
