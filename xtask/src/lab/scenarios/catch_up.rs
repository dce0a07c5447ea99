//! A region that was never there before, behind a bad link.

use std::time::{Duration, Instant};

use anyhow::Result;

use super::{AGREE_WITHIN, ATTACH_WITHIN};
use crate::lab::checker::Promises;
use crate::lab::cluster::Lab;
use crate::lab::http;
use crate::lab::vehicles::Unit;
use crate::report;

const KBIT: u32 = 256;
const LOSS_PERCENT: u32 = 5;

/// What the link carries beside entries, and what loss costs it.
const OVERHEAD_PERCENT: u64 = 20;

/// Until the first streams stand, and their slow start.
const BEGINNING: Duration = Duration::from_secs(10);

/// Bytes on the link an entry: about 28 of the entry and its share of the frame, half as many of all else, and not twice
/// because two gateways send the same.
const ENTRY_BYTES_MAX: u64 = 45;

/// What a gateway that sends may use more than before, kB.
const GROWTH_KB_MAX: u64 = 10 * 1024;

/// A gateway that does not grow by more than this, kB, for so long is at rest.
const RESTED_KB: u64 = 512;
const RESTED_AFTER: Duration = Duration::from_secs(4);

/// It looks through some thousand vehicles a second.
const RESTED_WITHIN: Duration = Duration::from_secs(120);

/// How long news may take while there is much else to be told.
const NEWS_WITHIN: Duration = Duration::from_secs(10);

pub fn catch_up(lab: &mut Lab<'_>) -> Result<()> {
    lab.network.slow("r3", KBIT)?;
    lab.network.lose("r3", LOSS_PERCENT)?;
    let entries = lab.overview("r1")?.vehicles();
    let rested_kb = rested_kb(lab, "r1")?;
    lab.gateway_mut("r3")?.start()?;
    lab.gateway_mut("r3")?.ready()?;
    let began = Instant::now();
    let patience = Duration::from_millis(entries * ENTRY_BYTES_MAX * 8 / u64::from(KBIT)) * 3 + BEGINNING;
    // What was said before the streams stand is no news, but the end of what there is to catch up with.
    lab.until(BEGINNING, |lab| Ok(lab.overview("r3").is_ok_and(|seen| seen.vehicles() > 0)))?;
    let said = Instant::now();
    let news = news(lab, "r1", "news-of-r1")?.zip(news(lab, "r2", "news-of-r2")?);
    let (mut most_kb, mut seen) = (rested_kb, [None, None]);
    let operators = lab.operators("r3")?;
    let caught_up = lab.until(patience, |lab| {
        most_kb = most_kb.max(lab.gateway("r1")?.resident_kb()?);
        for (at, name) in ["news-of-r1", "news-of-r2"].iter().enumerate().filter(|(at, _)| news.is_some() && *at < 2) {
            if seen[at].is_none() && http::get(operators, &format!("/v1/vehicles/{name}"), http::WITHIN).is_ok() {
                seen[at] = Some(said.elapsed());
            }
        }
        // Over this link an answer may be late; then the next one counts.
        let whole = lab.overview("r3").is_ok_and(|seen| seen.vehicles() >= entries + 2);
        Ok(whole && seen.iter().all(Option::is_some))
    })?;
    let took = began.elapsed();
    let bytes = lab.network.bytes()?;
    let from = |from: &str| bytes.get(&(from.to_owned(), "r3".to_owned())).copied().unwrap_or_default();
    let (first, second) = (from("r1"), from("r2"));
    let into: u64 = bytes.iter().filter(|((_, to), _)| to == "r3").map(|(_, bytes)| bytes).sum();
    let entry_bytes = (first + second) / entries.max(1);
    let saw = format!(
        "{entries} entries, {first} bytes of r1, {second} of r2: {entry_bytes} an entry, at most {ENTRY_BYTES_MAX}"
    );
    lab.expect("nothing much is sent twice", entry_bytes <= ENTRY_BYTES_MAX, saw);
    let link = Duration::from_millis(into * 8 / u64::from(KBIT) * (100 + OVERHEAD_PERCENT) / 100) + BEGINNING;
    lab.expect_within("it has caught up as fast as the link carries it", caught_up.map(|_| took), link);
    let growth_kb = most_kb.saturating_sub(rested_kb);
    let saw = format!("{growth_kb} kB, at most {GROWTH_KB_MAX}");
    lab.expect("who sends does not gather what the link does not take", growth_kb <= GROWTH_KB_MAX, saw);
    lab.expect_within("meanwhile a change elsewhere is seen at once", seen[1], NEWS_WITHIN);
    lab.expect_within("meanwhile a change where most is to be told is seen at once", seen[0], NEWS_WITHIN);
    report::say(&format!("  {} for {entries} entries", report::seconds(took)));
    lab.network.lose_nothing()?;
    lab.network.hurry("r3")?;
    lab.check(Instant::now(), AGREE_WITHIN, Promises::All)
}

/// What a gateway uses once it has looked through what its store knows: for a while after its start it gathers that.
fn rested_kb(lab: &mut Lab<'_>, name: &str) -> Result<u64> {
    let (mut last, mut since) = (lab.gateway(name)?.resident_kb()?, Instant::now());
    lab.until(RESTED_WITHIN, |lab| {
        let now = lab.gateway(name)?.resident_kb()?;
        if now > last + RESTED_KB {
            (last, since) = (now, Instant::now());
        }
        Ok(since.elapsed() >= RESTED_AFTER)
    })?;
    lab.gateway(name)?.resident_kb()
}

/// A vehicle attaches while the late one catches up.
fn news(lab: &mut Lab<'_>, at: &str, name: &str) -> Result<Option<Duration>> {
    let gateways = lab.url_of(at)?;
    lab.vehicles.add(&[name.to_owned()], &gateways)?;
    lab.vehicles.until(ATTACH_WITHIN, |units| units.iter().all(Unit::is_attached))
}
