use super::entry::{Entry, Found, State};
use super::{DiskSpool, DiskSpoolConfig, MemorySpool, Spool};
use std::path::{Path, PathBuf};
use waygate_core::command::CommandId;
use waygate_core::id::SpoolId;
use waygate_core::limits::COMMAND_IDS_REMEMBERED;
use waygate_core::record::Record;
use waygate_core::time::Wall;

fn open(dir: &Path) -> DiskSpool {
    DiskSpool::open(dir, DiskSpoolConfig::default(), SpoolId(77)).unwrap().0
}

fn ids(range: std::ops::Range<u128>) -> Vec<CommandId> {
    range.map(CommandId).collect()
}

fn last_file(dir: &Path) -> PathBuf {
    super::segment::Segment::list(dir).unwrap().pop().unwrap().1
}

#[test]
fn commands_are_remembered_over_reboots_and_their_number_is_bounded() {
    let dir = tempfile::tempdir().unwrap();
    let last = COMMAND_IDS_REMEMBERED as u128 + 10;
    let mut memory = MemorySpool::new(SpoolId(1), 10);
    for n in 0..last {
        // A new life now and then: some ids are entries, others part of the state.
        let mut spool = open(dir.path());
        spool.remember_command(CommandId(n)).unwrap();
        memory.remember_command(CommandId(n)).unwrap();
        spool.remember_command(CommandId(n)).unwrap();
    }
    assert_eq!(open(dir.path()).commands(), ids(10..last));
    assert_eq!(memory.commands(), ids(10..last));
}

#[test]
fn commands_outlast_the_files_they_were_written_to() {
    let dir = tempfile::tempdir().unwrap();
    let mut spool = open(dir.path());
    spool.remember_command(CommandId(1)).unwrap();
    let first = last_file(dir.path());
    drop(spool);
    let spool = open(dir.path());
    assert!(!first.exists(), "a file without records is let go of");
    assert_eq!(spool.commands(), ids(1..2));
}

#[test]
fn a_torn_end_forgets_only_what_was_not_whole() {
    let dir = tempfile::tempdir().unwrap();
    let mut spool = open(dir.path());
    spool.append(Wall(1), &Record { t: Wall(1), fix: None, signals: vec![] }).unwrap();
    for n in 1..=3 {
        spool.remember_command(CommandId(n)).unwrap();
    }
    drop(spool);
    let path = last_file(dir.path());
    let length = std::fs::metadata(&path).unwrap().len();
    for cut in 1..25 {
        let copy = tempfile::tempdir().unwrap();
        let to = copy.path().join(path.file_name().unwrap());
        std::fs::copy(&path, &to).unwrap();
        std::fs::OpenOptions::new().write(true).open(&to).unwrap().set_len(length - cut).unwrap();
        let spool = open(copy.path());
        assert_eq!((spool.commands(), spool.last() > 0), (ids(1..3), true), "cut by {cut}");
    }
}

/// The state as it was written before there were commands: 'S', and a token of two parts.
#[test]
fn a_spool_of_before_there_were_commands_opens() {
    let mut payload = vec![b'S'];
    payload.extend(5u64.to_le_bytes());
    payload.extend(3u64.to_le_bytes());
    for part in [&b"token"[..], b"ws://a"] {
        payload.extend((part.len() as u16).to_le_bytes());
        payload.extend(part);
    }
    payload.extend([1u64, 3].iter().flat_map(|n| n.to_le_bytes()));
    let mut bytes = (payload.len() as u32).to_le_bytes().to_vec();
    bytes.extend(crc32fast::hash(&payload).to_le_bytes());
    bytes.extend(payload);
    let Found::Entry(Entry::State(state), _) = Entry::read(&bytes) else { panic!("it is not read") };
    let State { id, last, settled, token, commands } = state;
    let token = token.unwrap();
    assert_eq!((id, last, settled.count(), commands.len()), (SpoolId(5), 3, 3, 0));
    assert_eq!((token.bytes.as_slice(), token.gateway.as_str(), token.wake_key.len()), (&b"token"[..], "ws://a", 0));

    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join(format!("{:020}.spool", 1)), &bytes).unwrap();
    let mut spool = open(dir.path());
    assert_eq!((spool.id(), spool.last(), spool.token().unwrap().bytes.as_slice()), (SpoolId(5), 3, &b"token"[..]));
    spool.remember_command(CommandId(9)).unwrap();
    drop(spool);
    assert_eq!(open(dir.path()).commands(), ids(9..10));
}
