//! Measures the bytes a record costs on the wire: every vehicle of a SUMO trace, in batches of 30.
//!
//! ```text
//! cargo run --release -p waygate-wire --example bytes_per_record -- simulator/data/luxembourg-small.fcd.xml.gz
//! ```

use std::collections::BTreeMap;
use std::error::Error;
use std::io::{BufRead, BufReader, Read, Write};
use waygate_core::message::Uplink;
use waygate_core::record::{Fix, Lane, Position, Record, Telemetry};
use waygate_core::time::Wall;
use waygate_wire::Codec;

const BATCH: usize = 30;
/// Where the trace's clock is put: a time of today's length in bytes.
const EPOCH_MS: f64 = 1_795_219_200_000.0;

fn main() -> Result<(), Box<dyn Error>> {
    let path = std::env::args().nth(1).ok_or("give the path of a trace, .fcd.xml or .fcd.xml.gz")?;
    let vehicles = read_trace(&path)?;
    let mut out = std::io::stdout().lock();
    let records: usize = vehicles.values().map(Vec::len).sum();
    writeln!(out, "{path}: {} vehicles, {records} records, batches of {BATCH}", vehicles.len())?;
    for codec in Codec::ALL {
        let (mut bytes, mut frames) = (0usize, 0usize);
        for records in vehicles.values() {
            let mut first_seq = 1;
            for batch in records.chunks(BATCH) {
                let telemetry = Telemetry { first_seq, lane: Lane::Live, records: batch.to_vec() };
                first_seq = telemetry.last_seq() + 1;
                bytes += codec.encode_uplink(&Uplink::Telemetry(telemetry), &[]).len();
                frames += 1;
            }
        }
        // A client's WebSocket header: 2 bytes, 2 more for the length, 4 of mask.
        let on_wire = bytes + frames * 8;
        writeln!(
            out,
            "{:16} {:7.2} bytes a record, {:7.2} with WebSocket headers",
            codec.subprotocol(),
            bytes as f64 / records as f64,
            on_wire as f64 / records as f64,
        )?;
    }
    Ok(())
}

fn read_trace(path: &str) -> Result<BTreeMap<String, Vec<Record>>, Box<dyn Error>> {
    let file = std::fs::File::open(path)?;
    let reader: Box<dyn Read> =
        if path.ends_with(".gz") { Box::new(flate2::read::GzDecoder::new(file)) } else { Box::new(file) };
    let mut vehicles: BTreeMap<String, Vec<Record>> = BTreeMap::new();
    let mut time = 0.0;
    for line in BufReader::new(reader).lines() {
        let line = line?;
        if let Some(at) = number(&line, " time") {
            time = at;
        }
        if let Some(record) = record(&line, time) {
            let id = attribute(&line, " id").unwrap_or_default();
            vehicles.entry(id.to_owned()).or_default().push(record);
        }
    }
    Ok(vehicles)
}

fn record(line: &str, time: f64) -> Option<Record> {
    let fix = Fix {
        position: Position::from_degrees(number(line, " y")?, number(line, " x")?),
        alt_cm: None,
        speed_cms: Some((number(line, " speed")? * 100.0).round() as u32),
        heading_cdeg: Some((number(line, " angle")? * 100.0).round() as u16 % 36_000),
        hdop_centi: None,
    };
    Some(Record { t: Wall((EPOCH_MS + time * 1000.0) as i64), fix: Some(fix), signals: vec![] })
}

fn number(line: &str, name: &str) -> Option<f64> {
    attribute(line, name)?.parse().ok()
}

fn attribute<'a>(line: &'a str, name: &str) -> Option<&'a str> {
    let from = line.find(&format!("{name}=\""))? + name.len() + 2;
    line[from..].split('"').next()
}
