//! Commands that a program does: one at a time, its name as argument, its arguments on standard input, its output as result.

use std::process::Stdio;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, Command as Process};
use tokio::sync::mpsc;
use waygate_core::command::{Command, CommandId, CommandStatus, VehicleVerdict};
use waygate_core::limits::COMMAND_JSON_BYTES_MAX;
use waygate_obu::Obu;

/// Does the commands that come, for ever. What waits is bounded by the unit, which rejects more.
pub(crate) async fn run(obu: &Obu, program: &str, limit: Duration, commands: &mut mpsc::UnboundedReceiver<Command>) {
    while let Some(command) = commands.recv().await {
        // It may have been cancelled, or have expired, while another one was done.
        if obu.begin_command(command.id).await {
            let status = execute(program, limit, &command).await;
            if let Err(error) = obu.command_status(status).await {
                let status = failed(command.id, "bad_result", error.to_string());
                // A short text without a result is always taken.
                let _ = obu.command_status(status).await;
            }
        }
    }
}

async fn execute(program: &str, limit: Duration, command: &Command) -> CommandStatus {
    let id = command.id;
    let mut process = Process::new(program);
    process.arg(command.name.as_str()).stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
    let mut child = match process.spawn() {
        Ok(child) => child,
        Err(error) => return failed(id, "not_started", format!("{program}: {error}")),
    };
    // Dropped at the limit, which kills it.
    match tokio::time::timeout(limit, converse(&mut child, &command.arguments)).await {
        Err(_) => failed(id, "timeout", format!("killed after {} s", limit.as_secs())),
        Ok(Err(error)) => failed(id, "io", error.to_string()),
        Ok(Ok((status, output))) => {
            let result = result(&output);
            if result.len() > COMMAND_JSON_BYTES_MAX {
                return failed(id, "result_too_long", format!("more than {COMMAND_JSON_BYTES_MAX} bytes"));
            }
            if status.success() {
                let verdict = VehicleVerdict::Succeeded;
                CommandStatus { id, verdict, code: String::new(), text: String::new(), result }
            } else {
                CommandStatus { result, ..failed(id, "exit_code", status.to_string()) }
            }
        }
    }
}

/// Gives the arguments while it reads the output, so that neither side waits for the other.
async fn converse(child: &mut Child, arguments: &str) -> std::io::Result<(std::process::ExitStatus, Vec<u8>)> {
    let (stdin, stdout) = (child.stdin.take(), child.stdout.take());
    let give = async {
        if let Some(mut stdin) = stdin {
            // A program that does not read its arguments does not need them.
            let _ = stdin.write_all(arguments.as_bytes()).await;
        }
    };
    let take = async {
        let mut output = Vec::new();
        if let Some(stdout) = stdout {
            // What is too long is refused; a program that writes on is stopped by its broken pipe.
            stdout.take(COMMAND_JSON_BYTES_MAX as u64 + 1).read_to_end(&mut output).await?;
        }
        std::io::Result::Ok(output)
    };
    let ((), output) = tokio::join!(give, take);
    Ok((child.wait().await?, output?))
}

/// JSON as it is, anything else as a JSON string.
fn result(output: &[u8]) -> String {
    let text = String::from_utf8_lossy(output);
    let text = text.trim();
    if waygate_wire::is_command_json(text) { text.to_owned() } else { serde_json::Value::from(text).to_string() }
}

fn failed(id: CommandId, code: &str, text: String) -> CommandStatus {
    // Far below the limit, in characters.
    let text = text.chars().take(100).collect();
    CommandStatus { id, verdict: VehicleVerdict::Failed, code: code.to_owned(), text, result: String::new() }
}

#[cfg(test)]
#[path = "exec_tests.rs"]
mod tests;
