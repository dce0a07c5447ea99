//! The decisions of Waygate, in plain synchronous code.
//!
//! # The Machine convention
//!
//! A machine takes `(now, event)` and returns actions; it does no IO, reads no clock, draws no random
//! bits and spawns nothing. Its two methods are
//!
//! ```text
//! fn apply(&mut self, now: Mono, event: Event, out: &mut Actions)
//! fn next_deadline(&self) -> Option<Mono>
//! ```
//!
//! Wall-clock readings and random bits arrive inside events. What must be durable goes out as
//! [`Persist`](session::Action::Persist) and comes back as an event; only then does the answer that
//! depends on it go out. The driver around a machine waits for the next event or deadline, applies it and
//! performs the actions in order.

pub mod admission;
pub mod by_vehicle;
pub mod cause;
pub mod cell;
pub mod clones;
pub mod command;
pub mod commands;
pub mod credential;
pub mod digest;
pub mod doubts;
pub mod drain;
pub mod enrolment;
pub mod epoch;
pub mod homes;
pub mod id;
pub mod identity;
pub mod ingest;
pub mod limits;
pub mod log;
pub mod membership;
pub mod message;
pub mod node;
pub mod pager;
pub mod ranges;
pub mod record;
pub mod redirect;
pub mod region_map;
pub mod registrar;
pub mod session;
pub mod sync;
pub mod time;
pub mod timers;
pub mod token;
pub mod view;
pub mod wake;
pub mod wake_up;
