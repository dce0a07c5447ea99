//! The commands a unit was given: each is begun at most once and never after its time, and what became of it is said until
//! a gateway has heard it.

use super::{Action, LinkId};
use crate::notice::Notice;
use std::collections::VecDeque;
use waygate_core::command::{Command, CommandId, CommandStatus, VehicleVerdict};
use waygate_core::limits::COMMAND_IDS_REMEMBERED;
use waygate_core::message::Uplink;
use waygate_core::time::{Millis, Mono};

/// Commands the owner may have before it has finished one: beyond it they are rejected, so that none waits for ever.
pub const COMMANDS_IN_HAND_MAX: usize = 32;

/// A last word that was sent so shortly before its session ended may not have arrived, whatever the session's timers.
const RESAY_WITHIN: Millis = Millis::secs(60);

/// How far a command has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// The owner has it; it may be begun before then.
    Waiting(Mono),
    /// It was begun in this life.
    Begun,
    /// Nothing more will be said of it.
    Over,
    /// An earlier life was given it.
    Remembered,
}

#[derive(Clone, Debug)]
struct Entry {
    id: CommandId,
    stage: Stage,
    /// What was said of it last.
    last: Option<CommandStatus>,
    /// That has not been sent, or has perhaps not arrived.
    unsaid: bool,
    /// When its last word was sent.
    sent: Option<Mono>,
}

/// Commands, in the order they came.
#[derive(Debug)]
pub(super) struct Commands {
    taken: bool,
    entries: VecDeque<Entry>,
}

impl Commands {
    /// Those that an earlier life was given, and whether the owner takes any.
    pub(super) fn new(remembered: Vec<CommandId>, taken: bool) -> Self {
        let mut commands = Self { taken, entries: VecDeque::new() };
        for id in remembered {
            commands.add(id, Stage::Remembered);
        }
        commands
    }

    /// A gateway asks for it.
    pub(super) fn arrive(&mut self, now: Mono, link: LinkId, command: Command, out: &mut Vec<Action>) {
        let id = command.id;
        if self.find(id).is_some() {
            return self.repeat(now, link, id, out);
        }
        let in_hand = |entry: &&Entry| matches!(entry.stage, Stage::Waiting(_) | Stage::Begun);
        let refusal = if command.ttl == Millis(0) {
            Some((VehicleVerdict::Expired, "expired", "the command has come too late"))
        } else if !self.taken {
            Some((VehicleVerdict::Rejected, "unsupported", "this unit takes no commands"))
        } else if self.entries.iter().filter(in_hand).count() >= COMMANDS_IN_HAND_MAX {
            Some((VehicleVerdict::Rejected, "busy", "the unit has as many commands as it can take"))
        } else {
            None
        };
        self.add(id, Stage::Waiting(now + command.ttl));
        match refusal {
            Some((verdict, code, text)) => {
                // It may come again over another gateway after a reboot, when this unit would take it, or with more time by
                // a clock that was set back: the first word is the last.
                out.push(Action::RememberCommand(id));
                self.note(now, Some(link), status(id, verdict, code, text), out);
            }
            None => {
                // Should the power fail after this, it is not done, rather than done twice.
                out.push(Action::RememberCommand(id));
                out.push(Action::Notify(Notice::CommandArrived(command)));
            }
        }
    }

    /// A gateway asks not to begin it.
    pub(super) fn cancel(&mut self, now: Mono, link: LinkId, id: CommandId, out: &mut Vec<Action>) {
        let waits = match self.find(id).map(|entry| entry.stage) {
            Some(Stage::Waiting(_)) => true,
            Some(Stage::Begun | Stage::Over | Stage::Remembered) => return self.repeat(now, link, id, out),
            None => false,
        };
        if waits {
            out.push(Action::Notify(Notice::CommandCancelled(id)));
        } else {
            // Should the command come after all, it is known, also to the next life.
            self.add(id, Stage::Over);
            out.push(Action::RememberCommand(id));
        }
        self.note(now, Some(link), status(id, VehicleVerdict::Cancelled, "", ""), out);
    }

    /// The owner asks whether it may begin it.
    pub(super) fn begin(&mut self, now: Mono, link: Option<LinkId>, id: CommandId, out: &mut Vec<Action>) {
        let granted = self.find(id).is_some_and(|entry| matches!(entry.stage, Stage::Waiting(_)));
        out.push(Action::AnswerBegin { id, granted });
        if granted {
            self.note(now, link, status(id, VehicleVerdict::Running(0), "", ""), out);
        }
    }

    /// The owner says what became of it. Of a command that is over or was never given nothing more is said.
    pub(super) fn said(&mut self, now: Mono, link: Option<LinkId>, status: CommandStatus, out: &mut Vec<Action>) {
        if self.find(status.id).is_some_and(|entry| entry.stage != Stage::Over) {
            self.note(now, link, status, out);
        }
    }

    /// Gives up what was not begun in time.
    pub(super) fn expire(&mut self, now: Mono, link: Option<LinkId>, out: &mut Vec<Action>) {
        let late = |entry: &&Entry| matches!(entry.stage, Stage::Waiting(until) if until <= now);
        let late: Vec<_> = self.entries.iter().filter(late).map(|entry| entry.id).collect();
        for id in late {
            out.push(Action::Notify(Notice::CommandExpired(id)));
            let text = "the unit did not come to it in time";
            self.note(now, link, status(id, VehicleVerdict::Expired, "expired", text), out);
        }
    }

    /// When the next command expires.
    pub(super) fn next_deadline(&self) -> Option<Mono> {
        let until = |entry: &Entry| if let Stage::Waiting(until) = entry.stage { Some(until) } else { None };
        self.entries.iter().filter_map(until).min()
    }

    /// What was sent last may not have arrived. A way that only this side could not use any more is found out by the gateway,
    /// after at most the session's silence; if its Close does not come through either, by this side after as long again.
    pub(super) fn session_ended(&mut self, now: Mono, silence: Option<Millis>) {
        let within = silence.map_or(RESAY_WITHIN, |silence| RESAY_WITHIN.max(silence + silence));
        for entry in &mut self.entries {
            entry.unsaid |= entry.sent.take().is_some_and(|sent| now.since(sent) <= within);
        }
    }

    /// Says on a new session what the earlier ones may not have heard.
    pub(super) fn catch_up(&mut self, now: Mono, link: LinkId, out: &mut Vec<Action>) {
        let unsaid: Vec<_> = self.entries.iter().filter(|entry| entry.unsaid).filter_map(|e| e.last.clone()).collect();
        for status in unsaid {
            self.say(now, Some(link), status, out);
        }
    }

    fn find(&self, id: CommandId) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.id == id)
    }

    /// Makes room among those that are over, if need be.
    fn add(&mut self, id: CommandId, stage: Stage) {
        while self.entries.len() >= COMMAND_IDS_REMEMBERED {
            let over = |entry: &Entry| matches!(entry.stage, Stage::Over | Stage::Remembered);
            let at = self.entries.iter().position(|entry| over(entry) && !entry.unsaid);
            let at = at.or_else(|| self.entries.iter().position(over)).unwrap_or(0);
            self.entries.remove(at);
        }
        self.entries.push_back(Entry { id, stage, last: None, unsaid: false, sent: None });
    }

    /// Answers a gateway that does not know how far it has come.
    fn repeat(&mut self, now: Mono, link: LinkId, id: CommandId, out: &mut Vec<Action>) {
        let status = match self.find(id) {
            Some(Entry { last: Some(status), .. }) => status.clone(),
            Some(Entry { stage: Stage::Remembered, .. }) => {
                let text = "it was given before the unit was started anew";
                status(id, VehicleVerdict::Duplicate, "duplicate", text)
            }
            // The owner has it, and will say what becomes of it.
            Some(_) | None => return,
        };
        self.say(now, Some(link), status, out);
    }

    /// Takes a word on a command over, and says it.
    fn note(&mut self, now: Mono, link: Option<LinkId>, status: CommandStatus, out: &mut Vec<Action>) {
        if let Some(entry) = self.entries.iter_mut().find(|entry| entry.id == status.id) {
            entry.stage = match (status.verdict, entry.stage) {
                (VehicleVerdict::Accepted, stage) => stage,
                (VehicleVerdict::Running(_), _) => Stage::Begun,
                (
                    VehicleVerdict::Rejected
                    | VehicleVerdict::Succeeded
                    | VehicleVerdict::Failed
                    | VehicleVerdict::Duplicate
                    | VehicleVerdict::Expired
                    | VehicleVerdict::Cancelled,
                    _,
                ) => Stage::Over,
            };
            entry.last = Some(status.clone());
            self.say(now, link, status, out);
        }
    }

    /// Says it, now or on the next session.
    fn say(&mut self, now: Mono, link: Option<LinkId>, status: CommandStatus, out: &mut Vec<Action>) {
        let entry = self.entries.iter_mut().find(|entry| entry.id == status.id);
        if let Some(entry) = entry {
            entry.unsaid = link.is_none();
            entry.sent = link.filter(|_| status.verdict.is_final()).map(|_| now);
        }
        out.extend(link.map(|link| Action::Send { link, message: Uplink::CommandStatus(status) }));
    }
}

fn status(id: CommandId, verdict: VehicleVerdict, code: &str, text: &str) -> CommandStatus {
    CommandStatus { id, verdict, code: code.to_owned(), text: text.to_owned(), result: String::new() }
}
