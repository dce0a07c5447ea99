//! The gateway as a library: sockets, tasks, gRPC and HTTP around the decisions of the core.
//!
//! [`Gateway::bind`] starts one; it runs until [`Gateway::shutdown`]. Nothing here decides about presence or
//! acks: the machines of `waygate-core` do, and the tasks perform what they ask for.

pub mod admission;
pub mod areas;
pub mod clock;
pub mod commands;
pub mod config;
pub mod enrolment;
pub mod feed;
pub mod files;
pub mod hooks;
pub mod journal;
pub mod live;
pub mod mailbox;
pub mod net;
pub mod operators;
pub mod pager;
pub mod peers;
pub mod presence;
pub mod start;
pub mod tasks;
pub mod timeline;
pub mod tls;
pub mod vehicles;

pub use config::{Config, ConfigError};
pub use start::{Addresses, Gateway, StartError};
