//! Every bound of the gateway, with its unit and its reason. Reaching one gives a cause and a counter.

use crate::time::Millis;

/// Largest frame and message from a vehicle, bytes. A batch of 4096 positions is about 40 KiB.
pub const FRAME_BYTES_MAX: usize = 256 * 1024;

/// Regions in the list that home regions are chosen from: each has to be asked when a vehicle is found nowhere else.
pub const HOME_REGIONS_MAX: usize = 512;

/// Records in one Telemetry message.
pub const BATCH_RECORDS_MAX: usize = 4096;

/// Records a vehicle may have sent without an ack; more than that is not read from its socket.
pub const WINDOW_RECORDS_MAX: u32 = 4096;

/// Bytes a vehicle may have sent without an ack.
pub const WINDOW_BYTES_MAX: u32 = 1024 * 1024;

/// Bytes of a signal path; the longest path of VSS has under 120.
pub const SIGNAL_PATH_BYTES_MAX: usize = 160;

/// Signals in a session's catalogue; VSS names about 1400.
pub const SIGNALS_MAX: usize = 4096;

/// Bytes of one text value of a signal.
pub const SIGNAL_TEXT_BYTES_MAX: usize = 1024;

/// Signals in one record.
pub const RECORD_SIGNALS_MAX: usize = 512;

/// Acked ranges a vehicle may report at attach, and ranges a spool's state may have; beyond it the
/// vehicle is asked to fill the holes first.
pub const SPOOL_RANGES_MAX: usize = 1024;

/// Bytes of a token, as presented.
pub const TOKEN_BYTES_MAX: usize = 512;

/// Bytes of a boot id and other short texts of an attach.
pub const SHORT_TEXT_BYTES_MAX: usize = 64;

/// Bytes of a command's arguments and of a result, JSON.
pub const COMMAND_JSON_BYTES_MAX: usize = 16 * 1024;

/// Bytes of a command's code, text and key.
pub const COMMAND_TEXT_BYTES_MAX: usize = 512;

/// Vehicles whose last attach failed at the disk and may be on it all the same; with one more the
/// one that failed longest ago is forgotten.
pub const ATTACH_DOUBTS_MAX: usize = 65_536;

/// Longest time to live of a command: 30 days, as long as its outcome is kept.
pub const COMMAND_TTL_MS_MAX: u64 = 30 * 24 * 3600 * 1000;

/// Commands to one vehicle that have not ended: more than a person or a program can mean.
pub const COMMANDS_OPEN_PER_VEHICLE_MAX: usize = 64;

/// Commands at one gateway that have not ended, those it keeps for others among them: about 100 MiB.
pub const COMMANDS_OPEN_MAX: usize = 100_000;

/// Commands that have ended and are still known in memory, for late words and repeated requests.
pub const COMMANDS_ENDED_MAX: usize = 20_000;

/// Commands handed to vehicles for other gateways, so that the vehicle's word finds its way back.
pub const COMMANDS_HANDED_MAX: usize = 100_000;

/// The longest that one vehicle is being woken, with all tries: as long as an operator may wait for a page.
pub const WAKING_MAX: Millis = Millis::secs(240);

/// Steps kept of one command: each state once a gateway.
pub const COMMAND_STEPS_MAX: usize = 32;

/// Bytes of a step's text: with all else a record fits into 64 KiB.
pub const COMMAND_STEP_TEXT_BYTES_MAX: usize = 128;

/// Ids of commands that a vehicle remembers, so that none is done twice.
pub const COMMAND_IDS_REMEMBERED: usize = 256;

/// Bytes of the key that authenticates wake-ups.
pub const WAKE_KEY_BYTES: usize = 16;

/// Fastest record, centimetres a second: 1000 m/s, beyond any vehicle on a road.
pub const SPEED_CMS_MAX: u32 = 100_000;

/// How far a record's time may lie ahead of the gateway's clock, milliseconds.
pub const RECORD_AHEAD_MS_MAX: u64 = 5 * 60 * 1000;

/// How old a record may be, milliseconds: the retention, 400 days.
pub const RECORD_AGE_MS_MAX: u64 = 400 * 24 * 3600 * 1000;

/// Entries in one batch of a presence stream.
pub const SYNC_BATCH_ENTRIES_MAX: usize = 512;

/// Entries of a log sent to a peer and not yet covered by its cursors, at most; back-pressure stops reading the log. On a
/// slow link it is as much as the peer takes in two seconds.
pub const SYNC_UNACKED_ENTRIES_MAX: u64 = 8192;

/// Entries of one log that were sent ahead of what lies before them, at the receiver: about 2 MiB. What comes beyond
/// waits for its turn.
pub const SYNC_AHEAD_ENTRIES_MAX: usize = 8192;

/// Bytes that are kept of what a later version said of one vehicle, or of a node; of one that says more they are not
/// passed on. An entry has about 30 bytes.
pub const SYNC_REST_BYTES_MAX: usize = 256;

/// Tombstones of one log; with one more the oldest goes and the floor rises, so that a peer further behind gets a
/// snapshot. Five moves a day of 50 000 vehicles, about 40 MiB.
pub const TOMBSTONES_MAX: usize = 262_144;

/// The highest incarnation that a node believes it has had, as a peer says: the seconds of the year 9999, later than any
/// clock shows.
pub const INCARNATION_MAX: u64 = 253_402_300_799;
