use super::{Admission, BACKOFF_MAX, BACKOFF_MIN, Class, RATE_INITIAL_MILLI, Settings, Verdict, backoff};
use super::{Millis, Mono};
use proptest::prelude::*;
use std::collections::{BTreeSet, VecDeque};

const START: Mono = Mono(1 << 40);
/// A vehicle that has no answer for so long goes elsewhere.
const GUARD: Millis = Millis::secs(15);
const SETTINGS: Settings = Settings { wait_max: Millis::secs(2), queue_max: 4096, per_second_max: None };

/// How a disk answers.
#[derive(Clone, Copy, Debug)]
enum Disk {
    /// One after the other.
    Stream { per_second: u64 },
    /// All that wait when a commit begins, at its end.
    Group { commit_ms: u64, per_second: u64 },
}

/// A gateway under load, and the vehicles that want in.
struct Storm {
    admission: Admission,
    now: Mono,
    disk: Disk,
    queue: VecDeque<(usize, Mono)>,
    /// What the present commit takes, and when it ends.
    commit: (usize, Mono),
    served_milli: u64,
    returning: BTreeSet<(Mono, usize)>,
    attempts: Vec<u64>,
    attached: usize,
    admitted: u64,
    chance: u64,
    waited_max: Millis,
    waiting_max: u64,
}

impl Storm {
    fn new(settings: Settings, disk: Disk, seed: u64) -> Self {
        Self {
            admission: Admission::new(settings, START),
            now: START,
            disk,
            queue: VecDeque::new(),
            commit: (0, START),
            served_milli: 0,
            returning: BTreeSet::new(),
            attempts: Vec::new(),
            attached: 0,
            admitted: 0,
            chance: seed | 1,
            waited_max: Millis(0),
            waiting_max: 0,
        }
    }

    /// Vehicles come, spread over this time.
    fn breaks_out(&mut self, vehicles: usize, over: Millis) {
        for v in 0..vehicles {
            let at = self.now + Millis(v as u64 * over.0 / vehicles as u64);
            self.returning.insert((at, self.attempts.len()));
            self.attempts.push(0);
        }
    }

    fn draw(&mut self) -> u64 {
        self.chance ^= self.chance << 13;
        self.chance ^= self.chance >> 7;
        self.chance ^= self.chance << 17;
        self.chance
    }

    /// A millisecond passes.
    fn turn(&mut self) {
        self.now = self.now + Millis(1);
        for _ in 0..self.answers() {
            let Some((_, since)) = self.queue.pop_front() else { break };
            self.admission.answered(self.now, true);
            self.attached += 1;
            self.waited_max = self.waited_max.max(self.now.since(since));
        }
        while let Some((_, v)) = self.returning.first().copied().filter(|(at, _)| *at <= self.now) {
            self.returning.pop_first();
            self.attempts[v] += 1;
            match self.admission.ask(self.now, Class::Other) {
                Verdict::Admitted => {
                    self.admission.begun(self.now);
                    self.queue.push_back((v, self.now));
                    self.admitted += 1;
                }
                Verdict::Refused { backoff } => {
                    assert!(backoff >= BACKOFF_MIN && backoff <= BACKOFF_MAX);
                    let wait = Millis(backoff.0 + self.draw() % (backoff.0 + 1));
                    self.returning.insert((self.now + wait, v));
                }
            }
            self.waiting_max = self.waiting_max.max(self.admission.waiting());
        }
        assert_eq!(self.admission.waiting(), self.queue.len() as u64);
    }

    fn answers(&mut self) -> usize {
        match self.disk {
            Disk::Stream { per_second } => {
                self.served_milli = if self.queue.is_empty() { 0 } else { self.served_milli + per_second };
                let served = self.served_milli / 1000;
                self.served_milli %= 1000;
                served as usize
            }
            Disk::Group { commit_ms, per_second } => {
                if self.commit.1 > self.now {
                    return 0;
                }
                let taken = self.queue.len();
                let took = Millis(commit_ms + taken as u64 * 1000 / per_second);
                let done = std::mem::replace(&mut self.commit, (taken, self.now + took)).0;
                // What is answered now is not in the next commit.
                self.commit.0 = taken - done.min(taken);
                done
            }
        }
    }

    fn ends(&mut self) {
        while self.attached < self.attempts.len() {
            self.turn();
            assert!(self.now.since(START) < Millis::secs(4 * 3600), "{} are attached", self.attached);
        }
    }

    /// The attempts of the vehicle that needed more than 99.9 % of the others.
    fn attempts_of_the_unlucky(&self) -> u64 {
        let mut sorted = self.attempts.clone();
        sorted.sort_unstable();
        sorted[(sorted.len() - 1) * 999 / 1000]
    }
}

#[test]
fn a_storm_of_ten_thousand_ends_with_every_vehicle_attached_in_three_attempts() {
    let stream = [15, 50, 100, 300, 1000, 5000].map(|per_second| Disk::Stream { per_second });
    let group = [(5, 20_000), (50, 2000), (400, 1000), (900, 10_000)];
    let group = group.map(|(commit_ms, per_second)| Disk::Group { commit_ms, per_second });
    for disk in stream.into_iter().chain(group) {
        for over in [Millis(1), Millis::secs(2), Millis::secs(20)] {
            let mut storm = Storm::new(SETTINGS, disk, 7);
            storm.breaks_out(10_000, over);
            storm.ends();
            let attempts = storm.attempts_of_the_unlucky();
            assert!(attempts <= 3, "{attempts} attempts, {disk:?} over {over:?}");
            assert!(storm.waiting_max <= SETTINGS.queue_max * 3 / 4, "{} waited, {disk:?}", storm.waiting_max);
            assert!(storm.waited_max < GUARD, "{:?} waited, {disk:?} over {over:?}", storm.waited_max);
        }
    }
}

#[test]
fn the_rate_is_measured_up_and_down() {
    for per_second in [20, 500, 4000] {
        let mut storm = Storm::new(SETTINGS, Disk::Stream { per_second: 200 }, 1);
        storm.breaks_out(4000, Millis::secs(10));
        (0..5000).for_each(|_| storm.turn());
        storm.disk = Disk::Stream { per_second };
        storm.breaks_out(60_000, Millis::secs(10));
        (0..9000).for_each(|_| storm.turn());
        let measured = storm.admission.rate_milli() / 1000;
        assert!(measured >= per_second * 8 / 10 && measured <= per_second * 12 / 10, "{measured} of {per_second}");
    }
}

#[test]
fn a_gateway_with_little_to_do_does_not_think_itself_slow() {
    let mut storm = Storm::new(SETTINGS, Disk::Group { commit_ms: 5, per_second: 10_000 }, 1);
    for _ in 0..30 {
        storm.breaks_out(20, Millis::secs(1));
        (0..1000).for_each(|_| storm.turn());
    }
    assert!(storm.admission.rate_milli() >= RATE_INITIAL_MILLI);
    assert_eq!((storm.attached, storm.attempts.iter().max()), (600, Some(&1)));
}

#[test]
fn a_slow_disk_is_found_out_behind_a_short_queue_too() {
    let mut storm = Storm::new(Settings { queue_max: 20, ..SETTINGS }, Disk::Stream { per_second: 10 }, 9);
    storm.breaks_out(2668, Millis(1));
    storm.ends();
    assert!(storm.attempts_of_the_unlucky() <= 5, "{} attempts", storm.attempts_of_the_unlucky());
}

#[test]
fn each_refused_vehicle_is_told_of_its_turn() {
    let mut admission = Admission::new(SETTINGS, START);
    // By the rate before anything is measured two hundred fit into two seconds.
    for _ in 0..200 {
        assert_eq!(admission.ask(START, Class::Other), Verdict::Admitted);
        admission.begun(START);
    }
    for k in 1..=1000 {
        let turn = Millis(BACKOFF_MIN.0 + k * 10);
        assert_eq!(admission.ask(START, Class::Other), Verdict::Refused { backoff: turn });
    }
    let later = START + Millis::secs(1);
    admission.answered(later, true);
    admission.begun(later);
    let Verdict::Refused { backoff } = admission.ask(later, Class::Other) else { panic!("the queue is full still") };
    assert_eq!(backoff, Millis(BACKOFF_MIN.0 + 901 * 10), "a hundred turns have come");
    admission.refused_elsewhere(later, 100);
    assert_eq!(admission.refuse(later), Millis(BACKOFF_MIN.0 + 1002 * 10));
    admission.refused_elsewhere(later, 1 << 40);
    assert_eq!(admission.refuse(later), BACKOFF_MAX);
    assert_eq!((super::backoff(0, 0), super::backoff(u64::MAX, 1)), (BACKOFF_MIN, BACKOFF_MAX));
}

#[test]
fn a_vehicle_that_resumes_is_let_in_where_others_are_not() {
    let ceiling = |most| Settings { per_second_max: Some(most), ..SETTINGS };
    for (settings, others, resumes) in
        [(SETTINGS, 200, 100), (ceiling(8), 6, 2), (ceiling(4), 3, 1), (ceiling(2), 1, 1), (ceiling(1), 1, 0)]
    {
        let mut admission = Admission::new(settings, START);
        for (class, admitted) in [(Class::Other, others), (Class::Resume, resumes)] {
            for _ in 0..admitted {
                assert_eq!(admission.ask(START, class), Verdict::Admitted, "{class:?} {settings:?}");
                admission.begun(START);
            }
            assert_ne!(admission.ask(START, class), Verdict::Admitted, "{class:?} {settings:?}");
        }
    }
}

#[test]
fn a_disk_that_says_nothing_is_given_nothing_and_no_ones_turn_comes() {
    let mut admission = Admission::new(SETTINGS, START);
    assert_eq!(admission.ask(START, Class::Other), Verdict::Admitted);
    admission.begun(START);
    let soon = START + Millis(1999);
    assert_eq!(admission.ask(soon, Class::Other), Verdict::Admitted);
    let late = START + Millis::secs(2);
    for _ in 0..100 {
        assert_ne!(admission.ask(late, Class::Other), Verdict::Admitted);
    }
    let later = START + Millis::secs(600);
    assert_ne!(admission.ask(later, Class::Resume), Verdict::Admitted);
    assert_eq!(admission.told(), 101);
    admission.answered(later, false);
    assert_eq!(admission.ask(later, Class::Other), Verdict::Admitted, "it has answered, if only that it failed");
}

#[test]
fn the_ceiling_holds_and_its_backoffs_are_sized_by_it() {
    let settings = Settings { per_second_max: Some(50), ..SETTINGS };
    let mut storm = Storm::new(settings, Disk::Stream { per_second: 1000 }, 3);
    storm.breaks_out(3000, Millis::secs(1));
    let mut before = 0;
    while storm.attached < 3000 {
        (0..1000).for_each(|_| storm.turn());
        assert!(storm.admitted - before <= 2 * 50, "the burst of a second, and a second");
        before = storm.admitted;
    }
    assert!(storm.admitted <= 50 * (storm.now.since(START).0 / 1000 + 2));
    assert!(storm.attempts_of_the_unlucky() <= 3, "{}", storm.attempts_of_the_unlucky());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// Whatever the disk and however the vehicles come, all get in, and the queue keeps its bound.
    #[test]
    fn every_storm_ends_in_few_attempts(
        count in 100usize..4000, over_s in 0u64..30, per_second in 10u64..3000, commit_ms in 0u64..800, seed: u64,
        queue_max in 16u64..4096
    ) {
        let disk = match commit_ms {
            0..100 => Disk::Stream { per_second },
            _ => Disk::Group { commit_ms, per_second: per_second + 50 },
        };
        let mut storm = Storm::new(Settings { queue_max, ..SETTINGS }, disk, seed);
        storm.breaks_out(count, Millis(over_s * 1000 + 1));
        storm.ends();
        prop_assert!(storm.waiting_max <= queue_max);
        prop_assert!(storm.attempts_of_the_unlucky() <= 5, "{} attempts", storm.attempts_of_the_unlucky());
    }

    #[test]
    fn a_later_turn_has_no_shorter_backoff(ahead in 0u64..1 << 40, rate in 0u64..1 << 40) {
        prop_assert!(backoff(ahead, rate) <= backoff(ahead + 1, rate));
        prop_assert!(backoff(ahead, rate + 1) <= backoff(ahead, rate));
    }
}
