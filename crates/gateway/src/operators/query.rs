//! The parameters of a question: read once, checked, each fault named.

use super::problem::Problem;
use crate::peers::place::Area;
use axum::extract::Path;
use axum::extract::rejection::PathRejection;
use std::collections::BTreeMap;
use std::str::FromStr;
use std::time::Duration;
use waygate_core::id::VehicleId;
use waygate_wire::operator::{Instant, State};

/// Vehicles of one page.
pub const VEHICLES_MAX: usize = 1000;

/// Names or states of one parameter.
const LIST_MAX: usize = 64;

/// Bytes of a search text.
const TEXT_MAX: usize = 128;

/// The parameters of a request, each taken once; what is left at the end is unknown.
#[derive(Debug)]
pub struct Parameters(BTreeMap<String, String>);

impl Parameters {
    /// Splits a query.
    pub fn read(query: Option<&str>) -> Result<Self, Problem> {
        let mut map = BTreeMap::new();
        for pair in query.unwrap_or_default().split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let name = decode(name).ok_or_else(|| Problem::parameter(name, "is not percent-encoded UTF-8"))?;
            let value = decode(value).ok_or_else(|| Problem::parameter(&name, "is not percent-encoded UTF-8"))?;
            if map.insert(name.clone(), value).is_some() {
                return Err(Problem::parameter(&name, format!("{name} is given twice")));
            }
        }
        Ok(Self(map))
    }

    /// A parameter as text.
    pub fn text(&mut self, name: &str) -> Option<String> {
        self.0.remove(name).filter(|value| !value.is_empty())
    }

    /// A whole number between 1 and `max`.
    pub fn limit(&mut self, default: usize, max: usize) -> Result<usize, Problem> {
        let Some(text) = self.text("limit") else {
            return Ok(default);
        };
        let fits = text.parse().ok().filter(|limit| (1..=max).contains(limit));
        fits.ok_or_else(|| Problem::parameter("limit", format!("limit is {text:?}; it must be 1 to {max}")))
    }

    /// Seconds, if they are given: at least a tenth, at most `max`.
    pub fn seconds(&mut self, name: &str, max: f64) -> Result<Option<Duration>, Problem> {
        let Some(text) = self.text(name) else {
            return Ok(None);
        };
        let seconds = text.parse().ok().filter(|seconds: &f64| (0.1..=max).contains(seconds));
        let fault = || Problem::parameter(name, format!("{name} is {text:?}; it must be 0.1 to {max} seconds"));
        seconds.map(|seconds| Some(Duration::from_secs_f64(seconds))).ok_or_else(fault)
    }

    /// A time.
    pub fn time(&mut self, name: &str) -> Result<Option<Instant>, Problem> {
        let time = self.text(name).map(|text| Instant::from_str(&text)).transpose();
        time.map_err(|error| Problem::parameter(name, format!("{name}: {error}")))
    }

    /// Names separated by commas.
    pub fn list(&mut self, name: &str) -> Result<Vec<String>, Problem> {
        let list: Vec<String> =
            self.text(name).map(|text| text.split(',').map(str::to_owned).collect()).unwrap_or_default();
        if list.len() > LIST_MAX {
            return Err(Problem::parameter(name, format!("{name} has more than {LIST_MAX} entries")));
        }
        Ok(list)
    }

    /// States separated by commas.
    pub fn states(&mut self) -> Result<Vec<State>, Problem> {
        let read = |name: String| {
            State::from_name(&name).ok_or_else(|| {
                let known: Vec<_> = State::ALL.iter().map(|state| state.name()).collect();
                Problem::parameter("state", format!("state {name:?} is not one of {}", known.join(", ")))
            })
        };
        self.list("state")?.into_iter().map(read).collect()
    }

    /// A bounding box.
    pub fn bbox(&mut self) -> Result<Option<Area>, Problem> {
        let Some([west, south, east, north]) = self.numbers("bbox", "west,south,east,north in degrees")? else {
            return Ok(None);
        };
        let fits = [west, east].iter().all(|lon| lon.abs() <= 180.0)
            && [south, north].iter().all(|lat| lat.abs() <= 90.0)
            && south <= north;
        if !fits {
            let detail = "bbox must be west,south,east,north in degrees: longitudes within ±180, latitudes within ±90, south ≤ north";
            return Err(Problem::parameter("bbox", detail));
        }
        Ok(Some(Area::Box { west, south, east, north }))
    }

    /// A place and a distance.
    pub fn near(&mut self) -> Result<Option<Area>, Problem> {
        let Some([lat, lon, metres]) = self.numbers("near", "lat,lon,metres")? else {
            return Ok(None);
        };
        if lat.abs() > 90.0 || lon.abs() > 180.0 || metres <= 0.0 {
            let detail = "near must be lat,lon,metres: latitude within ±90, longitude within ±180, metres above 0";
            return Err(Problem::parameter("near", detail));
        }
        Ok(Some(Area::Near { lat, lon, metres }))
    }

    /// A text to search for.
    pub fn search(&mut self) -> Result<Option<String>, Problem> {
        match self.text("q") {
            Some(text) if text.len() > TEXT_MAX => {
                Err(Problem::parameter("q", format!("q has {} bytes, at most {TEXT_MAX} are taken", text.len())))
            }
            text => Ok(text.map(|text| text.to_ascii_lowercase())),
        }
    }

    /// Fails if a parameter was given that nothing asked for.
    pub fn done(self) -> Result<(), Problem> {
        match self.0.into_keys().next() {
            Some(name) => Err(Problem::parameter(&name, format!("there is no parameter {name:?} here"))),
            None => Ok(()),
        }
    }

    fn numbers<const N: usize>(&mut self, name: &str, form: &str) -> Result<Option<[f64; N]>, Problem> {
        let Some(text) = self.text(name) else {
            return Ok(None);
        };
        let numbers: Option<Vec<f64>> =
            text.split(',').map(|n| n.trim().parse().ok().filter(|n: &f64| n.is_finite())).collect();
        let numbers = numbers.and_then(|numbers| <[f64; N]>::try_from(numbers).ok());
        let fault = || Problem::parameter(name, format!("{name} is {text:?}; it must be {form}"));
        numbers.map(Some).ok_or_else(fault)
    }
}

/// The vehicle that a path names.
pub fn vehicle_id(id: Result<Path<String>, PathRejection>) -> Result<VehicleId, Problem> {
    let Path(id) = id.map_err(|rejection| Problem::parameter("id", rejection.body_text()))?;
    VehicleId::new(&id).map_err(|error| Problem::parameter("id", error.to_string()))
}

/// Percent-decoding, with `+` as a space.
fn decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let digit = |b: u8| char::from(b).to_digit(16);
                let (high, low) = (digit(rest.next()?)?, digit(rest.next()?)?);
                (high << 4 | low) as u8
            }
            byte => byte,
        });
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
#[path = "query_tests.rs"]
mod tests;
