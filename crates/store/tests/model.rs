//! Random writes, folds and reopenings against a model that keeps everything in plain maps.

#![allow(clippy::unwrap_used)]

mod world;

use proptest::prelude::*;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use waygate_core::epoch::Epoch;
use waygate_core::id::NodeId;
use waygate_core::ranges::SeqRanges;
use waygate_core::record::{SignalPath, SignalValue};
use waygate_core::time::Wall;
use waygate_store::{Batch, CommandRecord, Latest, Outcome, PresenceRecord, Reader, Refusal, TransitionRecord, Write};
use world::{World, all, attach, batch, columns, command, fence, fix, forget, presence, settle, transition, vehicle};

const VEHICLES: u64 = 4;

#[derive(Clone, Debug)]
enum Step {
    Commit(Vec<Write>),
    Reopen,
    Restart,
}

fn write() -> impl Strategy<Value = Write> {
    let batches = (0..VEHICLES, 1u64..4, 0u64..2, 1u64..400, 0u64..90, 0i64..500_000, 0u64..3);
    prop_oneof![
        1 => (0..VEHICLES, 1u64..4, 0u64..2).prop_map(|(n, epoch, spool)| attach(n, epoch, spool)),
        1 => (0..VEHICLES, 1u64..4, 0u8..5).prop_map(|(n, epoch, state)| {
            Write::Presence(PresenceRecord { state, ..presence(n, epoch) })
        }),
        1 => (0..VEHICLES).prop_map(forget),
        1 => (0..VEHICLES, 1u64..5, 0u64..2).prop_map(|(n, epoch, spool)| fence(n, epoch, spool)),
        1 => (0..VEHICLES, 0u64..2, 1u64..400, 0u64..90, 0u64..90).prop_map(|(n, spool, first, more, hole)| {
            settle(n, spool, &[(first, first + more), (first + more + hole, first + more + 2 * hole)])
        }),
        // Now and then the id is one that another vehicle has.
        2 => (0..VEHICLES, 0u64..6, 0i64..50, any::<bool>(), 0u8..40).prop_map(|(n, id, updated, ended, other)| {
            let id = if other == 0 { 0 } else { id * VEHICLES + n };
            Write::Command(CommandRecord { ended, ..command(n, u128::from(id) << 70, updated) })
        }),
        // Few enough that many are repeats, some of them with another time.
        2 => (0..VEHICLES, 0u8..2, 0u64..20, 0i64..3).prop_map(|(n, owner, seq, late)| {
            Write::Transition(transition(n, if owner == 0 { "gw-1" } else { "gw-2" }, seq << 60, seq as i64 % 7 + late))
        }),
        12 => batches.prop_map(|(n, epoch, spool, first, more, late, signal)| {
            let mut batch = batch(n, epoch, spool, first, first + more);
            // Some batches are a backlog: their time has nothing to do with their numbers.
            if late % 3 == 0 {
                batch.t_min = Wall(batch.t_min.0 - late);
                batch.t_max = Wall(batch.t_max.0 - late / 2);
                batch.latest = Some(Latest { t: batch.t_max, fix: fix(late as i32) });
            }
            if signal > 0 {
                let path = SignalPath::new(&format!("Vehicle.S{signal}")).unwrap();
                batch.latest_signals = vec![(path, batch.t_max, SignalValue::Integer(late))];
            }
            Write::Batch(batch)
        }),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        20 => prop::collection::vec(write(), 1..6).prop_map(Step::Commit),
        1 => Just(Step::Reopen),
        1 => Just(Step::Restart),
    ]
}

#[derive(Debug, Default)]
struct Model {
    presence: BTreeMap<u64, PresenceRecord>,
    settled: BTreeMap<(u64, u64), BTreeSet<u64>>,
    batches: BTreeMap<u64, Vec<Batch>>,
    latest: BTreeMap<u64, Latest>,
    signals: BTreeMap<(u64, SignalPath), (Wall, SignalValue)>,
    /// The epochs of sessions that went on elsewhere; gone after a restart.
    moved: BTreeMap<u64, Epoch>,
    commands: BTreeMap<u128, CommandRecord>,
    transitions: BTreeMap<(u64, NodeId, u64), TransitionRecord>,
}

fn ranges(seqs: &BTreeSet<u64>) -> SeqRanges {
    seqs.iter().map(|&seq| (seq, seq)).collect()
}

fn number(write: &Write) -> u64 {
    write.vehicle().as_str()[4..].parse().unwrap()
}

impl Model {
    fn apply(&mut self, write: &Write) -> Outcome {
        let n = number(write);
        let fence = self.presence.get(&n).map(|record| record.epoch);
        let below = |by: Option<Epoch>, epoch: Epoch| by.filter(|by| epoch < *by).map(|by| Outcome::Fenced { by });
        let either = fence.max(self.moved.get(&n).copied());
        match write {
            Write::Attach { presence, spool } => below(either, presence.epoch).unwrap_or_else(|| {
                self.presence.insert(n, presence.clone());
                self.moved.remove(&n);
                self.attached(n, spool.0)
            }),
            Write::Presence(record) => below(fence, record.epoch).unwrap_or_else(|| {
                self.presence.insert(n, record.clone());
                Outcome::Done
            }),
            Write::Forget { .. } => {
                self.presence.remove(&n);
                Outcome::Done
            }
            Write::Batch(batch) => below(either, batch.epoch).unwrap_or_else(|| self.batch(n, batch)),
            Write::Fence { epoch, spool, .. } => {
                let moved = self.moved.entry(n).or_insert(*epoch);
                *moved = (*epoch).max(*moved);
                self.attached(n, spool.0)
            }
            Write::Settle { spool, settled, .. } => {
                self.settled.entry((n, spool.0)).or_default().extend(settled.iter().flatten());
                self.attached(n, spool.0)
            }
            Write::Command(command) => {
                if self.commands.get(&command.id).is_some_and(|kept| kept.vehicle != command.vehicle) {
                    return Outcome::Refused(Refusal::CommandOfAnother);
                }
                self.commands.insert(command.id, command.clone());
                Outcome::Done
            }
            Write::Transition(record) => {
                self.transitions.entry((n, record.owner.clone(), record.seq)).or_insert_with(|| record.clone());
                Outcome::Done
            }
        }
    }

    fn attached(&self, n: u64, spool: u64) -> Outcome {
        Outcome::Attached { settled: self.settled.get(&(n, spool)).map(ranges).unwrap_or_default() }
    }

    fn batch(&mut self, n: u64, batch: &Batch) -> Outcome {
        let settled = self.settled.entry((n, batch.spool.0)).or_default();
        let known: BTreeSet<u64> = settled.range(batch.first_seq..=batch.last_seq).copied().collect();
        if known.len() as u64 == batch.last_seq - batch.first_seq + 1 {
            return Outcome::Duplicate;
        }
        if !known.is_empty() {
            return Outcome::Overlap { settled: ranges(&known) };
        }
        settled.extend(batch.first_seq..=batch.last_seq);
        let latest = batch.latest.unwrap();
        if self.latest.get(&n).is_none_or(|kept| latest.t > kept.t) {
            self.latest.insert(n, latest);
        }
        for (path, t, value) in &batch.latest_signals {
            let key = (n, path.clone());
            if self.signals.get(&key).is_none_or(|(kept, _)| t > kept) {
                self.signals.insert(key, (*t, value.clone()));
            }
        }
        self.batches.entry(n).or_default().push(batch.clone());
        Outcome::Stored
    }

    async fn check(&self, reader: &Reader) {
        let presence = reader.presence_all(None, 100).await.unwrap().items;
        let by_id: BTreeMap<_, _> = presence.into_iter().map(|record| (record.vehicle.clone(), record)).collect();
        assert_eq!(by_id.into_values().collect::<Vec<_>>(), self.presence.values().cloned().collect::<Vec<_>>());
        for n in 0..VEHICLES {
            assert_eq!(reader.latest(&vehicle(n)).await.unwrap(), self.latest.get(&n).copied());
            let signals: BTreeMap<_, _> = reader
                .latest_signals(&vehicle(n))
                .await
                .unwrap()
                .into_iter()
                .map(|(path, t, value)| ((n, path), (t, value)))
                .collect();
            assert_eq!(
                signals.iter().collect::<Vec<_>>(),
                self.signals.iter().filter(|((m, _), _)| *m == n).collect::<Vec<_>>()
            );
            self.check_history(reader, n, Wall(i64::MIN), Wall(i64::MAX)).await;
            let middle = batch(n, 1, 0, 150, 200);
            self.check_history(reader, n, middle.t_min, middle.t_max).await;
            self.check_commands_and_timeline(reader, n).await;
        }
        let (mut open, mut after) = (Vec::new(), None);
        loop {
            let page = reader.commands_open(after, 5).await.unwrap();
            assert!(page.items.len() <= 5);
            open.extend(page.items);
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        open.sort_by_key(|command| command.id);
        assert_eq!(open, self.commands.values().filter(|command| !command.ended).cloned().collect::<Vec<_>>());
    }

    async fn check_commands_and_timeline(&self, reader: &Reader, n: u64) {
        let mut commands: Vec<_> = self.commands.values().filter(|c| c.vehicle == vehicle(n)).cloned().collect();
        for command in &commands {
            assert_eq!(reader.command(command.id).await.unwrap().as_ref(), Some(command));
        }
        commands.sort_by_key(|command| Reverse((command.updated, command.id)));
        for limit in [2, 100] {
            let expected: Vec<_> = commands.iter().take(limit as usize).cloned().collect();
            assert_eq!(reader.commands_of(&vehicle(n), limit).await.unwrap(), expected, "vehicle {n}");
        }
        let of = self.transitions.iter().filter(|((m, ..), _)| *m == n);
        let mut expected: Vec<_> = of.map(|(_, record)| record.clone()).collect();
        expected.sort_by_key(|record| Reverse(record.key()));
        let mut found = Vec::<TransitionRecord>::new();
        loop {
            let before = found.last().map(TransitionRecord::key);
            let page = reader.timeline(&vehicle(n), before, 15).await.unwrap();
            assert!(page.len() <= 15);
            if page.is_empty() {
                break;
            }
            found.extend(page);
        }
        assert_eq!(found, expected, "vehicle {n}");
    }

    async fn check_history(&self, reader: &Reader, n: u64, from: Wall, to: Wall) {
        let batches = all(reader.history(&vehicle(n), from, to, None).await.unwrap()).await;
        assert!(batches.is_sorted_by_key(|batch| batch.t_min), "vehicle {n}: out of order");
        let wanted = |batch: &&Batch| batch.t_min < to && batch.t_max >= from;
        let mut expected: Vec<_> =
            self.batches.get(&n).into_iter().flatten().filter(wanted).map(|b| (b.spool, b.first_seq)).collect();
        let mut found: Vec<_> = batches.iter().map(|b| (b.spool, b.first_seq)).collect();
        expected.sort_unstable();
        found.sort_unstable();
        assert_eq!(found, expected, "vehicle {n}");
        for batch in &batches {
            assert_eq!(batch.columns, columns(n, batch.spool.0, batch.first_seq, batch.last_seq));
        }
    }
}

async fn run(steps: Vec<Step>) {
    let world = World::folding_at(4_000);
    let (mut writer, mut reader) = world.open().await;
    let mut model = Model::default();
    for step in steps {
        match step {
            Step::Commit(writes) => {
                let expected: Vec<_> = writes.iter().map(|write| model.apply(write)).collect();
                assert_eq!(writer.commit(writes).await.unwrap(), expected);
            }
            Step::Reopen => {
                writer.reopen().await.unwrap();
                model.check(&reader).await;
            }
            Step::Restart => {
                drop(writer);
                reader.close().await;
                (writer, reader) = world.open().await;
                model.moved.clear();
                model.check(&reader).await;
            }
        }
    }
    model.check(&reader).await;
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn whatever_is_written_folded_and_reopened_nothing_is_lost_doubled_or_out_of_order(
        steps in prop::collection::vec(step(), 1..120)
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(run(steps));
    }
}
