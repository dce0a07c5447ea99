//! The process is killed under load, again and again, on the same database: every acked record is there
//! exactly once.

#![allow(clippy::unwrap_used)]

#[path = "world/load.rs"]
mod load;
mod world;

use load::{Acked, FOLD_BYTES, Load, VEHICLES, check};
use std::time::Duration;
use world::World;

const KILLS: u32 = 25;

/// Not a test of its own: what the other one runs.
#[tokio::test]
async fn child() {
    load::be_the_child().await;
}

#[tokio::test]
async fn a_process_killed_under_load_loses_nothing_it_acked_and_doubles_nothing() {
    let world = World::folding_at(FOLD_BYTES);
    let mut acked = Acked::new();
    for kill in 0..KILLS {
        let mut load = Load::start(&world.path());
        // Times that share no divisor with anything: commits, folds and checkpoints are all hit.
        load.run(Duration::from_millis(u64::from(kill * 37 % 113) + 5), &mut acked);
        load.kill(Some(&mut acked));
        // Most of the time what one killed child left is found by the next one, not by an orderly opening.
        if kill % 4 == 3 {
            let (writer, reader) = world.open().await;
            check(&reader, &acked).await;
            reader.close().await;
            writer.close().await.unwrap();
        }
    }
    let (_writer, reader) = world.open().await;
    let records = check(&reader, &acked).await;
    let counts = reader.counts().unwrap();
    assert_eq!(counts.records, records);
    assert!(acked.len() as u64 == VEHICLES && records > 10_000, "{records} records: the test saw too little load");
    assert!(counts.unfolded_batches < counts.batches, "nothing was folded");
}
