//! The vehicles of a lab: a convoy of the simulator at a place of its own, and what it knows to be true.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use super::place::Place;

/// Between two records of one unit.
const REPORT_MS: u64 = 500;

const POLL: Duration = Duration::from_millis(100);

/// How one unit stands, as it says itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unit {
    pub name: String,
    pub vehicle: String,
    pub state: String,
    pub gateway: String,
    pub session: Option<String>,
    pub epoch: u64,
    pub unsettled: u64,
    pub attempts: u64,
    pub attached: u64,
    pub resumed: u64,
    pub superseded: u64,
    pub refused: BTreeMap<String, u64>,
    pub lost: u64,
    pub begun: BTreeMap<String, u64>,
}

impl Unit {
    fn read(value: &Value) -> Self {
        let text = |key: &str| value[key].as_str().unwrap_or_default().to_owned();
        let number = |key: &str| value[key].as_u64().unwrap_or_default();
        let counts = |key: &str| {
            let entries = value[key].as_object().into_iter().flatten();
            entries.map(|(name, count)| (name.clone(), count.as_u64().unwrap_or_default())).collect()
        };
        Self {
            name: text("unit"),
            vehicle: text("vehicle"),
            state: text("state"),
            gateway: text("gateway"),
            session: value["session"].as_str().map(str::to_owned),
            epoch: text("epoch").parse().unwrap_or_default(),
            unsettled: number("unsettled"),
            attempts: number("attempts"),
            attached: number("attached"),
            resumed: number("resumed"),
            superseded: number("superseded"),
            refused: counts("refused"),
            lost: number("lost"),
            begun: counts("begun"),
        }
    }

    pub fn is_attached(&self) -> bool {
        self.state == "attached"
    }
}

/// What became of all that was promised to vehicles.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    pub acked: u64,
    pub lost: u64,
    pub spoiled: u64,
    pub unseen: u64,
    pub text: String,
}

/// A convoy; it ends with this value.
#[derive(Debug)]
pub struct Vehicles {
    child: Child,
    orders: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Vehicles {
    pub fn start(place: &Place, program: &Path, folder: &Path) -> Result<Self> {
        let log = std::fs::File::create(folder.join("convoy.log")).context("the convoy's log cannot be made")?;
        let mut command = place.command(program);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(log);
        let mut child = command.spawn().with_context(|| format!("{} does not start", program.display()))?;
        let orders = child.stdin.take().context("the convoy takes no orders")?;
        let answers = BufReader::new(child.stdout.take().context("the convoy gives no answers")?);
        Ok(Self { child, orders, answers })
    }

    fn order(&mut self, order: &Value) -> Result<Value> {
        writeln!(self.orders, "{order}").context("the convoy takes no orders any more")?;
        self.orders.flush().context("the convoy takes no orders any more")?;
        let mut line = String::new();
        self.answers.read_line(&mut line).context("the convoy's answer cannot be read")?;
        let answer: Value = serde_json::from_str(&line).context("the convoy answers no JSON: see convoy.log")?;
        if let Some(fault) = answer["fault"].as_str() {
            bail!("the convoy refuses {order}: {fault}");
        }
        Ok(answer)
    }

    /// Units that are vehicles of their own names.
    pub fn add(&mut self, units: &[String], gateways: &[String]) -> Result<()> {
        let order = json!({"do": "start", "units": units, "gateways": gateways, "report_ms": REPORT_MS});
        self.order(&order).map(drop)
    }

    /// A unit with another vehicle's name.
    pub fn add_as(&mut self, unit: &str, vehicle: &str, gateways: &[String]) -> Result<()> {
        let order = json!({
            "do": "start", "units": [unit], "vehicle": vehicle, "gateways": gateways, "report_ms": REPORT_MS
        });
        self.order(&order).map(drop)
    }

    pub fn prefer(&mut self, units: &[String], gateways: &[String]) -> Result<()> {
        self.order(&json!({"do": "prefer", "units": units, "gateways": gateways})).map(drop)
    }

    pub fn detach(&mut self, units: &[String]) -> Result<()> {
        self.order(&json!({"do": "detach", "units": units})).map(drop)
    }

    pub fn pause(&mut self) -> Result<()> {
        self.order(&json!({"do": "pause"})).map(drop)
    }

    pub fn sight(&mut self) -> Result<Vec<Unit>> {
        let answer = self.order(&json!({"do": "sight"}))?;
        Ok(answer["units"].as_array().into_iter().flatten().map(Unit::read).collect())
    }

    pub fn judge(&mut self, operator: &str) -> Result<Verdict> {
        let verdict = self.order(&json!({"do": "judge", "operator": operator}))?["verdict"].take();
        let number = |key: &str| verdict[key].as_u64().context("the convoy's verdict lacks a number");
        Ok(Verdict {
            acked: number("acked")?,
            lost: number("lost")?,
            spoiled: number("spoiled")?,
            unseen: number("unseen")?,
            text: verdict["text"].as_str().unwrap_or_default().to_owned(),
        })
    }

    /// Looks until all units fit; says how long it took, or `None` after `within`.
    pub fn until(&mut self, within: Duration, fits: impl Fn(&[Unit]) -> bool) -> Result<Option<Duration>> {
        let began = Instant::now();
        loop {
            if fits(&self.sight()?) {
                return Ok(Some(began.elapsed()));
            }
            if began.elapsed() > within {
                return Ok(None);
            }
            std::thread::sleep(POLL);
        }
    }
}

impl Drop for Vehicles {
    fn drop(&mut self) {
        let _ = (self.child.kill(), self.child.wait());
    }
}
