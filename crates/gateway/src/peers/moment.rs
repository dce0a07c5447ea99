//! What time it is at a peer. A call may lie in a stalled connection for minutes; so it says when it was made, on the clock
//! of whoever reads it, and what it carries has aged by as much when it is read.

use crate::clock::Clock;
use std::sync::{Arc, Mutex, PoisonError};
use tonic::transport::Channel;
use tonic::{Code, Status};
use waygate_core::id::Incarnation;
use waygate_core::time::{Millis, Mono};
use waygate_wire::proto;
use waygate_wire::proto::commands_client::CommandsClient;

/// How long a reading of a peer's clock is of use: two clocks go apart meanwhile.
const READING_LIFE: Millis = Millis::secs(60);

/// How much slower than this clock the peer's may go, one part in so many.
const DRIFT: u64 = 1000;

/// A peer's clock, as an answer told of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Reading {
    incarnation: Incarnation,
    clock: Mono,
    /// When the answer came.
    read: Mono,
}

impl Reading {
    /// What the peer's clock shows at least; `None` if it was read too long ago.
    fn at(&self, now: Mono) -> Option<Mono> {
        let since = now.since(self.read);
        (since < READING_LIFE).then(|| self.clock + Millis(since.0 - since.0.div_ceil(DRIFT)))
    }
}

/// The clock of one peer, read again when it is needed. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct PeerClock(Arc<Mutex<Option<Reading>>>);

impl PeerClock {
    /// A moment on the peer's clock that is not later than now.
    pub async fn moment(&self, client: &mut CommandsClient<Channel>, clock: &Clock) -> Result<proto::Moment, Status> {
        let now = clock.now();
        let known = self.reading().and_then(|reading| Some((reading.incarnation, reading.at(now)?)));
        let (incarnation, at) = match known {
            Some(known) => known,
            None => {
                let told = client.read_clock(proto::ClockRequest {}).await?.into_inner();
                let (incarnation, at) = (Incarnation(told.incarnation), Mono(told.clock_ms));
                self.set(Some(Reading { incarnation, clock: at, read: clock.now() }));
                (incarnation, at)
            }
        };
        Ok(proto::Moment { incarnation: incarnation.0, clock_ms: at.0 })
    }

    /// The peer refused a call. If its clock is another than this one was, the next call reads it anew, and this is true:
    /// the call had no effect.
    pub fn refused(&self, status: &Status) -> bool {
        let other = status.code() == Code::FailedPrecondition;
        if other {
            self.set(None);
        }
        other
    }

    fn reading(&self) -> Option<Reading> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set(&self, reading: Option<Reading>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = reading;
    }
}

/// The clock of this gateway, as its peers see it.
#[derive(Clone, Copy, Debug)]
pub struct OwnClock {
    /// The clock.
    pub clock: Clock,
    /// Which life of this gateway it counts in.
    pub incarnation: Incarnation,
}

impl OwnClock {
    /// What it shows.
    pub fn read(&self) -> proto::ClockReply {
        proto::ClockReply { incarnation: self.incarnation.0, clock_ms: self.clock.now().0 }
    }

    /// When a call was made.
    pub fn when(&self, sent: Option<proto::Moment>) -> Result<Mono, Status> {
        sent_at(self.incarnation, self.clock.now(), sent)
    }
}

fn sent_at(me: Incarnation, now: Mono, sent: Option<proto::Moment>) -> Result<Mono, Status> {
    let sent = sent.ok_or_else(|| Status::invalid_argument("sent: is missing"))?;
    if sent.incarnation != me.0 {
        return Err(Status::failed_precondition(
            "sent: is on the clock of another life of this gateway; read it again",
        ));
    }
    Ok(Mono(sent.clock_ms).min(now))
}

#[cfg(test)]
#[path = "moment_tests.rs"]
mod tests;
