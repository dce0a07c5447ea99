//! `waygate-convoy`: vehicles for tests of whole networks. Reads orders from standard input, a JSON object a line, and answers
//! each with one line; ends with its input. What can be ordered stands in `simulator/src/convoy/order.rs`.

use std::process::ExitCode;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines, Stdin};
use waygate_simulator::convoy::Convoy;

#[tokio::main]
async fn main() -> ExitCode {
    match serve(BufReader::new(tokio::io::stdin()).lines()).await {
        Ok(()) => ExitCode::SUCCESS,
        // Whoever gave the orders is gone, or cannot be read: there is nobody to tell.
        Err(_) => ExitCode::FAILURE,
    }
}

async fn serve(mut orders: Lines<BufReader<Stdin>>) -> std::io::Result<()> {
    let (mut convoy, mut stdout) = (Convoy::default(), tokio::io::stdout());
    while let Some(line) = orders.next_line().await? {
        let mut answer = serde_json::to_vec(&convoy.obey(&line).await)?;
        answer.push(b'\n');
        stdout.write_all(&answer).await?;
        stdout.flush().await?;
    }
    Ok(())
}
