//! One file a command: its arguments, what it asks, how it shows the answer.

pub mod admit;
pub mod command;
pub mod follow;
pub mod gateway;
pub mod gateways;
pub mod history;
pub mod list;
pub mod page;
pub mod pending;
pub mod pki;
pub mod regions;
pub mod send;
pub mod snapshot;
pub mod timeline;
pub mod vehicle;
pub mod vehicles;
pub mod watch;

use crate::output::Output;

/// Says on standard error that regions are missing from an answer, and what that means for it.
fn warn_of_missing(regions: &[String], lacks: &str, output: &mut Output) {
    if !regions.is_empty() {
        let names = regions.iter().map(|name| crate::words::plain(name)).collect::<Vec<_>>().join(", ");
        output.warn(&format!("no word from {names}: {lacks}"));
    }
}
