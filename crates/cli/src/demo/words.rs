//! The longer texts of the demo: what to try, and what it came to.

use std::path::Path;
use std::time::Duration;

use waygate_simulator::fleet::Figures;

use super::children::Gateway;
use super::screen::Screen;
use super::status::span;

/// A vehicle in a few lines of Python, as seen from the root of the sources.
const PYTHON_VEHICLE: &str = "examples/vehicle.py";

/// What one can do while it runs.
pub fn invitation(screen: &mut Screen, gateways: &[Gateway], program: &Path, vehicle: &str, respawn_s: u64) {
    let [west, centre, ..] = gateways else { return };
    let program = shown(program);
    let url = |gateway: &Gateway| {
        let url = gateway.seat.operators_url();
        if url == "http://127.0.0.1:7801" { String::new() } else { format!(" --url {url}") }
    };
    let map = screen.strong(&format!("{}/", west.seat.operators_url()));
    screen.line("");
    screen.line(&format!("  Live map  {map}"));
    screen.line("");
    screen.line("  Then, in another terminal:");
    let returns = match respawn_s {
        0 => "it stays dead (--respawn)".to_owned(),
        s => format!("it returns after {s} s"),
    };
    let mut lines = vec![
        (format!("{program} vehicles --state online --limit 5{}", url(west)), "who is reachable"),
        (format!("{program} watch{}", url(west)), "live"),
        (format!("curl -s {}/v1/vehicles/{vehicle}", centre.seat.operators_url()), "any gateway knows"),
    ];
    // Part of the sources: who has the program alone does not have it.
    if Path::new(PYTHON_VEHICLE).exists() && !centre.seat.tls {
        let line = format!("python3 {PYTHON_VEHICLE} {} MY-CAR 60", centre.seat.vehicles_url());
        lines.push((line, "your own; wants python3-websockets"));
    }
    for (command, remark) in lines {
        // A remark that does not fit would be in the way of copying the command.
        let fits = command.chars().count() + remark.chars().count() + 8 < screen.columns();
        let remark = if fits { screen.faint(&format!("  # {remark}")) } else { String::new() };
        screen.line(&format!("    {command}{remark}"));
    }
    if let Some(pid) = centre.pid() {
        screen.line("");
        screen.line(&format!("  Now kill this process and watch its vehicles move to a neighbour; {returns}:"));
        let remark = screen.faint(&format!("# {}", centre.seat.name));
        screen.line(&format!("    kill -9 {pid}  {remark}"));
    }
    screen.line("");
    let remark = screen.faint("  Ctrl-C ends all of it.");
    screen.line(&remark);
    screen.line("");
}

/// What it came to.
pub fn summary(screen: &mut Screen, figures: &Figures, drove: Duration) {
    let Figures { vehicles, attaches, recorded, acked, resent, rejected, dropped, .. } = figures;
    let unacked = recorded.saturating_sub(acked + rejected + dropped);
    screen.line(&format!("  {vehicles} vehicles drove for {}; {attaches} attaches", duration(drove)));
    let mut asides = Vec::new();
    for (n, what) in [
        (*resent, "sent again"),
        (unacked, "still unacked at the end"),
        (*rejected, "refused for good"),
        (*dropped, "given up by a full spool"),
    ] {
        if n > 0 {
            asides.push(format!("{n} {what}"));
        }
    }
    let asides = if asides.is_empty() { String::new() } else { format!(" ({})", asides.join(", ")) };
    screen.line(&format!("  {acked} of {recorded} records acked{asides}"));
    let quantile = |q| figures.ack_latencies.quantile(q).map_or("none".to_owned(), span);
    let max = figures.ack_max.map_or("none".to_owned(), span);
    screen.line(&format!(
        "  from sending to the ack: half within {}, 99 % within {}, at most {max}",
        quantile(0.5),
        quantile(0.99)
    ));
}

/// A path as one would type it here.
fn shown(program: &Path) -> String {
    let here = std::env::current_dir().ok();
    let relative = here.as_deref().and_then(|here| program.strip_prefix(here).ok());
    relative.unwrap_or(program).display().to_string()
}

/// `42 s`, `3 min 5 s`.
fn duration(span: Duration) -> String {
    match (span.as_secs() / 60, span.as_secs() % 60) {
        (0, s) => format!("{s} s"),
        (min, s) => format!("{min} min {s} s"),
    }
}
