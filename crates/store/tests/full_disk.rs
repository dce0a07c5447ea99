//! A disk that is full or fails, and is well again: nothing acked is lost, and nobody restarts anything.

#![allow(clippy::unwrap_used)]
#![cfg(target_os = "linux")]

mod world;

use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::io::Write as _;
use std::path::PathBuf;
use waygate_store::{CommitErrorKind, OpenOptions, Outcome, Reader, Store, Write, Writer};
use world::{batch, history};

/// A small file system of its own.
struct SmallDisk {
    dir: tempfile::TempDir,
}

impl SmallDisk {
    /// None without the right to mount one.
    fn new(bytes: u64) -> Option<Self> {
        let dir = tempfile::tempdir().unwrap();
        let options = std::ffi::CString::new(format!("size={bytes}")).unwrap();
        match mount("tmpfs", dir.path(), "tmpfs", MountFlags::empty(), options.as_c_str()) {
            Ok(()) => Some(Self { dir }),
            Err(error) => {
                let mut err = std::io::stderr();
                writeln!(err, "SKIPPED: a small file system cannot be mounted here ({error}); run as root").unwrap();
                None
            }
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        unmount(self.dir.path(), UnmountFlags::DETACH).unwrap();
    }
}

/// Writes batches until one fails; returns the numbers that were acked and how it failed.
async fn write_until_it_fails(writer: &mut Writer, from: u64) -> (Vec<u64>, CommitErrorKind) {
    let mut acked = Vec::new();
    for i in from..from + 3_000 {
        match writer.commit(vec![Write::Batch(batch(1, 1, 7, i * 100 + 1, i * 100 + 100))]).await {
            Ok(outcomes) => {
                assert!(matches!(outcomes[..], [Outcome::Stored | Outcome::Duplicate]), "{outcomes:?}");
                acked.push(i * 100 + 1);
            }
            Err(error) => return (acked, error.kind),
        }
    }
    panic!("it never failed");
}

async fn assert_once(reader: &Reader, acked: &[u64]) {
    let found: Vec<u64> = history(reader, 1).await.iter().map(|batch| batch.first_seq).collect();
    assert!(found.is_sorted_by(|a, b| a < b), "a batch is there twice");
    let missing: Vec<_> = acked.iter().filter(|seq| found.binary_search(seq).is_err()).collect();
    assert!(missing.is_empty(), "acked and lost: {missing:?}");
}

#[tokio::test]
async fn a_full_disk_is_survived_without_a_restart() {
    let Some(disk) = SmallDisk::new(6 << 20) else { return };
    let ballast = disk.path("ballast");
    std::fs::write(&ballast, vec![1u8; 3 << 20]).unwrap();
    let options = OpenOptions { fold_bytes: 200_000, ..OpenOptions::default() };
    let (mut writer, reader) = Store::open(&disk.path("store.db"), options).await.unwrap();
    let (mut acked, kind) = write_until_it_fails(&mut writer, 0).await;
    assert_eq!(kind, CommitErrorKind::Full);
    assert!(!acked.is_empty());
    // Reads go on, and the writer says that it must be opened anew.
    assert_once(&reader, &acked).await;
    let refused = writer.commit(vec![Write::Batch(batch(1, 1, 7, 1, 1))]).await.unwrap_err();
    assert_eq!(refused.kind, CommitErrorKind::NotReopened);
    // With the disk still full, opening may fail or succeed, but nothing is acked that is not there.
    match writer.reopen().await {
        Err(error) => assert!(error.is_full(), "{error:?}"),
        Ok(()) => {
            let (more, kind) = write_until_it_fails(&mut writer, acked.len() as u64).await;
            acked.extend(more);
            assert_eq!(kind, CommitErrorKind::Full);
        }
    }
    let free = reader.disk_free_bytes().unwrap();
    assert!(free < 1 << 20, "{free} bytes are free on a full disk");
    std::fs::remove_file(&ballast).unwrap();
    writer.reopen().await.unwrap();
    assert_once(&reader, &acked).await;
    let (more, _) = write_until_it_fails(&mut writer, acked.len() as u64).await;
    assert!(more.len() > 100, "only {} commits after room was made", more.len());
    acked.extend(more);
    assert_once(&reader, &acked).await;
}

/// A write beyond the limit on the size of files fails as on a broken disk, not as on a full one.
///
/// The limit is the whole process's, so the test runs itself alone in a child.
#[tokio::test]
async fn a_disk_that_fails_to_write_is_met_by_opening_anew() {
    // The signal that goes with the limit would end the process; a shell's trap is inherited.
    if std::env::var_os("WAYGATE_TEST_CHILD").is_none() {
        let test = "a_disk_that_fails_to_write_is_met_by_opening_anew";
        let run = format!("trap '' XFSZ; exec \"$0\" --exact {test} --nocapture");
        let status = std::process::Command::new("sh")
            .args(["-c", &run])
            .arg(std::env::current_exe().unwrap())
            .env("WAYGATE_TEST_CHILD", "1")
            .status()
            .unwrap();
        assert!(status.success());
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let (mut writer, reader) = Store::open(&dir.path().join("store.db"), OpenOptions::default()).await.unwrap();
    let sound = getrlimit(Resource::Fsize);
    let mut acked = Vec::new();
    for mebibytes in [1, 2, 3] {
        setrlimit(Resource::Fsize, Rlimit { current: Some(mebibytes << 20), ..sound }).unwrap();
        let (more, kind) = write_until_it_fails(&mut writer, acked.len() as u64).await;
        assert_eq!(kind, CommitErrorKind::Io);
        acked.extend(more);
        assert_once(&reader, &acked).await;
        setrlimit(Resource::Fsize, sound).unwrap();
        writer.reopen().await.unwrap();
        assert_once(&reader, &acked).await;
    }
    assert!(acked.len() > 300, "only {} commits", acked.len());
}
