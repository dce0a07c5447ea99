use super::{Action, Drain, Event, GRACE, SETTLE};
use crate::id::ConnId;
use crate::time::{Millis, Mono};

const START: Mono = Mono(1 << 40);
const WINDOW: Millis = Millis::secs(20);

struct Bench {
    drain: Drain,
    now: Mono,
    somewhere: bool,
    settling: bool,
}

impl Bench {
    fn new(conns: u64) -> Self {
        let drain = Drain::new(START, (0..conns).map(ConnId).collect(), WINDOW);
        Self { drain, now: START, somewhere: true, settling: false }
    }

    fn does(&mut self, event: Event) -> Vec<Action> {
        let mut out = Vec::new();
        self.drain.apply(self.now, event, &mut out);
        out
    }

    /// To the next deadline.
    fn waits(&mut self) -> Vec<Action> {
        self.now = self.drain.next_deadline().unwrap();
        self.does(Event::DeadlineReached { somewhere: self.somewhere, settling: self.settling })
    }

    /// Until something is asked for.
    fn next(&mut self) -> Vec<Action> {
        (0..1000).map(|_| self.waits()).find(|said| !said.is_empty()).unwrap()
    }

    fn passed(&self) -> Millis {
        self.now.since(START)
    }
}

#[test]
fn vehicles_are_sent_away_one_by_one_over_the_window_and_it_is_done_when_the_last_has_left() {
    let mut bench = Bench::new(10);
    for n in 0..10 {
        let left = Millis(WINDOW.0 + GRACE.0 - 2000 * n);
        assert_eq!(bench.next(), [Action::Redirect(ConnId(n), left)]);
        assert_eq!(bench.passed(), Millis(2000 * n), "evenly");
        assert_eq!(bench.does(Event::Left(ConnId(n))), []);
    }
    assert_eq!(bench.next(), [Action::Done]);
    assert_eq!(bench.passed(), Millis(18_000 + 2 * SETTLE.0));
    assert_eq!(bench.drain.next_deadline(), None);
}

#[test]
fn who_stays_is_ordered_away_after_the_window_and_the_grace() {
    let mut bench = Bench::new(2);
    bench.next();
    bench.does(Event::Left(ConnId(0)));
    bench.next();
    assert_eq!(bench.next(), [Action::Order(ConnId(1))]);
    assert_eq!(bench.passed(), WINDOW + GRACE);
    assert_eq!(bench.next(), [Action::Done], "it is not waited for longer than for a Close");
}

#[test]
fn while_there_is_nowhere_to_go_nobody_is_sent() {
    let mut bench = Bench::new(4);
    bench.somewhere = false;
    for _ in 0..5 {
        assert_eq!(bench.waits(), []);
    }
    bench.somewhere = true;
    let first = bench.next();
    assert!(matches!(first.as_slice(), [Action::Redirect(ConnId(0), _)]), "{first:?}");
    let before = bench.now;
    bench.next();
    assert!(bench.now.since(before) >= Millis::secs(4), "those that waited are spread too");
    let mut alone = Bench::new(1);
    alone.somewhere = false;
    assert_eq!(alone.next(), [Action::Order(ConnId(0))]);
    assert_eq!(alone.passed(), WINDOW + GRACE);
}

#[test]
fn an_attach_that_was_under_way_is_sent_away_as_soon_as_it_has_its_session() {
    let mut bench = Bench::new(0);
    bench.does(Event::Joined(ConnId(7)));
    assert!(matches!(bench.next().as_slice(), [Action::Redirect(ConnId(7), _)]));
}

#[test]
fn the_end_waits_for_those_that_others_do_not_see_elsewhere_yet() {
    let mut bench = Bench::new(0);
    bench.settling = true;
    for _ in 0..4 {
        assert_eq!(bench.waits(), []);
    }
    bench.settling = false;
    assert_eq!(bench.waits(), [], "others may see it a moment later than this node");
    assert_eq!(bench.waits(), [Action::Done]);
    let mut bench = Bench::new(0);
    bench.settling = true;
    assert_eq!(bench.next(), [Action::Done]);
    assert!(bench.passed() <= WINDOW + GRACE + SETTLE, "never for ever");
}
