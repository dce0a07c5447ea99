//! Planted faults: ways of getting it wrong that the oracles must see.
//!
//! Each is a change of the harness around the core (an event or action is changed on its way), never a switch
//! inside it. A world without a plant runs the core as it is.

/// One way of getting it wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Plant {
    /// Records are said to be on disk as soon as they are written to the queue.
    AckBeforeCommit,
    /// An attach is said to be on disk and never written.
    SkipPersistOnAttach,
    /// The goodbye of an old socket is taken for that of the present one.
    HonourLateGoodbye,
    /// A relay gives the entries it passes on sequence numbers of its own.
    RestampRelayed,
    /// The presented token is thrown away: epochs come from the clock and the directory alone.
    EpochFromClock,
    /// Tombstones are not sent, although the cursor moves past them.
    DropTombstones,
    /// Nobody notices that a peer is silent.
    BelieveTheSilent,
    /// A gateway begins a new life under the incarnation of the one before.
    ReuseIncarnation,
    /// The store does not look for what it holds already.
    StoreTwice,
    /// A late word that a session lost is taken to mean the present one.
    HonourLateSupersede,
    /// Idle is published as soon as a socket is lost.
    PublishWithoutHold,
    /// Ages are left out on the way to a peer.
    ForgetAges,
    /// A gateway gives an idle vehicle less time than the timers say.
    HurryTimers,
    /// No timer of a session fires at night; all that was due then is caught up with at dawn.
    TimersRestAtNight,
    /// A lost socket is taken for a vehicle that sleeps.
    SleepUnasked,
    /// A command crosses as if it had just been taken: it is sent after its time to live.
    ForgetCommandAges,
    /// A unit does not remember what it was told to do.
    ForgetIds,
    /// A command is answered as soon as it is on its way to the disk.
    AnswerBeforeDisk,
    /// A gateway that starts throws away the commands that its disk kept.
    DropKeptCommands,
    /// The deadlines of commands pass unheeded.
    CommandsNeverEnd,
    /// A vehicle's word that it will do a command is taken for the word that it is done.
    DoneWhenAccepted,
    /// A gateway tells the other holders of no end.
    KeepEndsBack,
    /// A gateway tells nobody what a vehicle said of the commands of others.
    KeepWordsBack,
    /// A unit says of what it has begun that it was cancelled.
    CancelTheBegun,
    /// Of a batch that is settled, the last run of records is not written.
    SettleUnwritten,
    /// Acks do not reach vehicles.
    LoseAcks,
    /// An attach is not accepted while no peer is heard.
    AskPeersFirst,
    /// What is shown of a vehicle changes without a word to those who watch.
    ChangeUnannounced,
    /// A unit that is switched off forgets to say goodbye and stays.
    StayWhenOff,
    /// The last byte of what a vehicle says gets lost.
    CutOnTheWire,
    /// A gateway does not heed what a peer says in a later life.
    IgnoreLaterLives,
    /// One gateway is told of no entries.
    LeaveOneOut,
    /// Units give up dialling halfway through the storm.
    StopDialling,
    /// A stream is given frames whether the earlier ones have left or not.
    IgnoreRoom,
    /// Digests are not those of the logs.
    WrongDigests,
    /// Nobody calls a gateway that is held for dead.
    ForgetTheDown,
    /// No membership is ever told that time has passed.
    NeverProbe,
    /// Once all is quiet, what one gateway sends of the membership is lost.
    DeafInCalm,
    /// A gateway that learns of a life that it forgot stays in the one that nobody believes.
    StayOutlived,
    /// Nothing is said to find out where copies differ.
    NoAudits,
    /// A gateway keeps the vehicles of all regions, of whichever its own is home.
    KeepEverything,
    /// A gateway passes on the directories of others to those who keep more of them.
    PassOnLess,
    /// No home region tells a gateway that another has its vehicle.
    KeepLosersIgnorant,
    /// A gateway says that nothing was said where something was.
    BlankAll,
    /// A gateway passes on whatever it holds as what it has just heard.
    VouchForTheLost,
}

impl Plant {
    /// Every plant.
    pub const ALL: &[Self] = &[
        Self::AckBeforeCommit,
        Self::SkipPersistOnAttach,
        Self::HonourLateGoodbye,
        Self::RestampRelayed,
        Self::EpochFromClock,
        Self::DropTombstones,
        Self::BelieveTheSilent,
        Self::ReuseIncarnation,
        Self::StoreTwice,
        Self::HonourLateSupersede,
        Self::PublishWithoutHold,
        Self::ForgetAges,
        Self::HurryTimers,
        Self::TimersRestAtNight,
        Self::SleepUnasked,
        Self::ForgetCommandAges,
        Self::ForgetIds,
        Self::AnswerBeforeDisk,
        Self::DropKeptCommands,
        Self::CommandsNeverEnd,
        Self::DoneWhenAccepted,
        Self::KeepEndsBack,
        Self::KeepWordsBack,
        Self::CancelTheBegun,
        Self::SettleUnwritten,
        Self::LoseAcks,
        Self::AskPeersFirst,
        Self::ChangeUnannounced,
        Self::StayWhenOff,
        Self::CutOnTheWire,
        Self::IgnoreLaterLives,
        Self::LeaveOneOut,
        Self::StopDialling,
        Self::IgnoreRoom,
        Self::WrongDigests,
        Self::ForgetTheDown,
        Self::NeverProbe,
        Self::DeafInCalm,
        Self::StayOutlived,
        Self::NoAudits,
        Self::KeepEverything,
        Self::PassOnLess,
        Self::KeepLosersIgnorant,
        Self::BlankAll,
        Self::VouchForTheLost,
    ];
}
