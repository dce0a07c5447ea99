//! Whether a vehicle that asks for a session is the one that it showed itself to be, and may have one.

use super::{Connection, End};
use std::net::IpAddr;
use waygate_core::cause::RejectCause;
use waygate_core::message::AttachRequest;
use waygate_core::time::Millis;

impl Connection {
    /// Lets a request go on, or rejects it.
    pub(super) async fn admit(&mut self, request: Box<AttachRequest>, from: IpAddr) -> Result<Box<AttachRequest>, End> {
        let Some(who) = self.mailbox.who().cloned() else { return Ok(request) };
        if who.name.vehicle != request.vehicle {
            let text = format!("the {} is that of {}: attach as this vehicle", who.means.wire(), who.name.vehicle);
            self.edge.refusals.tell("other_vehicle", from, Some(&who.name), "it attaches as another vehicle");
            return Err(self.reject(RejectCause::Forbidden, Millis(0), &text).await);
        }
        Ok(request)
    }
}
