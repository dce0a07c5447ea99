//! The vehicle's side of Waygate: what an onboard unit does to attach, to keep its records until they are safe at a
//! gateway, and to find another gateway when it has to.
//!
//! ```text
//!  record() ──▶ spool ──▶ machine ──▶ socket ──▶ gateway
//!                 ▲          │
//!                 └── acks ──┘
//! ```
//!
//! [`machine`] decides, in plain synchronous code by the Machine convention of `waygate-core`; [`spool`] keeps records
//! and what must survive a reboot; [`client`] is the shell around both: one task, one socket, one vehicle.

pub mod client;
pub mod machine;
pub mod notice;
mod queue;
pub mod spool;

pub use client::{Config, Credentials, Obu, Source};
pub use notice::Notice;
pub use spool::{DiskSpool, MemorySpool, Spool};
