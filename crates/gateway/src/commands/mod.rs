//! Commands at this gateway: the task that owns the machine of the core, and the way to it.

pub mod desk;
pub mod rows;
pub mod task;
pub mod waking;

pub use desk::Desk;
