//! How a command ends: the exit codes that scripts rely on, and the failure that carries one with its message.

use std::process::ExitCode;

/// The exit codes, as `--help` lists them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// Done.
    Ok,
    /// The vehicle or the command is not known, nothing matched, or the vehicle was not reached.
    Nothing,
    /// The command line, or a parameter the gateway refused.
    Usage,
    /// No gateway answered.
    Unreachable,
    /// The gateway answered with an error, can take no more now, or it is not its API that answered.
    Server,
    /// The command failed or was rejected.
    NotDone,
    /// The command expired or was cancelled: it was never begun.
    NotBegun,
    /// The command may have been done: nobody knows.
    Unknown,
    /// The command has not ended yet.
    UnderWay,
    /// This program failed by itself.
    Internal,
    /// The configuration file is missing or wrong.
    Config,
}

impl Exit {
    /// The number handed to the shell.
    pub const fn code(self) -> u8 {
        match self {
            Self::Ok => 0,
            Self::Nothing => 1,
            Self::Usage => 2,
            Self::Unreachable => 3,
            Self::Server => 4,
            Self::NotDone => 5,
            Self::NotBegun => 6,
            Self::Unknown => 7,
            Self::UnderWay => 8,
            Self::Config => 64,
            Self::Internal => 70,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

/// A command that could not do its work: what was wrong, where, and what to do.
#[derive(Debug)]
pub struct Failure {
    pub exit: Exit,
    /// Goes to standard error after `error: `; empty when there is nothing left to say.
    pub message: String,
}

impl Failure {
    pub fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self { exit, message: message.into() }
    }

    pub fn usage(message: impl Into<String>) -> Self {
        Self::new(Exit::Usage, message)
    }

    pub fn server(message: impl Into<String>) -> Self {
        Self::new(Exit::Server, message)
    }

    pub fn internal(message: impl Into<String>) -> Self {
        Self::new(Exit::Internal, message)
    }

    /// The reader of standard output has gone (`… | head`): end quietly, as other tools do.
    pub fn output_closed() -> Self {
        Self::new(Exit::Ok, "")
    }
}

impl From<std::io::Error> for Failure {
    /// Only for writing the answer: every other IO names its own failure.
    fn from(error: std::io::Error) -> Self {
        if error.kind() == std::io::ErrorKind::BrokenPipe {
            Self::output_closed()
        } else {
            Self::internal(format!("cannot write the answer: {error}"))
        }
    }
}
