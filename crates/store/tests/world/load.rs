//! Load in a process of its own, which can be killed: what it says it was acked comes through a pipe.
#![allow(dead_code)]

use crate::world::{attach, batch, columns, command, history, options, transition, vehicle};
use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Lines, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};
use waygate_store::{OpenOptions, Outcome, Reader, Store, StoredBatch, TIMELINE_KEPT_MAX, Write, Writer};

pub const VEHICLES: u64 = 40;
pub const FOLD_BYTES: usize = 60_000;
const CHILD_STORE: &str = "WAYGATE_TEST_STORE";

/// What the parent knows to be acked: for each vehicle, records `1 ..= n`.
pub type Acked = BTreeMap<u64, u64>;

/// The child: goes on where the store says it is, for ever, and tells what was acked after it was.
async fn write_for_ever(path: &Path) {
    let options = OpenOptions { fold_bytes: FOLD_BYTES, ..options() };
    let (mut writer, _reader) = Store::open(path, options).await.unwrap();
    let mut next = attach_all(&mut writer).await;
    let mut out = std::io::stdout().lock();
    let mut random = u64::from(std::process::id());
    loop {
        let mut writes = Vec::new();
        for n in 0..VEHICLES {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let records = random >> 60;
            if records > 0 {
                let first = next[&n];
                let last = first + records - 1;
                writes.push(Write::Batch(batch(n, 1, 7, first, last)));
                writes.push(Write::Command(command(n, u128::from(n), last as i64)));
                writes.push(Write::Transition(transition(n, "gw-1", last, last as i64)));
                next.insert(n, last + 1);
            }
        }
        let sent: Vec<_> = writes.iter().map(|write| write.vehicle().clone()).collect();
        let outcomes = writer.commit(writes).await.unwrap();
        assert!(outcomes.iter().all(|o| matches!(o, Outcome::Stored | Outcome::Done)), "{outcomes:?}");
        for vehicle in sent {
            let n: u64 = vehicle.as_str()[4..].parse().unwrap();
            writeln!(out, "acked {n} {}", next[&n] - 1).unwrap();
        }
        out.flush().unwrap();
    }
}

/// Attaches every vehicle; what is settled must be everything up to some number.
async fn attach_all(writer: &mut Writer) -> BTreeMap<u64, u64> {
    let outcomes = writer.commit((0..VEHICLES).map(|n| attach(n, 1, 7)).collect()).await.unwrap();
    let next = |outcome: Outcome| {
        let Outcome::Attached { settled } = outcome else { panic!("{outcome:?}") };
        assert!(settled.len() <= 1, "the spool has holes: {settled:?}");
        settled.through(1) + 1
    };
    (0..VEHICLES).zip(outcomes.into_iter().map(next)).collect()
}

/// Writes for ever, if this process was started for that; the test named `child` calls it.
pub async fn be_the_child() {
    if let Some(path) = std::env::var_os(CHILD_STORE) {
        write_for_ever(path.as_ref()).await;
    }
}

/// A process that writes to a database until it is killed.
pub struct Load {
    pub child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Load {
    /// Starts this very test program as the child; it must have a test named `child`.
    pub fn start(store: &Path) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "child", "--nocapture"])
            .env(CHILD_STORE, store)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, lines }
    }

    /// Lets it run for a while after its first ack, and takes note of what it says.
    pub fn run(&mut self, time: Duration, acked: &mut Acked) {
        let began = self.lines.by_ref().map_while(Result::ok).find(|line| note(line, acked)).map(|_| Instant::now());
        let began = began.expect("the child ended before it wrote anything");
        while began.elapsed() < time {
            let line = self.lines.next().expect("the child ended by itself").unwrap();
            note(&line, acked);
        }
    }

    /// Kills it. What it had said before it died is still in the pipe, and is noted if asked for.
    pub fn kill(mut self, acked: Option<&mut Acked>) {
        self.child.kill().unwrap();
        if let Some(acked) = acked {
            self.lines.by_ref().map_while(Result::ok).for_each(|line| {
                note(&line, acked);
            });
        }
        self.child.wait().unwrap();
    }
}

fn note(line: &str, acked: &mut Acked) -> bool {
    let Some(rest) = line.strip_prefix("acked ") else { return false };
    // A last line that was cut short ends in fewer digits, so it never claims more than was acked.
    if let Some((n, through)) = rest.split_once(' ')
        && let (Ok(n), Ok(through)) = (n.parse(), through.parse::<u64>())
    {
        let known = acked.entry(n).or_default();
        *known = (*known).max(through);
    }
    true
}

/// Every vehicle's records are there from 1 on without a gap or a repeat, at least through what was acked.
pub async fn check(reader: &Reader, acked: &Acked) -> u64 {
    let mut records = 0;
    for n in 0..VEHICLES {
        let batches = history(reader, n).await;
        let mut next = 1;
        for batch in &batches {
            assert_eq!(batch.first_seq, next, "vehicle {n}: a record is missing or there twice");
            assert_eq!(batch.columns, columns(n, 7, batch.first_seq, batch.last_seq), "vehicle {n}");
            next = batch.last_seq + 1;
        }
        let through = acked.get(&n).copied().unwrap_or_default();
        assert!(next > through, "vehicle {n}: acked through {through}, kept through {}", next - 1);
        let latest = reader.latest(&vehicle(n)).await.unwrap().map(|latest| latest.t);
        assert_eq!(latest, batches.last().map(|batch| batch.t_max), "vehicle {n}: its latest position");
        check_beside(reader, n, &batches).await;
        records += next - 1;
    }
    records
}

/// Each batch was written together with a change of the vehicle's command and a transition.
async fn check_beside(reader: &Reader, n: u64, batches: &[StoredBatch]) {
    let last = batches.last().map(|batch| batch.last_seq);
    let kept = reader.command(u128::from(n)).await.unwrap();
    assert_eq!(kept, last.map(|last| command(n, u128::from(n), last as i64)), "vehicle {n}: its command");
    let timeline = reader.timeline(&vehicle(n), None, TIMELINE_KEPT_MAX).await.unwrap();
    let newest = batches.iter().rev().map(|batch| transition(n, "gw-1", batch.last_seq, batch.last_seq as i64));
    assert!(timeline.into_iter().eq(newest.take(TIMELINE_KEPT_MAX as usize)), "vehicle {n}: its timeline");
}
