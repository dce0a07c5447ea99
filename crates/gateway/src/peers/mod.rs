//! The other gateways: presence streams with each, and questions on telemetry that they hold.

pub mod channels;
pub mod commands;
pub mod dialer;
pub mod directory;
pub mod enrolment;
pub mod gate;
pub mod handover;
pub mod history;
pub mod lookup;
pub mod membership;
pub mod meter;
pub mod moment;
pub mod overview;
pub mod paging;
pub mod place;
pub mod revocation;
pub mod service;
pub mod sessions;
pub mod stream;
pub mod timeline;
pub mod watch;
pub mod wiring;
