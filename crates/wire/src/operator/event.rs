//! The events of `GET /v1/stream`.

use super::{CommandInfo, Instant, Regions, Vehicle};
use serde::{Deserialize, Serialize};

/// The first event of a stream.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// The answering gateway.
    pub gateway: String,
    /// Its region.
    pub region: String,
    /// Its clock.
    pub time: Instant,
}

/// Latest positions since the event before.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Positions {
    /// At most one a vehicle.
    pub positions: Vec<LivePosition>,
}

/// A position in a stream: short, because there are many.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LivePosition {
    /// The vehicle.
    pub id: String,
    /// Degrees north.
    pub lat: f64,
    /// Degrees east.
    pub lon: f64,
    /// By the vehicle's clock, milliseconds since 1970.
    pub t: i64,
    /// Metres a second.
    pub speed: Option<f64>,
    /// Degrees clockwise from north.
    pub heading: Option<f64>,
}

/// Events were left out: list again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Missed {
    /// How many, as far as is known.
    pub events: u64,
}

/// One event of the stream.
#[derive(Clone, Debug, PartialEq)]
pub enum StreamEvent {
    /// The stream begins.
    Hello(Hello),
    /// What is shown of a vehicle changed.
    Presence(Box<Vehicle>),
    /// Vehicles moved.
    Positions(Positions),
    /// A command changed; only if `kind=commands` is asked for.
    Command(Box<CommandInfo>),
    /// What is known of the regions changed.
    Regions(Box<Regions>),
    /// The reader was too slow, or came back too late.
    Missed(Missed),
}

/// The data of an event is not what its name says.
#[derive(Debug, thiserror::Error)]
#[error("the data of a {name} event cannot be read")]
pub struct UnreadableEvent {
    /// The event's name.
    pub name: String,
    source: serde_json::Error,
}

impl StreamEvent {
    /// The `event:` line.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Hello(_) => "hello",
            Self::Presence(_) => "presence",
            Self::Positions(_) => "positions",
            Self::Command(_) => "command",
            Self::Regions(_) => "regions",
            Self::Missed(_) => "missed",
        }
    }

    /// The `data:` line.
    pub fn data(&self) -> Result<String, serde_json::Error> {
        match self {
            Self::Hello(data) => serde_json::to_string(data),
            Self::Presence(data) => serde_json::to_string(data),
            Self::Positions(data) => serde_json::to_string(data),
            Self::Command(data) => serde_json::to_string(data),
            Self::Regions(data) => serde_json::to_string(data),
            Self::Missed(data) => serde_json::to_string(data),
        }
    }

    /// Reads an event; `None` if its name is not known here, which a reader passes over.
    pub fn read(name: &str, data: &str) -> Result<Option<Self>, UnreadableEvent> {
        let read = match name {
            "hello" => serde_json::from_str(data).map(Self::Hello),
            "presence" => serde_json::from_str(data).map(|v| Self::Presence(Box::new(v))),
            "positions" => serde_json::from_str(data).map(Self::Positions),
            "command" => serde_json::from_str(data).map(|c| Self::Command(Box::new(c))),
            "regions" => serde_json::from_str(data).map(|r| Self::Regions(Box::new(r))),
            "missed" => serde_json::from_str(data).map(Self::Missed),
            _ => return Ok(None),
        };
        read.map(Some).map_err(|source| UnreadableEvent { name: name.to_owned(), source })
    }
}
