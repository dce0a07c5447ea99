//! Why something was refused or ended: the only table of cause → wire name → close code → what the vehicle does.

/// What a vehicle does after an AttachReject.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RetryClass {
    /// Wait a time uniform in [backoff, 2·backoff], then the same gateway.
    RetrySame,
    /// The next gateway of the list.
    RetryOther,
    /// Mend what the cause names, then at once.
    FixThenRetry,
    /// At most one try in 12 hours.
    Stop,
}

macro_rules! causes {
    ($($(#[$doc:meta])* $name:ident = ($wire:literal, $close:literal, $class:ident),)*) => {
        /// Why an attach was rejected.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum RejectCause { $($(#[$doc])* $name,)* }

        impl RejectCause {
            /// Every cause, in the order of their close codes.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// The name on the wire.
            pub const fn wire(self) -> &'static str {
                match self { $(Self::$name => $wire,)* }
            }

            /// The WebSocket close code that follows the reject.
            pub const fn close_code(self) -> u16 {
                match self { $(Self::$name => $close,)* }
            }

            /// What the vehicle does next.
            pub const fn class(self) -> RetryClass {
                match self { $(Self::$name => RetryClass::$class,)* }
            }
        }
    };
}

causes! {
    /// More attaches wait than the gateway can take; carries a backoff.
    Congestion = ("congestion", 4000, RetrySame),
    /// The attach could not be made durable.
    StoreUnavailable = ("store_unavailable", 4002, RetrySame),
    /// Several vehicles attach with this one's name, and one of them is connected; carries a backoff.
    Cloned = ("cloned", 4003, RetrySame),
    /// The gateway is about to stop.
    Draining = ("draining", 4100, RetryOther),
    /// The request does not say what it must, or says it wrongly.
    BadMessage = ("bad_message", 4200, FixThenRetry),
    /// The vehicle's clock is more than 24 h off.
    ClockOff = ("clock_off", 4201, FixThenRetry),
    /// The token's epoch cannot be adopted: drop the token, attach anew.
    EpochSync = ("epoch_sync", 4202, FixThenRetry),
    /// No gateway here has the key that the token names: drop the token, attach anew.
    ContextUnknown = ("context_unknown", 4203, FixThenRetry),
    /// The vehicle may not attach: it showed who it is and names another, or an operator refuses it.
    Forbidden = ("forbidden", 4300, Stop),
    /// The vehicle showed who it is, and no operator has admitted it yet.
    UnknownVehicle = ("unknown_vehicle", 4301, Stop),
    /// What the vehicle shows itself with was revoked.
    Revoked = ("revoked", 4302, Stop),
}

/// Why a vehicle is detached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DetachCause {
    /// The ignition was switched off.
    IgnitionOff,
    /// It is in service.
    Service,
    /// The unit shuts down.
    Shutdown,
    /// It left for another gateway.
    Handover,
    /// It said goodbye without a reason.
    Unspecified,
    /// Nothing was heard for as long as the timers allow.
    Implicit,
    /// What it showed itself with was revoked.
    Revoked,
    /// An operator refuses it.
    Refused,
}

impl DetachCause {
    /// Every cause.
    pub const ALL: &[Self] = &[
        Self::IgnitionOff,
        Self::Service,
        Self::Shutdown,
        Self::Handover,
        Self::Unspecified,
        Self::Implicit,
        Self::Revoked,
        Self::Refused,
    ];

    /// The cause as a vehicle may give it: what only a gateway can know is not taken from one.
    #[must_use]
    pub const fn of_vehicle(self) -> Self {
        match self {
            Self::IgnitionOff | Self::Service | Self::Shutdown | Self::Handover | Self::Unspecified => self,
            Self::Implicit | Self::Revoked | Self::Refused => Self::Unspecified,
        }
    }

    /// The name on the wire.
    pub const fn wire(self) -> &'static str {
        match self {
            Self::IgnitionOff => "ignition_off",
            Self::Service => "service",
            Self::Shutdown => "shutdown",
            Self::Handover => "handover",
            Self::Unspecified => "unspecified",
            Self::Implicit => "implicit",
            Self::Revoked => "revoked",
            Self::Refused => "refused",
        }
    }

    /// The number between gateways and in the store; 0 is kept for none.
    pub const fn number(self) -> u32 {
        match self {
            Self::IgnitionOff => 1,
            Self::Service => 2,
            Self::Shutdown => 3,
            Self::Handover => 4,
            Self::Unspecified => 5,
            Self::Implicit => 6,
            Self::Revoked => 7,
            Self::Refused => 8,
        }
    }

    /// The cause with this number.
    pub fn from_number(number: u32) -> Option<Self> {
        Self::ALL.iter().copied().find(|c| c.number() == number)
    }
}

/// Why the gateway ends a session that was attached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OrderCause {
    /// A newer attach of the same vehicle won.
    Superseded,
    /// The gateway stops; attach elsewhere.
    Draining,
    /// What the vehicle shows itself with was revoked.
    Revoked,
    /// An operator refuses the vehicle.
    Policy,
}

impl OrderCause {
    /// Every cause.
    pub const ALL: &[Self] = &[Self::Superseded, Self::Draining, Self::Revoked, Self::Policy];

    /// The close code that follows the DetachOrder.
    pub const fn close_code(self) -> u16 {
        match self {
            Self::Superseded => 4409,
            Self::Draining => 4503,
            Self::Revoked => 4403,
            Self::Policy => 4408,
        }
    }

    /// The name on the wire.
    pub const fn wire(self) -> &'static str {
        match self {
            Self::Superseded => "superseded",
            Self::Draining => "draining",
            Self::Revoked => "revoked",
            Self::Policy => "policy",
        }
    }
}

/// Why a record is never stored and never to be sent again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RecordFault {
    /// Latitude beyond ±90° or longitude beyond ±180°.
    PositionOutsideGlobe,
    /// The record's time is more than 5 min ahead of the gateway's clock.
    TimeInFuture,
    /// The record's time lies before the retention.
    TimeBeforeRetention,
    /// A signal's path is not one, or its value is not a finite number, or its text is too long.
    BadSignal,
    /// The heading is not below 360°.
    BadHeading,
    /// The speed is negative or beyond what a vehicle can have.
    BadSpeed,
}

impl RecordFault {
    /// The name on the wire.
    pub const fn wire(self) -> &'static str {
        match self {
            Self::PositionOutsideGlobe => "position_outside_globe",
            Self::TimeInFuture => "time_in_future",
            Self::TimeBeforeRetention => "time_before_retention",
            Self::BadSignal => "bad_signal",
            Self::BadHeading => "bad_heading",
            Self::BadSpeed => "bad_speed",
        }
    }
}

#[cfg(test)]
#[path = "cause_tests.rs"]
mod tests;
