//! From what the core and the store know to the shapes of the API.

use crate::feed::Place;
use serde_json::Value;
use waygate_core::cause::DetachCause;
use waygate_core::id::VehicleId;
use waygate_core::record::{Fix, Record, SignalValue};
use waygate_core::time::{Millis, Wall};
use waygate_core::view::{AgeKind, Known, Sight, StaleWhy};
use waygate_store::Latest;
use waygate_wire::operator::{self, Instant, LivePosition, Position, TelemetryRecord, U64Text, Vehicle};

/// A vehicle as it is shown, without its position.
pub fn vehicle(sight: &Sight) -> Vehicle {
    let known = state(sight.known);
    Vehicle {
        id: sight.vehicle.as_str().to_owned(),
        fleet: None,
        state: if sight.stale.is_some() { operator::State::Stale } else { known },
        last_known: sight.stale.map(|_| known),
        stale_why: sight.stale.map(stale_why),
        cause: sight.cause.map(|cause| DetachCause::wire(cause).to_owned()),
        region: sight.region.as_ref().map(|region| region.as_str().to_owned()).unwrap_or_default(),
        gateway: sight.owner.as_str().to_owned(),
        epoch: U64Text(sight.epoch.0),
        session: U64Text(sight.session.0),
        age_s: secs(sight.age),
        age_kind: match sight.age_kind {
            AgeKind::Measured => operator::AgeKind::Measured,
            AgeKind::Bound => operator::AgeKind::Bound,
        },
        view_age_s: secs(sight.view_age),
        cell: sight.cell.map(|cell| cell.to_string()),
        position: None,
        update_expected_in_s: sight.update_expected.filter(|_| sight.stale.is_none()).map(secs),
        wake: sight.wake.iter().map(|channel| channel.wire().to_owned()).collect(),
        cloned: sight.cloned,
    }
}

/// A vehicle of which nothing is known any more.
pub fn unknown(vehicle: &VehicleId) -> Vehicle {
    Vehicle {
        id: vehicle.as_str().to_owned(),
        fleet: None,
        state: operator::State::Unknown,
        last_known: None,
        stale_why: None,
        cause: None,
        region: String::new(),
        gateway: String::new(),
        epoch: U64Text(0),
        session: U64Text(0),
        age_s: 0.0,
        age_kind: operator::AgeKind::Measured,
        view_age_s: 0.0,
        cell: None,
        position: None,
        update_expected_in_s: None,
        wake: Vec::new(),
        cloned: false,
    }
}

/// The state as it is called in the API.
pub fn state(known: Known) -> operator::State {
    match known {
        Known::Online => operator::State::Online,
        Known::Idle => operator::State::Idle,
        Known::Asleep => operator::State::Asleep,
        Known::Unreachable => operator::State::Unreachable,
        Known::Offline => operator::State::Offline,
    }
}

fn stale_why(why: StaleWhy) -> operator::StaleWhy {
    match why {
        StaleWhy::OwnerLost => operator::StaleWhy::OwnerLost,
        StaleWhy::OwnerLeft => operator::StaleWhy::OwnerLeft,
        StaleWhy::OwnerRestarted => operator::StaleWhy::OwnerRestarted,
        StaleWhy::ViewCutOff => operator::StaleWhy::ViewCutOff,
    }
}

/// A latest position.
pub fn position(latest: &Latest) -> Position {
    Position {
        lat: latest.fix.position.lat(),
        lon: latest.fix.position.lon(),
        t: Instant(latest.t),
        speed: speed(&latest.fix),
        heading: heading(&latest.fix),
    }
}

/// A latest position as a live event tells it.
pub fn live_position(place: &Place) -> LivePosition {
    let fix = &place.latest.fix;
    LivePosition {
        id: place.vehicle.as_str().to_owned(),
        lat: fix.position.lat(),
        lon: fix.position.lon(),
        t: place.latest.t.0,
        speed: speed(fix),
        heading: heading(fix),
    }
}

/// A stored record.
pub fn record(spool: u64, seq: u64, received: Wall, record: Record) -> TelemetryRecord {
    let fix = record.fix.as_ref();
    TelemetryRecord {
        spool: U64Text(spool),
        seq: U64Text(seq),
        t: Instant(record.t),
        received: Instant(received),
        lat: fix.map(|fix| fix.position.lat()),
        lon: fix.map(|fix| fix.position.lon()),
        alt: fix.and_then(|fix| fix.alt_cm).map(|cm| f64::from(cm) / 100.0),
        speed: fix.and_then(speed),
        heading: fix.and_then(heading),
        hdop: fix.and_then(|fix| fix.hdop_centi).map(|centi| f64::from(centi) / 100.0),
        signals: record.signals.iter().map(|(path, v)| (path.as_str().to_owned(), value(v))).collect(),
    }
}

/// A signal's value as JSON.
pub fn value(value: &SignalValue) -> Value {
    match value {
        SignalValue::Number(number) => Value::from(*number),
        SignalValue::Integer(integer) => Value::from(*integer),
        SignalValue::Flag(flag) => Value::from(*flag),
        SignalValue::Text(text) => Value::from(text.as_str()),
    }
}

/// A span in seconds.
pub fn secs(span: Millis) -> f64 {
    span.0 as f64 / 1000.0
}

fn speed(fix: &Fix) -> Option<f64> {
    fix.speed_cms.map(|cms| f64::from(cms) / 100.0)
}

fn heading(fix: &Fix) -> Option<f64> {
    fix.heading_cdeg.map(|cdeg| f64::from(cdeg) / 100.0)
}
