//! The status line: how the fleet and the gateways are now, in as many words as fit.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;
use waygate_simulator::fleet::Figures;
use waygate_wire::operator::StateCounts;

use super::knowledge::Knowledge;

/// What rates and latencies are taken over.
const WINDOW: Duration = Duration::from_secs(5);

/// Figures of the last seconds.
#[derive(Debug, Default)]
pub struct Recent {
    readings: VecDeque<(Instant, Figures)>,
}

impl Recent {
    /// Adds what was read now, and forgets what is older than the window.
    pub fn add(&mut self, now: Instant, figures: Figures) {
        self.readings.push_back((now, figures));
        while self.readings.get(1).is_some_and(|(at, _)| now.duration_since(*at) >= WINDOW) {
            self.readings.pop_front();
        }
    }

    /// Records acked a second.
    fn acked_per_second(&self) -> f64 {
        match (self.readings.front(), self.readings.back()) {
            (Some((from, first)), Some((to, last))) if to > from => {
                last.acked.saturating_sub(first.acked) as f64 / to.duration_since(*from).as_secs_f64()
            }
            _ => 0.0,
        }
    }

    /// What 99 of 100 acks did not exceed.
    fn ack_p99(&self) -> Option<Duration> {
        let (first, last) = (self.readings.front()?, self.readings.back()?);
        last.1.ack_latencies.since(&first.1.ack_latencies).quantile(0.99)
    }
}

/// The line, in at most `columns` columns if that can be: the same facts in fewer words.
pub fn line(elapsed: Duration, recent: &Recent, knowledge: &Knowledge, columns: usize) -> String {
    let wordings = [Wording::Full, Wording::Brief, Wording::Terse];
    let mut lines = wordings.map(|wording| worded(wording, elapsed, recent, knowledge)).into_iter();
    let mut line = lines.next().unwrap_or_default();
    for shorter in lines {
        if line.chars().count() < columns {
            break;
        }
        line = shorter;
    }
    line
}

/// How many words there is room for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wording {
    Full,
    Brief,
    Terse,
}

fn worded(wording: Wording, elapsed: Duration, recent: &Recent, knowledge: &Knowledge) -> String {
    let terse = wording == Wording::Terse;
    let (minutes, seconds) = (elapsed.as_secs() / 60, elapsed.as_secs() % 60);
    let mut parts = vec![format!("{minutes:02}:{seconds:02}")];
    parts.extend(knowledge.totals().map(states));
    // Those that have no gateway just now: what one watches after a kill.
    let seeking = recent.readings.back().map(|(_, figures)| figures.seeking).filter(|&n| n > 0);
    parts.extend(seeking.map(|n| if terse { format!("seeking {n}") } else { format!("{n} seeking a gateway") }));
    let p99 = recent.ack_p99().map(|p99| format!(", p99 {}", span(p99))).unwrap_or_default();
    let unit = if terse { " acked/s" } else { " records/s acked" };
    parts.push(format!("{:.0}{unit}{p99}", recent.acked_per_second()));
    parts.push(match wording {
        Wording::Brief if knowledge.is_whole() => "all regions in touch".to_owned(),
        Wording::Terse if knowledge.is_whole() => "regions ok".to_owned(),
        Wording::Full | Wording::Brief | Wording::Terse => knowledge.words(),
    });
    parts.retain(|part| !part.is_empty());
    parts.join(" │ ")
}

/// Vehicles by state, without the states none is in.
fn states(counts: StateCounts) -> String {
    let StateCounts { online, idle, asleep, unreachable, offline, stale } = counts;
    let others =
        [("idle", idle), ("asleep", asleep), ("unreachable", unreachable), ("offline", offline), ("stale", stale)];
    let others = others.iter().filter(|(_, n)| *n > 0).map(|(name, n)| format!(" · {name} {n}"));
    format!("online {online}{}", others.collect::<String>())
}

/// A span in a unit that keeps it short: `6 ms`, `1.4 s`, `75 s`.
pub fn span(span: Duration) -> String {
    let ms = span.as_secs_f64() * 1000.0;
    match ms {
        _ if ms < 1.0 => "under 1 ms".to_owned(),
        _ if ms < 1000.0 => format!("{ms:.0} ms"),
        _ if ms < 10_000.0 => format!("{:.1} s", ms / 1000.0),
        _ => format!("{:.0} s", ms / 1000.0),
    }
}

#[cfg(test)]
#[path = "status_tests.rs"]
mod tests;
