//! A trace: where every vehicle was, when, as recorded once and replayed from memory.
//!
//! Owned by the fleet that replays it; it never changes after it was built. Each vehicle's samples lie in
//! columns of fixed-point numbers, 16 bytes a sample, so that an hour of city traffic fits into memory.

use std::collections::HashMap;
use waygate_core::record::Position;

/// Samples a trace may have: 1.6 GB in memory. Longer traces are to be cut or thinned where they are made.
pub const SAMPLES_MAX: usize = 100_000_000;

/// Speed that was not in the file.
const SPEED_UNKNOWN: u16 = u16::MAX;
/// Heading that was not in the file.
const HEADING_UNKNOWN: u16 = u16::MAX;

/// One vehicle at one time, as the file says it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sample {
    /// Milliseconds since the start of the trace.
    pub t_ms: u32,
    /// Where.
    pub position: Position,
    /// Metres a second, if the file says.
    pub speed: Option<f64>,
    /// Degrees clockwise from north, if the file says.
    pub heading: Option<f64>,
}

/// One vehicle's way, sorted by time.
#[derive(Clone, Debug, Default)]
pub struct Track {
    t_ms: Vec<u32>,
    lat_e7: Vec<i32>,
    lon_e7: Vec<i32>,
    speed_cms: Vec<u16>,
    heading_cdeg: Vec<u16>,
}

impl Track {
    fn push(&mut self, sample: Sample) {
        self.t_ms.push(sample.t_ms);
        self.lat_e7.push(sample.position.lat_e7);
        self.lon_e7.push(sample.position.lon_e7);
        // A vehicle faster than 655 m/s is none; the sentinel stays free.
        let cms = |v: f64| (v * 100.0).round().clamp(0.0, f64::from(SPEED_UNKNOWN - 1)) as u16;
        self.speed_cms.push(sample.speed.map_or(SPEED_UNKNOWN, cms));
        let cdeg = |h: f64| ((h.rem_euclid(360.0) * 100.0).round() as u16) % 36_000;
        self.heading_cdeg.push(sample.heading.map_or(HEADING_UNKNOWN, cdeg));
    }

    fn shrink(&mut self) {
        self.t_ms.shrink_to_fit();
        self.lat_e7.shrink_to_fit();
        self.lon_e7.shrink_to_fit();
        self.speed_cms.shrink_to_fit();
        self.heading_cdeg.shrink_to_fit();
    }

    /// How many samples there are; at least one.
    pub fn len(&self) -> usize {
        self.t_ms.len()
    }

    /// Whether there is none, which no track of a built trace is.
    pub fn is_empty(&self) -> bool {
        self.t_ms.is_empty()
    }

    /// The `index`th sample.
    pub fn sample(&self, index: usize) -> Option<Sample> {
        let known = |v: u16, unknown: u16| (v != unknown).then(|| f64::from(v) / 100.0);
        Some(Sample {
            t_ms: *self.t_ms.get(index)?,
            position: Position { lat_e7: *self.lat_e7.get(index)?, lon_e7: *self.lon_e7.get(index)? },
            speed: known(*self.speed_cms.get(index)?, SPEED_UNKNOWN),
            heading: known(*self.heading_cdeg.get(index)?, HEADING_UNKNOWN),
        })
    }

    /// How many samples lie at or before `t_ms`.
    pub fn until(&self, t_ms: u32) -> usize {
        self.t_ms.partition_point(|&t| t <= t_ms)
    }

    /// The longitudes, in 1e-7 degrees.
    pub fn longitudes_e7(&self) -> &[i32] {
        &self.lon_e7
    }
}

/// A rectangle of the globe, in 1e-7 degrees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// The corner with the lower latitude and longitude.
    pub south_west: Position,
    /// The corner with the higher latitude and longitude.
    pub north_east: Position,
}

/// Every vehicle's track.
#[derive(Clone, Debug)]
pub struct Trace {
    ids: Vec<String>,
    tracks: Vec<Track>,
    duration_ms: u32,
    period_ms: u32,
    samples: usize,
    bounds: Bounds,
}

impl Trace {
    /// How many vehicles there are.
    pub fn vehicles(&self) -> usize {
        self.tracks.len()
    }

    /// How many samples there are.
    pub fn samples(&self) -> usize {
        self.samples
    }

    /// From the first timestep to one period after the last one: where the trace may begin anew.
    pub fn duration_ms(&self) -> u32 {
        self.duration_ms
    }

    /// The most frequent time between two timesteps.
    pub fn period_ms(&self) -> u32 {
        self.period_ms
    }

    /// The rectangle every sample lies in.
    pub fn bounds(&self) -> Bounds {
        self.bounds
    }

    /// The `index`th vehicle's name in the file, in order of appearance.
    pub fn id(&self, index: usize) -> Option<&str> {
        self.ids.get(index).map(String::as_str)
    }

    /// The `index`th vehicle's track.
    pub fn track(&self, index: usize) -> Option<&Track> {
        self.tracks.get(index)
    }

    /// Every track, in order of appearance.
    pub fn tracks(&self) -> &[Track] {
        &self.tracks
    }
}

/// What a sample may not be.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
pub enum SampleFault {
    /// Degrees that are none.
    #[error(
        "x=\"{x}\" y=\"{y}\" is no longitude and latitude; these look like the network's own metres: \
         write the trace with --fcd-output.geo"
    )]
    NotDegrees {
        /// As in the file.
        x: f64,
        /// As in the file.
        y: f64,
    },
    /// Degrees as far apart as only metres are.
    #[error(
        "the vehicle moves {degrees:.1} degrees within {seconds:.1} s; these look like the network's own metres: \
         write the trace with --fcd-output.geo"
    )]
    Leap {
        /// How far.
        degrees: f64,
        /// In which time.
        seconds: f64,
    },
    /// The same vehicle twice.
    #[error("the vehicle appears twice in the same timestep")]
    Twice,
    /// More than [`SAMPLES_MAX`].
    #[error(
        "the trace has more than {SAMPLES_MAX} samples; cut it (--begin, --end) or thin it (--device.fcd.period) \
         where it is made"
    )]
    TooMany,
}

/// What a timestep may not be.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
pub enum TimestepFault {
    /// Time goes back or stands still.
    #[error("timestep {time_s} does not come after the one before it, {before_s}")]
    NotLater {
        /// Seconds, as in the file.
        time_s: f64,
        /// Seconds, as in the file.
        before_s: f64,
    },
    /// A trace of more than 49 days.
    #[error("timestep {time_s} lies more than 49 days after the first one, {first_s}")]
    TooLate {
        /// Seconds, as in the file.
        time_s: f64,
        /// Seconds, as in the file.
        first_s: f64,
    },
}

/// Takes timesteps and samples in the order of time and makes a [`Trace`] of them.
#[derive(Debug, Default)]
pub struct TraceBuilder {
    by_id: HashMap<String, usize>,
    ids: Vec<String>,
    tracks: Vec<Track>,
    first_s: Option<f64>,
    now_s: f64,
    now_ms: u32,
    /// How often each distance between two timesteps occurs.
    periods: HashMap<u32, u32>,
    samples: usize,
    bounds: Option<Bounds>,
}

impl TraceBuilder {
    /// A builder without a timestep.
    pub fn new() -> Self {
        Self::default()
    }

    /// Opens a timestep; the samples that follow happen then.
    pub fn timestep(&mut self, time_s: f64) -> Result<(), TimestepFault> {
        let Some(first_s) = self.first_s else {
            (self.first_s, self.now_s, self.now_ms) = (Some(time_s), time_s, 0);
            return Ok(());
        };
        let t_ms = ((time_s - first_s) * 1000.0).round();
        if t_ms > f64::from(u32::MAX / 2) {
            return Err(TimestepFault::TooLate { time_s, first_s });
        }
        if t_ms <= f64::from(self.now_ms) {
            return Err(TimestepFault::NotLater { time_s, before_s: self.now_s });
        }
        let t_ms = t_ms as u32;
        *self.periods.entry(t_ms - self.now_ms).or_default() += 1;
        (self.now_s, self.now_ms) = (time_s, t_ms);
        Ok(())
    }

    /// Adds a vehicle's sample to the open timestep. `x` is the longitude, `y` the latitude.
    pub fn sample(
        &mut self,
        id: &str,
        x: f64,
        y: f64,
        speed: Option<f64>,
        heading: Option<f64>,
    ) -> Result<(), SampleFault> {
        if !(x.abs() <= 180.0 && y.abs() <= 90.0) {
            return Err(SampleFault::NotDegrees { x, y });
        }
        if self.samples >= SAMPLES_MAX {
            return Err(SampleFault::TooMany);
        }
        let sample = Sample { t_ms: self.now_ms, position: Position::from_degrees(y, x), speed, heading };
        let index = match self.by_id.get(id) {
            Some(&index) => index,
            None => {
                self.by_id.insert(id.to_owned(), self.tracks.len());
                self.ids.push(id.to_owned());
                self.tracks.push(Track::default());
                self.tracks.len() - 1
            }
        };
        let track = &mut self.tracks[index];
        if let Some(before) = track.len().checked_sub(1).and_then(|last| track.sample(last)) {
            check_step(before, sample)?;
        }
        track.push(sample);
        self.samples += 1;
        self.bounds = Some(match self.bounds {
            None => Bounds { south_west: sample.position, north_east: sample.position },
            Some(b) => stretch(b, sample.position),
        });
        Ok(())
    }

    /// The trace; `None` if there was no sample.
    pub fn build(mut self) -> Option<Trace> {
        let bounds = self.bounds?;
        for track in &mut self.tracks {
            track.shrink();
        }
        // Ties go to the shorter period, so that the result does not depend on a hash's order.
        let period_ms =
            self.periods.iter().max_by_key(|&(&ms, &n)| (n, std::cmp::Reverse(ms))).map_or(1000, |(&ms, _)| ms);
        Some(Trace {
            ids: self.ids,
            tracks: self.tracks,
            duration_ms: self.now_ms + period_ms,
            period_ms,
            samples: self.samples,
            bounds,
        })
    }
}

fn check_step(before: Sample, after: Sample) -> Result<(), SampleFault> {
    if before.t_ms >= after.t_ms {
        return Err(SampleFault::Twice);
    }
    // A degree is 111 km north and still 20 km east at 80° north: no vehicle drives that in a minute.
    let (a, b) = (before.position, after.position);
    let degrees = (a.lat() - b.lat()).abs().max((a.lon() - b.lon()).abs());
    let seconds = f64::from(after.t_ms - before.t_ms) / 1000.0;
    // Around the antimeridian longitude leaps by itself.
    if degrees > 1.0 && degrees < 350.0 && seconds <= 60.0 {
        return Err(SampleFault::Leap { degrees, seconds });
    }
    Ok(())
}

fn stretch(b: Bounds, p: Position) -> Bounds {
    Bounds {
        south_west: Position { lat_e7: b.south_west.lat_e7.min(p.lat_e7), lon_e7: b.south_west.lon_e7.min(p.lon_e7) },
        north_east: Position { lat_e7: b.north_east.lat_e7.max(p.lat_e7), lon_e7: b.north_east.lon_e7.max(p.lon_e7) },
    }
}
