//! The power fails under load: what was written and not synced is gone.
//!
//! The database lies on a file system of its own, in an image. At the cut every thread of the writing process
//! stands still, and the image is copied as it is: what the file system still held in its cache is not in
//! it. The copy is mounted, which replays the file system's own journal as after a real cut, and the store
//! is opened from it. The disk itself is taken to keep what it was given, whether flushed or not.

#![allow(clippy::unwrap_used)]
#![cfg(target_os = "linux")]

#[path = "world/load.rs"]
mod load;
mod world;

use load::{Acked, FOLD_BYTES, Load, check};
use rustix::process::{Pid, Signal, kill_process};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use waygate_store::{OpenOptions, Store};

const CUTS: u32 = 8;

/// Not a test of its own: what the other one runs.
#[tokio::test]
async fn child() {
    load::be_the_child().await;
}

/// A mounted image; unmounted when dropped.
struct Mounted(PathBuf);

impl Mounted {
    /// Commits of the file system itself are put off, so that nothing reaches the image but what is synced.
    fn new(image: &Path, at: &Path) -> Option<Self> {
        std::fs::create_dir_all(at).unwrap();
        run("mount", &["-o", "loop,commit=600", image.to_str()?, at.to_str()?]).then(|| Self(at.to_owned()))
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        // Lazily: where a test failed, connections may still be closing.
        run("umount", &["-l", self.0.to_str().unwrap()]);
    }
}

fn run(program: &str, args: &[&str]) -> bool {
    let status = Command::new(program).args(args).stdout(Stdio::null()).stderr(Stdio::null()).status();
    status.is_ok_and(|status| status.success())
}

/// Stops the process and waits until no thread of it is within a system call.
fn stop(pid: u32) {
    kill_process(Pid::from_raw(pid as i32).unwrap(), Signal::STOP).unwrap();
    let began = Instant::now();
    let stopped = |stat: String| stat.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with('T'));
    loop {
        let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).unwrap();
        if tasks.map(|task| std::fs::read_to_string(task.unwrap().path().join("stat")).unwrap()).all(stopped) {
            return;
        }
        assert!(began.elapsed() < Duration::from_secs(20), "the process does not stop");
        std::thread::yield_now();
    }
}

#[tokio::test]
async fn what_was_acked_before_the_power_failed_is_there_afterwards() {
    let dir = tempfile::tempdir().unwrap();
    let image = dir.path().join("disk");
    std::fs::File::create(&image).unwrap().set_len(256 << 20).unwrap();
    let made = run("mkfs.ext4", &["-q", "-F", image.to_str().unwrap()]);
    let disk = made.then(|| Mounted::new(&image, &dir.path().join("live"))).flatten();
    let Some(disk) = disk else {
        writeln!(std::io::stderr(), "SKIPPED: an image cannot be made and mounted here; run as root").unwrap();
        return;
    };
    let mut acked = Acked::new();
    let mut records = Vec::new();
    for cut in 0..CUTS {
        let mut load = Load::start(&disk.0.join("store.db"));
        load.run(Duration::from_millis(u64::from(cut * 61 % 127) + 40), &mut acked);
        stop(load.child.id());
        let copy = dir.path().join("copy");
        assert!(run("cp", &["--sparse=always", image.to_str().unwrap(), copy.to_str().unwrap()]));
        load.kill(Some(&mut acked));
        let after = Mounted::new(&copy, &dir.path().join("after")).expect("the copy cannot be mounted");
        let options = OpenOptions { fold_bytes: FOLD_BYTES, ..world::options() };
        let (writer, reader) = Store::open(&after.0.join("store.db"), options).await.unwrap();
        records.push(check(&reader, &acked).await);
        reader.close().await;
        writer.close().await.unwrap();
    }
    assert!(records.is_sorted() && records.last().is_some_and(|last| *last > 2_000), "too little load: {records:?}");
}
