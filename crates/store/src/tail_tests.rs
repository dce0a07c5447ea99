use super::*;
use waygate_core::epoch::Epoch;
use waygate_core::id::SessionId;
use waygate_core::time::Millis;

fn presence(number: i64, epoch: u64) -> (VehicleId, Entry) {
    let vehicle = VehicleId::new(&format!("LUX-{number}")).unwrap();
    let record = PresenceRecord {
        vehicle: vehicle.clone(),
        epoch: Epoch(epoch),
        session: SessionId(1),
        state: 1,
        cause: 0,
        cell: None,
        contact: Wall(0),
        spool: None,
        sleep: Millis(0),
        wake: 0,
        flags: 0,
    };
    (vehicle, Entry::Presence { vehicle: number, record })
}

#[test]
fn a_generation_is_full_by_what_it_takes_in_memory_where_that_is_more_than_on_disk() {
    let mut generation = Generation::default();
    let row = Arc::new(vec![0; 20_000]);
    generation.add_row(1, &row, (0..1_000).map(|number| presence(number, 1)).collect());
    assert!(generation.is_full(200_000), "{} bytes are held", generation.held_bytes);
    assert!(!generation.is_full(400_000));
}

#[test]
fn a_generation_of_few_vehicles_is_full_by_its_rows() {
    let mut generation = Generation::default();
    for id in 0..1_000 {
        generation.add_row(id, &Arc::new(vec![0; 100]), vec![presence(1, id as u64)]);
    }
    assert!(generation.held_bytes < 20_000, "{} bytes are held", generation.held_bytes);
    assert!(generation.is_full(100_000) && !generation.is_full(100_001));
}
