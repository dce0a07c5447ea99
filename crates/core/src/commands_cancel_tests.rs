use super::*;

#[test]
fn a_cancel_is_no_end_while_a_gateway_that_may_have_sent_it_is_not_heard() {
    let mut world = World::new(1);
    let ask = world.take("west", order(Policy::Queue, 60));
    world.run(SECOND);
    let record = world.stored(ask);
    world.kill(&keeper(&record));
    let cancelled = world.cancel("west", record.id);
    world.run(5 * SECOND);
    assert_eq!(world.stored(cancelled).state(), State::Queued);
    assert_eq!(state(&world, "west", record.id), State::Queued);
    world.restart(&keeper(&record));
    world.run(5 * SECOND);
    assert_eq!(state(&world, "west", record.id), State::Cancelled);
    world.check_ends();
}

#[test]
fn a_command_cancelled_while_its_attempt_is_noted_was_not_sent_also_after_a_restart() {
    let mut machine = Commands::new(node("west"), RegionId::new("west").unwrap());
    let mut at = 0;
    let mut does = |machine: &mut Commands, event: Event| {
        at += 1;
        let mut out = Vec::new();
        machine.apply(Mono(1 << 40) + Millis(at), event, &mut out);
        let kept = |action| if let Action::Persist(record) = action { Some(*record) } else { None };
        out.into_iter().filter_map(kept).next_back()
    };
    let sighting = Sighting::Connected { owner: node("west"), epoch: Epoch(1) };
    let order = Box::new(order(Policy::Queue, 60));
    let taken = Event::Taken { order, sighting, wall: Wall(1_795_219_200_000), random: 7, ask: Ask(1) };
    let id = does(&mut machine, taken).unwrap().id;
    let noted = does(&mut machine, Event::Persisted(id)).unwrap();
    assert!(noted.attempting, "written before it is sent");
    assert_eq!(does(&mut machine, Event::CancelRequested { id, ask: Ask(2) }), None, "one write at a time");
    let cancelled = does(&mut machine, Event::Persisted(id)).unwrap();
    let mut next = Commands::new(node("west"), RegionId::new("west").unwrap());
    does(&mut next, Event::Restored(vec![cancelled]));
    assert_eq!(next.record(id).map(Record::state), Some(State::Cancelled));
}

#[test]
fn what_a_gateway_that_is_heard_again_has_sent_is_waited_for() {
    let mut world = World::new(1);
    let ask = world.take("west", order(Policy::Queue, 60));
    world.run(SECOND);
    let (id, keeper) = (world.stored(ask).id, keeper(&world.stored(ask)));
    // The vehicle comes to the keeper, which is cut off, and is given it there.
    world.mute = true;
    world.cut.insert((node("west"), node(&keeper)));
    world.vehicle(Some(&keeper), false);
    world.run(20 * SECOND);
    assert_eq!(state(&world, &keeper, id), State::Sent);
    world.cancel("west", id);
    world.cut.clear();
    world.look();
    for _ in 0..100 {
        assert_ne!(state(&world, "west", id), State::Cancelled);
        world.run(100);
    }
    world.mute = false;
    world.says(id, VehicleVerdict::Succeeded);
    world.run(5 * SECOND);
    assert_eq!(state(&world, "west", id), State::Succeeded);
}

#[test]
fn a_command_that_is_only_called_back_does_not_count_as_sent() {
    let mut world = World::new(1);
    let ask = world.take("west", order(Policy::Queue, 60));
    world.run(SECOND);
    let record = world.stored(ask);
    world.kill(&keeper(&record));
    world.cancel("west", record.id);
    world.mute = true;
    world.vehicle(Some("west"), false);
    world.run(20 * SECOND);
    assert_eq!(world.record("west", record.id).unwrap().progress, Progress::Queued);
    world.restart(&keeper(&record));
    world.run(10 * SECOND);
    assert_eq!(state(&world, "west", record.id), State::Cancelled);
}
