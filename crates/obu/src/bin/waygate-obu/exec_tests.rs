use super::*;
use std::os::unix::fs::PermissionsExt;
use waygate_core::command::{CommandName, Policy};
use waygate_core::time::{Millis, Wall};

/// A program that is still open for writing cannot be started, and whoever starts another one meanwhile holds it open for a
/// moment: one at a time.
static STARTING: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

async fn done(script: &str, limit: Duration) -> CommandStatus {
    let _alone = STARTING.lock().await;
    let dir = tempfile::tempdir().unwrap();
    let program = dir.path().join("program");
    std::fs::write(&program, format!("#!/bin/sh\n{script}\n")).unwrap();
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o700)).unwrap();
    let (name, arguments) = (CommandName::new("honk").unwrap(), "{\"n\":3}".to_owned());
    let (issued, ttl) = (Wall(0), Millis::secs(9));
    let command = Command { id: CommandId(1), name, arguments, issued, ttl, sent: Wall(0), policy: Policy::Now };
    execute(program.to_str().unwrap(), limit, &command).await
}

#[tokio::test]
async fn a_program_is_told_the_command_and_its_output_is_the_result() {
    let long = Duration::from_secs(20);
    let cases = [
        ("cat", VehicleVerdict::Succeeded, "", "{\"n\":3}"),
        ("echo $1", VehicleVerdict::Succeeded, "", "\"honk\""),
        ("true", VehicleVerdict::Succeeded, "", ""),
        ("echo 1e999", VehicleVerdict::Succeeded, "", "\"1e999\""),
        ("echo 5; exit 3", VehicleVerdict::Failed, "exit_code", "5"),
        ("head -c 20000 /dev/zero | tr '\\0' x", VehicleVerdict::Failed, "result_too_long", ""),
    ];
    for (script, verdict, code, result) in cases {
        let status = done(script, long).await;
        assert_eq!((status.verdict, status.code.as_str(), status.result.as_str()), (verdict, code, result), "{script}");
    }
}

#[tokio::test]
async fn a_program_that_takes_too_long_is_killed_and_one_that_is_not_there_is_told() {
    let status = done("exec sleep 60", Duration::from_millis(50)).await;
    assert_eq!((status.verdict, status.code.as_str()), (VehicleVerdict::Failed, "timeout"));
    let (name, arguments) = (CommandName::new("honk").unwrap(), String::new());
    let (issued, ttl) = (Wall(0), Millis::secs(9));
    let command = Command { id: CommandId(1), name, arguments, issued, ttl, sent: Wall(0), policy: Policy::Now };
    let _alone = STARTING.lock().await;
    let status = execute("/nowhere/to/be/found", Duration::from_secs(1), &command).await;
    assert_eq!(status.code, "not_started");
}
