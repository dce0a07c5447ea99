use super::entry::{Entry, Found, State};
use super::{DiskSpool, DiskSpoolConfig, MemorySpool, RECORD_BYTES_MAX, Spool, SpoolError, SyncPolicy, Token};
use crate::spool::message_bytes;
use proptest::prelude::*;
use std::path::{Path, PathBuf};
use std::time::Duration;
use waygate_core::command::CommandId;
use waygate_core::id::SpoolId;
use waygate_core::message::Uplink;
use waygate_core::ranges::SeqRanges;
use waygate_core::record::{Fix, Lane, Position, Record, SignalPath, SignalValue, Telemetry};
use waygate_core::time::{Millis, Wall};
use waygate_wire::Codec;

const NOW: Wall = Wall(1_795_219_200_000);
const WIDE: usize = 1 << 20;

fn record(n: i64) -> Record {
    let position = Position { lat_e7: 496_100_000 + n as i32, lon_e7: 61_300_000 };
    let fix = Fix { position, alt_cm: None, speed_cms: Some(1390), heading_cdeg: Some(9000), hdop_centi: None };
    let path = SignalPath::new("Vehicle.Speed").unwrap();
    Record { t: Wall(NOW.0 + n), fix: Some(fix), signals: vec![(path, SignalValue::Integer(n))] }
}

fn ranges(pairs: &[(u64, u64)]) -> SeqRanges {
    pairs.iter().copied().collect()
}

fn open(dir: &Path) -> DiskSpool {
    open_with(dir, DiskSpoolConfig::default())
}

fn open_with(dir: &Path, config: DiskSpoolConfig) -> DiskSpool {
    DiskSpool::open(dir, config, SpoolId(77)).unwrap().0
}

fn fill(spool: &mut impl Spool, count: i64) {
    for n in 1..=count {
        spool.append(NOW, &record(n)).unwrap();
    }
}

fn times(spool: &mut impl Spool, first: u64, last: u64) -> Vec<i64> {
    spool.read(first, last, WIDE).unwrap().records.iter().map(|r| r.t.0 - NOW.0).collect()
}

fn files(dir: &Path) -> Vec<PathBuf> {
    super::segment::Segment::list(dir).unwrap().into_iter().map(|(_, path)| path).collect()
}

fn copy(from: &Path, to: &Path) {
    for file in files(from) {
        std::fs::copy(&file, to.join(file.file_name().unwrap())).unwrap();
    }
}

// --- both kinds ---

fn both(check: impl Fn(&mut dyn FnMut() -> Box<dyn Spool>)) {
    check(&mut || Box::new(MemorySpool::new(SpoolId(1), 1000)));
    let dir = tempfile::tempdir().unwrap();
    let mut n = 0;
    check(&mut || {
        n += 1;
        Box::new(open(&dir.path().join(n.to_string())))
    });
}

impl Spool for Box<dyn Spool> {
    fn id(&self) -> SpoolId {
        self.as_ref().id()
    }
    fn last(&self) -> u64 {
        self.as_ref().last()
    }
    fn settled(&self) -> &SeqRanges {
        self.as_ref().settled()
    }
    fn token(&self) -> Option<&Token> {
        self.as_ref().token()
    }
    fn append(&mut self, now: Wall, record: &Record) -> Result<super::Appended, SpoolError> {
        self.as_mut().append(now, record)
    }
    fn sync(&mut self) -> Result<(), SpoolError> {
        self.as_mut().sync()
    }
    fn read(&mut self, first: u64, last: u64, bytes_max: usize) -> Result<super::Reading, SpoolError> {
        self.as_mut().read(first, last, bytes_max)
    }
    fn settle(
        &mut self,
        seqs: &SeqRanges,
        rejected: &[(u64, waygate_core::cause::RecordFault)],
    ) -> Result<(), SpoolError> {
        self.as_mut().settle(seqs, rejected)
    }
    fn keep_token(&mut self, token: Option<Token>) -> Result<(), SpoolError> {
        self.as_mut().keep_token(token)
    }
    fn commands(&self) -> Vec<CommandId> {
        self.as_ref().commands()
    }
    fn remember_command(&mut self, id: CommandId) -> Result<(), SpoolError> {
        self.as_mut().remember_command(id)
    }
}

#[test]
fn records_get_numbers_one_after_the_other_and_are_read_back() {
    both(|make| {
        let mut spool = make();
        assert_eq!((spool.last(), spool.settled().is_empty()), (0, true));
        fill(&mut spool, 5);
        assert_eq!(spool.last(), 5);
        assert_eq!(times(&mut spool, 2, 4), [2, 3, 4]);
        assert_eq!(spool.read(1, 1, WIDE).unwrap().records, [record(1)]);
    });
}

#[test]
fn a_reading_is_bounded_but_never_empty() {
    both(|make| {
        let mut spool = make();
        fill(&mut spool, 5);
        let bytes = message_bytes(&record(1));
        assert_eq!(spool.read(1, 5, 3 * bytes).unwrap().records.len(), 3);
        assert_eq!(spool.read(1, 5, 0).unwrap().records.len(), 1);
    });
}

#[test]
fn settled_records_are_let_go_of_in_any_order() {
    both(|make| {
        let mut spool = make();
        fill(&mut spool, 5);
        spool.settle(&ranges(&[(2, 3)]), &[]).unwrap();
        assert_eq!(times(&mut spool, 1, 1), [1]);
        assert_eq!(times(&mut spool, 4, 5), [4, 5]);
        spool.settle(&ranges(&[(1, 1), (4, 5)]), &[]).unwrap();
        assert_eq!(spool.settled(), &ranges(&[(1, 5)]));
        spool.append(NOW, &record(6)).unwrap();
        assert_eq!(times(&mut spool, 6, 6), [6]);
    });
}

#[test]
fn a_record_that_fits_no_message_is_not_taken() {
    both(|make| {
        let mut spool = make();
        let path = SignalPath::new("Vehicle.Text").unwrap();
        let text = SignalValue::Text("x".repeat(RECORD_BYTES_MAX));
        let long = Record { t: NOW, fix: None, signals: vec![(path, text)] };
        assert!(matches!(spool.append(NOW, &long), Err(SpoolError::RecordTooLong { .. })));
        assert_eq!(spool.last(), 0);
    });
}

#[test]
fn memory_gives_up_the_oldest_record_and_says_so() {
    let mut spool = MemorySpool::new(SpoolId(1), 3);
    fill(&mut spool, 3);
    let appended = spool.append(NOW, &record(4)).unwrap();
    assert_eq!((appended.seq, appended.dropped), (4, ranges(&[(1, 1)])));
    assert_eq!(times(&mut spool, 2, 4), [2, 3, 4]);
    spool.settle(&ranges(&[(2, 4)]), &[]).unwrap();
    assert!(spool.append(NOW, &record(5)).unwrap().dropped.is_empty());
}

#[test]
fn a_record_that_is_not_there_is_lost_rather_than_asked_for_again_and_again() {
    let mut spool = MemorySpool::new(SpoolId(1), 3);
    fill(&mut spool, 2);
    assert_eq!(spool.read(9, 9, WIDE).unwrap().lost, ranges(&[(9, 9)]));
}

// --- over a reboot ---

#[test]
fn a_spool_on_disk_survives_a_reboot_whole() {
    let dir = tempfile::tempdir().unwrap();
    let token = Some(Token { bytes: vec![1, 2, 3], gateway: "ws://a/v1/obu".to_owned(), wake_key: vec![4; 16] });
    {
        let (mut spool, recovery) = DiskSpool::open(dir.path(), DiskSpoolConfig::default(), SpoolId(5)).unwrap();
        assert!(!recovery.found);
        fill(&mut spool, 10);
        spool.settle(&ranges(&[(1, 4), (7, 7)]), &[]).unwrap();
        spool.keep_token(token.clone()).unwrap();
    }
    for _ in 0..3 {
        let (mut spool, recovery) = DiskSpool::open(dir.path(), DiskSpoolConfig::default(), SpoolId(6)).unwrap();
        assert!(recovery.found);
        assert_eq!((recovery.unsettled, recovery.damaged_bytes, recovery.left_out), (5, 0, 0));
        assert_eq!((spool.id(), spool.last(), spool.token()), (SpoolId(5), 10, token.as_ref()));
        assert_eq!(spool.settled(), &ranges(&[(1, 4), (7, 7)]));
        assert_eq!(times(&mut spool, 5, 6), [5, 6]);
        assert_eq!(times(&mut spool, 8, 10), [8, 9, 10]);
    }
    assert_eq!(open(dir.path()).append(NOW, &record(11)).unwrap().seq, 11);
}

#[test]
fn reboots_without_records_leave_no_files_behind() {
    let dir = tempfile::tempdir().unwrap();
    fill(&mut open(dir.path()), 1);
    for _ in 0..10 {
        open(dir.path());
    }
    let mut spool = open(dir.path());
    assert_eq!(files(dir.path()).len(), 2);
    assert_eq!(times(&mut spool, 1, 1), [1]);
    // What is settled now is so after the file that held the record is gone.
    spool.settle(&ranges(&[(1, 1)]), &[]).unwrap();
    drop(spool);
    assert_eq!((open(dir.path()).last(), files(dir.path()).len()), (1, 1));
    assert_eq!(open(dir.path()).settled(), &ranges(&[(1, 1)]));
}

#[test]
fn a_lost_spool_begins_a_new_life() {
    let dir = tempfile::tempdir().unwrap();
    fill(&mut open(dir.path()), 3);
    for file in files(dir.path()) {
        std::fs::remove_file(file).unwrap();
    }
    let (spool, recovery) = DiskSpool::open(dir.path(), DiskSpoolConfig::default(), SpoolId(6)).unwrap();
    assert_eq!((spool.id(), spool.last(), recovery.found), (SpoolId(6), 0, false));
}

#[test]
fn two_processes_cannot_have_one_spool() {
    let dir = tempfile::tempdir().unwrap();
    let first = open(dir.path());
    let second = DiskSpool::open(dir.path(), DiskSpoolConfig::default(), SpoolId(1));
    assert!(matches!(second, Err(SpoolError::InUse(_))));
    drop(first);
    open(dir.path());
}

#[test]
fn files_of_another_spool_are_not_taken_for_this_one() {
    let (a, b) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    fill(&mut DiskSpool::open(a.path(), DiskSpoolConfig::default(), SpoolId(1)).unwrap().0, 1);
    fill(&mut DiskSpool::open(b.path(), DiskSpoolConfig::default(), SpoolId(2)).unwrap().0, 1);
    std::fs::copy(&files(b.path())[0], a.path().join("00000000000000000009.spool")).unwrap();
    let mixed = DiskSpool::open(a.path(), DiskSpoolConfig::default(), SpoolId(3));
    assert!(matches!(mixed, Err(SpoolError::Mixed(_))));
}

// --- bounds ---

fn tiny() -> DiskSpoolConfig {
    let sync = SyncPolicy::Within(Duration::from_secs(3600));
    DiskSpoolConfig { bytes_max: 16 * 1024, sync, ..DiskSpoolConfig::default() }
}

fn size(dir: &Path) -> u64 {
    files(dir).iter().map(|file| std::fs::metadata(file).unwrap().len()).sum()
}

#[test]
fn a_full_spool_gives_up_its_oldest_records_and_says_which() {
    let dir = tempfile::tempdir().unwrap();
    let mut spool = open_with(dir.path(), tiny());
    let mut dropped = SeqRanges::new();
    for n in 1..=1000 {
        let appended = spool.append(NOW, &record(n)).unwrap();
        assert!(!dropped.overlaps(appended.seq, appended.seq));
        dropped.extend(&appended.dropped);
        assert!(size(dir.path()) <= 16 * 1024 + 512, "{}", size(dir.path()));
    }
    let oldest = dropped.through(1) + 1;
    assert!((2..=900).contains(&oldest), "{oldest}");
    assert_eq!(dropped.len(), 1);
    assert_eq!(times(&mut spool, oldest, oldest), [oldest as i64]);
    drop(spool);
    let mut spool = open_with(dir.path(), tiny());
    assert_eq!(spool.settled(), &dropped);
    let mut at = oldest;
    while at <= 1000 {
        let read = times(&mut spool, at, 1000);
        assert_eq!(read[0], at as i64);
        at += read.len() as u64;
    }
}

#[test]
fn records_that_are_too_old_are_given_up() {
    let dir = tempfile::tempdir().unwrap();
    let mut spool = open_with(dir.path(), DiskSpoolConfig { bytes_max: 1 << 16, age_max: Millis::secs(60), ..tiny() });
    fill(&mut spool, 200);
    let later = NOW + Millis::secs(61);
    let dropped = spool.append(later, &record(201)).unwrap().dropped;
    assert!(dropped.contains(1), "{dropped:?}");
    assert!(spool.append(later, &record(202)).unwrap().dropped.is_empty());
}

#[test]
fn files_without_unsettled_records_are_removed() {
    let dir = tempfile::tempdir().unwrap();
    let mut spool = open_with(dir.path(), DiskSpoolConfig { bytes_max: 1 << 20, ..tiny() });
    for n in 1..=2000 {
        let seq = spool.append(NOW, &record(n)).unwrap().seq;
        spool.settle(&ranges(&[(seq, seq)]), &[]).unwrap();
    }
    assert!(files(dir.path()).len() <= 2, "{:?}", files(dir.path()));
}

#[test]
fn reading_on_goes_over_the_ends_of_files() {
    let dir = tempfile::tempdir().unwrap();
    let mut spool = open_with(dir.path(), DiskSpoolConfig { bytes_max: 1 << 18, ..tiny() });
    fill(&mut spool, 1000);
    assert!(files(dir.path()).len() > 2);
    let (mut at, mut seen) = (1, Vec::new());
    while at <= 1000 {
        let read = times(&mut spool, at, (at + 29).min(1000));
        at += read.len() as u64;
        seen.extend(read);
    }
    assert_eq!(seen, (1..=1000).collect::<Vec<_>>());
}

// --- crashes and rot ---

#[test]
fn a_file_cut_at_any_byte_loses_no_whole_record_and_no_number_is_given_out_twice() {
    let (dir, cut) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mut ends = Vec::new();
    {
        let mut spool = open(dir.path());
        for n in 1..=4 {
            spool.append(NOW, &record(n)).unwrap();
            ends.push(size(dir.path()));
        }
    }
    let whole = std::fs::read(&files(dir.path())[0]).unwrap();
    for length in 0..=whole.len() {
        for file in files(cut.path()) {
            std::fs::remove_file(file).unwrap();
        }
        std::fs::write(cut.path().join("00000000000000000001.spool"), &whole[..length]).unwrap();
        let (mut spool, recovery) = DiskSpool::open(cut.path(), DiskSpoolConfig::default(), SpoolId(99)).unwrap();
        let kept = ends.iter().filter(|end| **end <= length as u64).count() as u64;
        if !recovery.found {
            assert_eq!((spool.id(), kept), (SpoolId(99), 0), "cut at {length}");
            continue;
        }
        assert_eq!(spool.id(), SpoolId(77));
        assert_eq!(recovery.unsettled, kept, "cut at {length}");
        if kept > 0 {
            assert_eq!(times(&mut spool, 1, kept), (1..=kept as i64).collect::<Vec<_>>());
        }
        let next = spool.append(NOW, &record(9)).unwrap().seq;
        assert!(next > kept, "cut at {length}");
        assert_eq!(times(&mut spool, next, next), [9]);
        // What is left out is settled, so that the gateway is not asked to wait for it.
        assert_eq!(spool.settled().count(), next - 1 - kept);
    }
}

#[test]
fn numbers_that_may_have_been_in_a_damaged_end_are_left_out() {
    let dir = tempfile::tempdir().unwrap();
    fill(&mut open(dir.path()), 20);
    let file = &files(dir.path())[0];
    let mut bytes = std::fs::read(file).unwrap();
    // Rot in the middle: the numbers behind it were given out, and may have been sent.
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(file, bytes).unwrap();
    let (mut spool, recovery) = DiskSpool::open(dir.path(), DiskSpoolConfig::default(), SpoolId(1)).unwrap();
    assert!(recovery.damaged_bytes > 0 && (5..15).contains(&recovery.unsettled), "{recovery:?}");
    assert!(spool.append(NOW, &record(21)).unwrap().seq > 20);
}

#[test]
fn records_that_rot_while_the_spool_is_open_are_reported_lost_and_passed_over() {
    let dir = tempfile::tempdir().unwrap();
    let mut spool = open(dir.path());
    fill(&mut spool, 3);
    let begin = size(dir.path());
    fill(&mut spool, 3);
    spool.sync().unwrap();
    let file = &files(dir.path())[0];
    let mut bytes = std::fs::read(file).unwrap();
    bytes[begin as usize + 12] ^= 1;
    std::fs::write(file, bytes).unwrap();
    assert_eq!(times(&mut spool, 1, 6), [1, 2, 3]);
    let reading = spool.read(4, 6, WIDE).unwrap();
    assert_eq!((reading.records.len(), reading.lost), (0, ranges(&[(4, 6)])));
    assert_eq!(spool.settled(), &ranges(&[(4, 6)]));
}

#[test]
fn a_power_cut_between_two_files_loses_nothing() {
    let (dir, cut) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    {
        let mut spool = open_with(dir.path(), DiskSpoolConfig { bytes_max: 1 << 18, ..tiny() });
        fill(&mut spool, 400);
    }
    copy(dir.path(), cut.path());
    let last = files(cut.path()).pop().unwrap();
    let whole = std::fs::read(&last).unwrap();
    // The last file was just being begun.
    std::fs::write(&last, &whole[..5]).unwrap();
    let (mut spool, recovery) = DiskSpool::open(cut.path(), DiskSpoolConfig::default(), SpoolId(1)).unwrap();
    assert_eq!((spool.id(), recovery.damaged_bytes), (SpoolId(77), 5));
    assert_eq!(times(&mut spool, 1, 1), [1]);
}

// --- entries ---

fn state() -> Entry {
    let token =
        Some(Token { bytes: vec![9; 80], gateway: "ws://127.0.0.1:7701/v1/obu".to_owned(), wake_key: vec![7; 16] });
    Entry::State(State {
        id: SpoolId(u64::MAX),
        last: 12,
        settled: ranges(&[(1, 3), (7, 9)]),
        token,
        commands: [CommandId(5), CommandId(6)].into(),
    })
}

#[test]
fn every_entry_reads_as_it_was_written() {
    let entries = [
        state(),
        Entry::Record { seq: u64::MAX - 5000, added: Wall(-1), record: record(1) },
        Entry::Settled(ranges(&[(5, 6)])),
        Entry::Token(None),
    ];
    let mut bytes = Vec::new();
    entries.iter().for_each(|entry| entry.write(&mut bytes));
    let mut rest = bytes.as_slice();
    for entry in entries {
        let Found::Entry(found, length) = Entry::read(rest) else { panic!("{entry:?} is not found") };
        assert_eq!(found, entry);
        rest = &rest[length..];
    }
    assert_eq!(Entry::read(rest), Found::End);
    assert_eq!(Entry::read(&[0; 64]), Found::Damaged, "a file that was made longer and never written");
}

proptest! {
    #[test]
    fn no_bytes_make_an_entry_panic(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
        let _ = Entry::read(&bytes);
    }

    #[test]
    fn no_changed_bit_goes_unnoticed(at: prop::sample::Index, bit in 0u8..8) {
        let mut bytes = Vec::new();
        state().write(&mut bytes);
        let at = at.index(bytes.len());
        bytes[at] ^= 1 << bit;
        prop_assert_eq!(Entry::read(&bytes), Found::Damaged);
    }

    #[test]
    fn a_record_in_a_message_is_no_longer_than_was_reckoned(
        t: i64, lat: i32, lon: i32, alt: i32, speed: u32, heading in 0u16..36_000, hdop: u16,
        signals in prop::collection::btree_map("[A-Za-z.]{1,40}", prop_oneof![
            any::<f64>().prop_filter("finite", |v| v.is_finite()).prop_map(SignalValue::Number),
            any::<i64>().prop_map(SignalValue::Integer),
            any::<bool>().prop_map(SignalValue::Flag),
            any::<String>().prop_map(SignalValue::Text),
        ], 0..5),
    ) {
        let fix = Fix {
            position: Position { lat_e7: lat, lon_e7: lon },
            alt_cm: Some(alt), speed_cms: Some(speed), heading_cdeg: Some(heading), hdop_centi: Some(hdop),
        };
        let signals = signals.into_iter().map(|(path, v)| (SignalPath::new(&path).unwrap(), v)).collect();
        let record = Record { t: Wall(t), fix: Some(fix), signals };
        let records = vec![record; 3];
        let reckoned: usize = records.iter().map(message_bytes).sum();
        let message = Uplink::Telemetry(Telemetry { first_seq: u64::MAX - 9, lane: Lane::Backfill, records });
        for codec in Codec::ALL {
            let bytes = codec.encode_uplink(&message, &[]).len();
            prop_assert!(bytes <= reckoned + 100, "{} > {} in {:?}", bytes, reckoned, codec);
        }
    }
}
