//! What came out, for a person and as JSON.

use crate::Plan;
use crate::catch_up::CatchUp;
use crate::steady::Steady;
use serde_json::{Value, json};

pub fn print(plan: &Plan, catch_up: &CatchUp, steady: &[Steady]) {
    if plan.json {
        let steady: Vec<_> = steady.iter().map(steady_json).collect();
        println!("{:#}", json!({ "plan": plan_json(plan), "catch_up": catch_up_json(catch_up), "steady": steady }));
        return;
    }
    let Plan { regions, vehicles, homes, sample, seconds, .. } = plan;
    println!("{regions} regions of one gateway, {vehicles} vehicles, homes: {homes}");
    println!("\none gateway kept whole; the {} others made one after another, read, and dropped:", regions - 1);
    if let (Some(least), Some(most)) = (catch_up.shards.iter().min(), catch_up.shards.iter().max()) {
        let mean = catch_up.shards.iter().sum::<usize>() as f64 / catch_up.shards.len() as f64;
        println!(
            "  a region is home of {mean:.0} shards on average, {least} to {most}; the one kept has about the average"
        );
    }
    let row = |what: &str, count: u64, each: f64| {
        println!("{what:44} {count:>10} entries {each:>7.0} B each {:>9.1} MB", count as f64 * each / 1e6);
    };
    row("  memory: own vehicles, detail", catch_up.own, catch_up.per_own);
    row("  memory: own vehicles, for other regions", catch_up.own_directory, catch_up.per_own_directory);
    row("  memory: vehicles of other regions", catch_up.of_others, catch_up.per_other);
    println!("  memory: all {:>82.1} MB", catch_up.memory() / 1e6);
    let received = &catch_up.received;
    println!(
        "  first catch-up: {:.1} MB in {} frames, {:.1} B an entry",
        received.all() as f64 / 1e6,
        received.frames,
        received.all() as f64 / received.entry_count.max(1) as f64,
    );
    println!("\nall gateways at once for {seconds} s, {sample} vehicles each at the rate of all of them:");
    for run in steady {
        println!(
            "  {} x the average: {:.1} changes a second and gateway, {:.1} told to other regions",
            run.factor,
            run.a_second(run.changes),
            run.a_second(run.told),
        );
        let kb = |bytes: u64| run.a_second(bytes) / 1000.0;
        println!(
            "    a gateway sends (and gets) {:.2} kB/s: entries {:.2}, around them {:.2}, cursors {:.2}, other {:.2}; {:.0} frames/s, {:.1} entries/s",
            kb(run.sent.all()),
            kb(run.sent.entries),
            kb(run.sent.around),
            kb(run.sent.cursors),
            kb(run.sent.other),
            run.a_second(run.sent.frames),
            run.a_second(run.sent.entry_count),
        );
        println!(
            "    {:.1} ms of this machine a gateway and second\n    from a change to a home: half within {} ms, 99 % within {} ms, all within {} ms ({} watched, {} never); {} mismatches, {} gaps",
            run.a_second(1000) * run.processor_seconds,
            run.quantile(0.5),
            run.quantile(0.99),
            run.quantile(1.0),
            run.took.len(),
            run.never,
            run.mismatches,
            run.gaps,
        );
    }
}

fn plan_json(plan: &Plan) -> Value {
    let Plan { regions, vehicles, homes, sample, seconds, peak, delay_ms, json: _ } = plan;
    json!({
        "regions": regions, "vehicles": vehicles, "homes": homes, "sample": sample, "seconds": seconds, "peak": peak,
        "delay_ms": delay_ms,
    })
}

fn catch_up_json(done: &CatchUp) -> Value {
    json!({
        "own_entries": done.own, "own_bytes_each": done.per_own,
        "own_directory_entries": done.own_directory, "own_directory_bytes_each": done.per_own_directory,
        "entries_of_others": done.of_others, "bytes_each_of_others": done.per_other,
        "shards_least": done.shards.iter().min(), "shards_most": done.shards.iter().max(),
        "memory_bytes": done.memory(),
        "received_bytes": done.received.all(), "received_frames": done.received.frames,
        "received_entries": done.received.entry_count, "snapshots": done.snapshots,
    })
}

fn steady_json(run: &Steady) -> Value {
    json!({
        "factor": run.factor,
        "changes_per_s": run.a_second(run.changes), "told_per_s": run.a_second(run.told),
        "sent_bytes_per_s": run.a_second(run.sent.all()), "entry_bytes_per_s": run.a_second(run.sent.entries),
        "around_bytes_per_s": run.a_second(run.sent.around), "cursor_bytes_per_s": run.a_second(run.sent.cursors),
        "other_bytes_per_s": run.a_second(run.sent.other), "frames_per_s": run.a_second(run.sent.frames),
        "entries_per_s": run.a_second(run.sent.entry_count),
        "home_knows_ms": { "p50": run.quantile(0.5), "p99": run.quantile(0.99), "max": run.quantile(1.0) },
        "watched": run.took.len(), "never": run.never, "mismatches": run.mismatches, "gaps": run.gaps,
    })
}
