//! An answer of many lines, each JSON, read as it comes.

use http_body_util::BodyExt;
use hyper::body::Incoming;
use serde_json::Value;

use crate::api::{Api, ApiError};

/// The longest line that is read: a record with every signal that it may have stays well below.
const LINE_BYTES_MAX: usize = 16 * 1024 * 1024;

/// The lines of one answer.
#[derive(Debug)]
pub struct Lines {
    api: Api,
    body: Incoming,
    read: Vec<u8>,
    /// Where the next line begins.
    at: usize,
}

impl Lines {
    pub fn new(api: Api, body: Incoming) -> Self {
        Self { api, body, read: Vec::new(), at: 0 }
    }

    /// The next line; none at the end. The gateway has the usual time for each piece.
    pub async fn next(&mut self) -> Result<Option<Value>, ApiError> {
        loop {
            if let Some(length) = self.read[self.at..].iter().position(|byte| *byte == b'\n') {
                let line = serde_json::from_slice(&self.read[self.at..self.at + length]);
                self.at += length + 1;
                return line
                    .map(Some)
                    .map_err(|error| self.api.not_the_api(format!("with a line that is not JSON ({error})")));
            }
            self.read.drain(..self.at);
            self.at = 0;
            if self.read.len() > LINE_BYTES_MAX {
                return Err(self.api.not_the_api("with a line without end".to_owned()));
            }
            let frame = tokio::time::timeout(self.api.timeout, self.body.frame()).await;
            match frame.map_err(|_| self.api.timed_out())? {
                Some(Ok(frame)) => self.read.extend(frame.data_ref().into_iter().flatten()),
                Some(Err(error)) => return Err(self.api.broken(&error)),
                None => return Ok(None),
            }
        }
    }
}
