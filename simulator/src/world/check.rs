//! The checks of the seeded world by name, and what each of them guards.

use std::fmt;

macro_rules! checks {
    ($($(#[$doc:meta])* $name:ident = $guards:literal,)*) => {
        /// One promise, checked against what really happened.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Check { $($(#[$doc])* $name,)* }

        impl Check {
            /// Every check.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// The invariant it guards, in words.
            pub const fn guards(self) -> &'static str {
                match self { $(Self::$name => $guards,)* }
            }
        }
    };
}

checks! {
    /// After every frame: each slot held is what its owner wrote there.
    OnlyTheOwnerWrites = "1: only the owner writes its log; relays change no entry",
    /// After every event: the own log only grows.
    SequenceRises = "2: sequence numbers strictly rise within a life",
    /// At every start of a gateway.
    IncarnationRises = "2: incarnations strictly rise, even over a lying disk",
    /// Every second, every log at every gateway.
    CursorCovers = "3: a cursor means that every entry up to it is held, or one that replaced it",
    /// At the end: the logs held are joined again, in another order, in pieces and twice.
    JoinInAnyOrder = "4: join is commutative, associative, idempotent",
    /// At the end: same winners everywhere, same digests.
    ViewsAgree = "5: no new operations and a connected graph give equal views",
    /// After every change: the winner is found again from the entries alone.
    WinnerIsPure = "6: the winner is a pure function of the entries held",
    /// At the end: at most one gateway has a socket of a vehicle.
    OneConnection = "7: at most one connected record a vehicle, and every loser's socket is closed",
    /// After every change: no slot goes back, no earlier life speaks again; at the end no view shows what no register holds.
    NoResurrection = "8: nothing comes back from behind the floor",
    /// Every second.
    EarlierLifeIsOffline = "9: nothing of a life is shown online after a later life was seen",
    /// Every second: online is only shown of an owner that was heard in that life, lately: itself, or by one that is heard.
    OnlineNeedsContact = "9, 14: nothing is shown online without contact in the present life",
    /// At every accept.
    EpochsRise = "10: accepted epochs of a vehicle strictly increase along its own history",
    /// At every goodbye, end of a socket, superseded session and answer that names another session.
    LateIsIgnored = "11: what is late names another session and does nothing",
    /// Every second: logs, lives, sockets, frames under way, records under way.
    BuffersAreBounded = "12: a dead peer costs no memory; buffers are bounded",
    /// At the end: sockets, pings and records alone send no entry.
    QuietSendsNothing = "13: messages are proportional to transitions",
    /// Every second.
    LostOwnerIsStale = "14: a lost owner's vehicles read stale within 15 s",
    /// At every accept: its answer comes with the answer of the own disk.
    AttachIsLocal = "16: an attach needs no one but the gateway it reaches",
    /// Every second, every vehicle at every gateway.
    AgeIsNotTooYoung = "19: an age shown is never younger than the truth",
    /// At every accept of a resume within the hold.
    HoldHidesLoss = "22: loss and resume within the hold publish nothing",
    /// At every ack.
    AckAfterCommit = "acks: nothing is acked that is not on a disk",
    /// At every accept.
    AcceptAfterCommit = "acks: no session is accepted that is not on disk",
    /// Every second and at the end: whatever a vehicle saw acked is on some gateway's disk.
    AckedIsKept = "acks: nothing acked is lost",
    /// At the end: no gateway holds a record twice, or another than was made.
    StoredOnce = "acks: nothing acked is doubled or changed",
    /// At the end: every record made and kept by a vehicle is acked.
    BacklogDrains = "acks: nothing is left behind",
    /// After every event: a changed view is announced to those who watch it.
    ChangesAreAnnounced = "5-operator-surface: what is shown changes only with an event",
    /// After every event: the own log says what the register holds.
    LogFollowsRegister = "session: what is published is what is held",
    /// Every second: counts of what is shown are what is shown.
    TallyMatches = "view: counts are what a scan counts",
    /// Every second, every session of this life: no timer fires early, none is overdue.
    TimersHold = "15: timers as in the protocol; any contact cancels them",
    /// Every second, every vehicle shown asleep at every gateway.
    AsleepAsSaid = "15: asleep is what said so, for as long as it said",
    /// Whenever a unit begins a command.
    CommandOnce = "18: a command is done at most once by a unit that remembers",
    /// Whenever a unit begins a command.
    CommandInTime = "18: a command is never begun after its time to live",
    /// Whenever a unit begins a command or says that it will not.
    RefusedIsNotBegun = "18: what a vehicle rejected, or said to be expired or cancelled, it did not do",
    /// At the end: of every last word that nothing but memory could lose.
    LastWordsArrive = "18: the last word of a vehicle reaches the gateway that took the command",
    /// Every second and at the end.
    CommandsEnd = "18: every command ends in time, or is told as unknown",
    /// Whenever an end is told, and at the end: it is what happened.
    EndsAreTrue = "18: a result is what the unit said, and none is made up",
    /// At the end: those that see a command through tell the same of it.
    CommandsAgree = "18: the holders of a command agree in the end",
    /// At every answer and at everything that is told of a command.
    CommandAfterCommit = "18: nothing is answered or told of a command that is not on disk",
    /// Every second: what an operator was told is kept is on those disks.
    CommandIsKept = "18: a command that was answered is not lost",
    /// At every message, in some worlds.
    WireIsFaithful = "wire: what is read is what was said",
    /// At the end: a unit that was switched off has no socket.
    OffIsOff = "vehicle: a goodbye is said or given up, never forgotten",
    /// At the end: every vehicle is shown as it is, at the gateway it is at.
    TruthIsShown = "5, 7: the views agree on the truth",
    /// At the end: every gateway holds every other for a member, in its present life.
    MembersAgree = "membership: a healed cut and a restart are found without help",
    /// Every second, at every gateway that runs in time.
    DeadIsSuspected = "membership: a gateway that died is suspected by all within 10 s",
    /// At the end: while all is quiet.
    QuietAccusesNobody = "membership: nobody who answers is held for dead",
    /// Every second: no gateway has met a copy that differs at the same place, unless an entry was corrupted on its way.
    DigestsMatch = "audit: a difference at equal cursors never happens by itself",
    /// Every second, every log at every gateway, where home regions are configured.
    KeepsItsShare = "homes: of other regions a gateway keeps the directory of what its own is home of, and nothing else",
}

impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self:?} ({})", self.guards())
    }
}

/// A promise was broken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Which.
    pub check: Check,
    /// When, in milliseconds of the world.
    pub at_ms: u64,
    /// How.
    pub text: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at {:.3} s: {}", self.check, self.at_ms as f64 / 1000.0, self.text)
    }
}
