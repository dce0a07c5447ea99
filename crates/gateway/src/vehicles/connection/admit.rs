//! Whether a vehicle that asks for a session is the one that it showed itself to be, and may have one.

use super::{Connection, End, code};
use std::net::IpAddr;
use waygate_core::cause::RejectCause;
use waygate_core::enrolment::Verdict;
use waygate_core::message::AttachRequest;
use waygate_core::time::Millis;

impl Connection {
    /// Lets a request go on, or rejects it.
    pub(super) async fn admit(&mut self, request: Box<AttachRequest>, from: IpAddr) -> Result<Box<AttachRequest>, End> {
        let Some(who) = self.mailbox.who().cloned() else { return Ok(request) };
        if who.name.vehicle != request.vehicle {
            let text = format!("the {} is that of {}: attach as this vehicle", who.means.wire(), who.name.vehicle);
            self.edge.refusals.tell("other_vehicle", Some(from), Some(&who.name), "it attaches as another vehicle");
            return Err(self.reject(RejectCause::Forbidden, Millis(0), &text).await);
        }
        let Some(enrolment) = self.edge.enrolment.clone() else { return Ok(request) };
        let verdict = enrolment.ask(who.name.clone(), who.means.wire()).await;
        let (reason, cause, text) = match verdict {
            Some(Verdict::Admitted) => return Ok(request),
            Some(Verdict::Pending) => {
                let text = "no operator has admitted this vehicle yet; it is on the list of those that wait";
                ("pending", RejectCause::UnknownVehicle, text)
            }
            Some(Verdict::Refused) => ("refused", RejectCause::Forbidden, "an operator refuses this vehicle"),
            Some(Verdict::OtherFleet) => {
                ("other_fleet", RejectCause::Forbidden, "a vehicle of this name belongs to another fleet")
            }
            None => return Err(End::Close(code::INTERNAL)),
        };
        self.edge.refusals.tell(reason, Some(from), Some(&who.name), text);
        Err(self.reject(cause, Millis(0), text).await)
    }
}
