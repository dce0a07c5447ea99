//! The parts that several messages share: positions, ranges, areas, timers, addresses.

use crate::error::{FieldFault, at_most};
use crate::proto;
use waygate_core::cell::Cell;
use waygate_core::limits::SPOOL_RANGES_MAX;
use waygate_core::message::GatewayAddress;
use waygate_core::ranges::SeqRanges;
use waygate_core::record::Position;
use waygate_core::time::Millis;
use waygate_core::timers::Timers;

/// Entries of a tracking area list and of a list of gateways that a vehicle takes.
pub(crate) const LIST_MAX: usize = 64;

impl From<proto::Position> for Position {
    fn from(p: proto::Position) -> Self {
        Self { lat_e7: p.lat_e7, lon_e7: p.lon_e7 }
    }
}

impl From<Position> for proto::Position {
    fn from(p: Position) -> Self {
        Self { lat_e7: p.lat_e7, lon_e7: p.lon_e7 }
    }
}

/// A span in whole seconds, rounded up, as far as it fits.
pub(crate) fn seconds(span: Millis) -> u32 {
    u32::try_from(span.as_secs_ceil()).unwrap_or(u32::MAX)
}

/// A span in whole milliseconds, as far as it fits.
pub(crate) fn millis(span: Millis) -> u32 {
    u32::try_from(span.0).unwrap_or(u32::MAX)
}

impl From<&Timers> for proto::Timers {
    fn from(t: &Timers) -> Self {
        Self {
            ping_s: seconds(t.ping),
            pong_s: seconds(t.pong),
            hold_s: seconds(t.hold),
            periodic_update_s: seconds(t.periodic_update),
            active_s: seconds(t.active),
            sleep_s: seconds(t.sleep),
        }
    }
}

/// A timer in seconds; an earlier version tells none.
pub(crate) fn told(timer_s: u32, default: Millis) -> Millis {
    if timer_s == 0 { default } else { Millis::secs(timer_s.into()) }
}

/// The timers a vehicle was told; those it is not told keep their defaults.
impl From<proto::Timers> for Timers {
    fn from(t: proto::Timers) -> Self {
        Self {
            ping: Millis::secs(t.ping_s.into()),
            pong: Millis::secs(t.pong_s.into()),
            hold: Millis::secs(t.hold_s.into()),
            periodic_update: Millis::secs(t.periodic_update_s.into()),
            active: told(t.active_s, Self::default().active),
            sleep: told(t.sleep_s, Self::default().sleep),
            ..Self::default()
        }
    }
}

impl From<&GatewayAddress> for proto::GatewayAddress {
    fn from(g: &GatewayAddress) -> Self {
        Self { region: g.region.clone(), url: g.url.clone() }
    }
}

impl From<proto::GatewayAddress> for GatewayAddress {
    fn from(g: proto::GatewayAddress) -> Self {
        Self { region: g.region, url: g.url }
    }
}

pub(crate) fn addresses_to_proto(gateways: &[GatewayAddress]) -> Vec<proto::GatewayAddress> {
    gateways.iter().map(Into::into).collect()
}

pub(crate) fn addresses_from_proto(
    path: &str,
    gateways: Vec<proto::GatewayAddress>,
) -> Result<Vec<GatewayAddress>, FieldFault> {
    at_most(path, gateways.len(), LIST_MAX)?;
    Ok(gateways.into_iter().map(Into::into).collect())
}

pub(crate) fn areas_from_indexes(areas: impl ExactSizeIterator<Item = u64>) -> Result<Vec<Cell>, FieldFault> {
    at_most("areas", areas.len(), LIST_MAX)?;
    let cell = |(at, index)| {
        let what = "is not an H3 cell of resolution 5";
        Cell::from_index(index).ok_or_else(|| FieldFault::at(format!("areas[{at}]"), what))
    };
    areas.enumerate().map(cell).collect()
}

pub(crate) fn ranges_to_proto(ranges: &SeqRanges) -> Vec<proto::SeqRange> {
    ranges.iter().map(|r| proto::SeqRange { first: *r.start(), last: *r.end() }).collect()
}

/// Ranges in any order; each must be the right way round.
pub(crate) fn ranges_from_pairs(
    path: &str,
    pairs: impl ExactSizeIterator<Item = (u64, u64)>,
) -> Result<SeqRanges, FieldFault> {
    at_most(path, pairs.len(), SPOOL_RANGES_MAX)?;
    let mut ranges = SeqRanges::new();
    for (at, (first, last)) in pairs.enumerate() {
        if first > last {
            return Err(FieldFault::at(format!("{path}[{at}]"), format!("first ({first}) lies after last ({last})")));
        }
        ranges.insert(first, last);
    }
    Ok(ranges)
}

pub(crate) fn ranges_from_proto(path: &str, ranges: &[proto::SeqRange]) -> Result<SeqRanges, FieldFault> {
    ranges_from_pairs(path, ranges.iter().map(|r| (r.first, r.last)))
}
