//! A command followed to its end: asked for again and again, each step told as it becomes known.
//!
//! The gateway is asked more rarely the longer nothing happens, and a gateway that does not answer for a moment is
//! asked again. Whoever stops following stops only that: the command goes on.

use std::future::Future;
use std::time::{Duration, Instant};

use comfy_table::Color;
use serde_json::Value;
use waygate_wire::operator::{CommandInfo, CommandState};

use crate::api::{Api, ApiError};
use crate::exit::{Exit, Failure};
use crate::output::Output;
use crate::words;

/// Between two questions while something happens.
const ASK_FIRST: Duration = Duration::from_millis(200);

/// Between two questions while nothing does.
const ASK_LAST: Duration = Duration::from_secs(2);

/// How long a gateway may leave questions unanswered before following is given up.
const SILENCE_MAX: Duration = Duration::from_secs(60);

/// How following went.
#[derive(Debug)]
pub enum Followed {
    /// The command has ended: the gateway's last answer.
    Ended(Value),
    /// It was interrupted before.
    Interrupted,
}

/// Follows a command until it has ended or `interrupt` comes.
pub async fn follow(
    api: &Api,
    first: Value,
    interrupt: impl Future<Output = ()>,
    output: &mut Output,
) -> Result<Followed, Failure> {
    tokio::pin!(interrupt);
    let (mut answer, mut told) = (first, 0);
    let (mut pause, mut heard) = (ASK_FIRST, Instant::now());
    loop {
        let info: CommandInfo = api.read(answer.clone())?;
        if told < info.steps.len() {
            pause = ASK_FIRST;
        }
        output.progress(None);
        if !output.json {
            tell_steps(&info, told, output)?;
        }
        // A gateway that answers in the place of another may know fewer steps.
        told = told.max(info.steps.len());
        if info.ended {
            return Ok(Followed::Ended(answer));
        }
        output.progress(Some(&progress_words(&info)));
        let path = ["commands", info.id.as_str()];
        answer = loop {
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = &mut interrupt => {
                    output.progress(None);
                    return Ok(Followed::Interrupted);
                }
            }
            pause = (pause * 3 / 2).min(ASK_LAST);
            let asked = tokio::select! {
                asked = api.ask(&path, &[]) => asked,
                () = &mut interrupt => {
                    output.progress(None);
                    return Ok(Followed::Interrupted);
                }
            };
            match asked {
                Ok(answer) => break answer,
                Err(error) if error.is_passing() && heard.elapsed() < SILENCE_MAX => {
                    output.progress(Some(&format!("{}; asking again", first_line(&error))));
                }
                Err(error) => {
                    output.progress(None);
                    return Err(given_up(error, &info.id));
                }
            }
        };
        heard = Instant::now();
    }
}

/// Why following ends before the command does.
fn given_up(error: ApiError, id: &str) -> Failure {
    let failure = Failure::from(error);
    let way = match failure.exit {
        // Nobody who was asked knows it, so nobody can say that it goes on.
        Exit::Nothing => look_again(id),
        Exit::Ok
        | Exit::Usage
        | Exit::Unreachable
        | Exit::Server
        | Exit::NotDone
        | Exit::NotBegun
        | Exit::Unknown
        | Exit::UnderWay
        | Exit::Internal
        | Exit::Config => goes_on(id),
    };
    Failure::new(failure.exit, format!("{}\n  {way}", failure.message))
}

/// Ends when the person at the terminal presses Ctrl-C.
pub async fn interrupted() {
    if let Err(error) = tokio::signal::ctrl_c().await {
        tracing::debug!(%error, "Ctrl-C cannot be listened for");
        std::future::pending::<()>().await;
    }
}

/// That the command goes on, and how a person sees it again.
pub fn goes_on(id: &str) -> String {
    format!("the command goes on; {}", look_again(id))
}

fn look_again(id: &str) -> String {
    format!("look again with `waygate command {id} --follow`")
}

/// Seconds that are left to begin it; none once it was begun or has ended.
pub fn left_to_begin(info: &CommandInfo) -> Option<f64> {
    match info.state {
        CommandState::Queued | CommandState::Paging | CommandState::Sent => Some(info.expires_in_s),
        CommandState::Accepted
        | CommandState::Running
        | CommandState::Succeeded
        | CommandState::Failed
        | CommandState::Rejected
        | CommandState::Expired
        | CommandState::Cancelled
        | CommandState::Unknown => None,
    }
}

/// Writes the steps from the `told`th on.
pub fn tell_steps(info: &CommandInfo, told: usize, output: &mut Output) -> std::io::Result<()> {
    for step in info.steps.iter().skip(told) {
        let since = format!("+{}", words::age((info.age_s - step.age_s).max(0.0)));
        let line = format!("  {since:>8}  {:<9}  {}  {}", step.state.name(), step.gateway, step.text);
        let line = words::plain(line.trim_end()).into_owned();
        let line = if step.state.is_final() { output.dressed(ansi(step.state), &line) } else { line };
        output.line(line)?;
    }
    output.flush()
}

/// Writes how it ended.
pub fn tell_end(info: &CommandInfo, output: &mut Output) -> std::io::Result<()> {
    let mut line = state_words(info);
    if let Some(result) = &info.result {
        line += &format!("; result {result}");
    }
    let line = words::plain(&line).into_owned();
    let line = output.dressed(ansi(info.state), &line);
    output.line(line)
}

/// The state, and why.
pub fn state_words(info: &CommandInfo) -> String {
    let percent = info.percent.filter(|_| !info.ended).map(|percent| format!(" {percent} %")).unwrap_or_default();
    // Some ends are called like their reason.
    let code = if info.code == info.state.name() { "" } else { info.code.as_str() };
    let why = match (info.text.as_str(), code) {
        ("", "") => String::new(),
        (why, "") | ("", why) => format!(": {why}"),
        (text, code) => format!(": {text} ({code})"),
    };
    format!("{}{percent}{why}", info.state.name())
}

/// How a command ends for a script.
pub const fn exit(state: CommandState) -> Exit {
    match state {
        CommandState::Succeeded => Exit::Ok,
        CommandState::Failed | CommandState::Rejected => Exit::NotDone,
        CommandState::Expired | CommandState::Cancelled => Exit::NotBegun,
        CommandState::Unknown => Exit::Unknown,
        CommandState::Queued
        | CommandState::Paging
        | CommandState::Sent
        | CommandState::Accepted
        | CommandState::Running => Exit::UnderWay,
    }
}

/// The colour of a state in a table.
pub const fn colour(state: CommandState) -> Color {
    match state {
        CommandState::Queued | CommandState::Paging => Color::DarkYellow,
        CommandState::Sent | CommandState::Accepted | CommandState::Running => Color::DarkCyan,
        CommandState::Succeeded => Color::DarkGreen,
        CommandState::Failed | CommandState::Rejected | CommandState::Unknown => Color::DarkRed,
        CommandState::Expired | CommandState::Cancelled => Color::DarkGrey,
    }
}

const fn ansi(state: CommandState) -> &'static str {
    match exit(state) {
        Exit::Ok => "32",
        Exit::NotBegun => "33",
        Exit::UnderWay => "36",
        Exit::NotDone
        | Exit::Unknown
        | Exit::Nothing
        | Exit::Usage
        | Exit::Unreachable
        | Exit::Server
        | Exit::Internal
        | Exit::Config => "31",
    }
}

fn progress_words(info: &CommandInfo) -> String {
    let left = match left_to_begin(info) {
        Some(left) if left > 0.0 => format!(", {} left to begin", words::age(left)),
        Some(_) => ", its time to begin is over".to_owned(),
        None => String::new(),
    };
    words::plain(&format!("{}, {} since it was taken{left}", state_words(info), words::age(info.age_s))).into_owned()
}

fn first_line(error: &ApiError) -> String {
    error.to_string().lines().next().unwrap_or_default().to_owned()
}

#[cfg(test)]
#[path = "follow_tests.rs"]
pub mod tests;
