//! What this gateway answers others that speak the membership's protocol.

use super::task::Letter;
use crate::peers::gate::impostor;
use crate::tls::Peer;
use std::sync::Arc;
use tokio::sync::{mpsc, watch};
use tonic::{Request, Response, Status};
use waygate_core::membership::Member;
use waygate_wire::membership::{member_from_proto, member_to_proto, packet_from_proto};
use waygate_wire::proto;
use waygate_wire::proto::membership_server::Membership;

/// The gRPC service. Cheap to clone.
#[derive(Clone, Debug)]
pub struct MembershipService {
    /// To the membership's task.
    pub letters: mpsc::Sender<Letter>,
    /// This gateway, as it is known at this moment.
    pub me: watch::Receiver<Member>,
}

#[tonic::async_trait]
impl Membership for MembershipService {
    async fn introduce(
        &self,
        request: Request<proto::IntroduceRequest>,
    ) -> Result<Response<proto::IntroduceReply>, Status> {
        let caller = request.extensions().get::<Arc<Peer>>().cloned();
        let from = member_from_proto(request.into_inner().from);
        let from = from.map_err(|fault| Status::invalid_argument(fault.to_string()))?;
        if let Some(why) = impostor(&from.info, caller.as_deref().map(|peer| &peer.identity)) {
            tracing::warn!("a gateway was not told who answers here: {why}");
            return Err(Status::permission_denied(why));
        }
        let member = member_to_proto(&self.me.borrow());
        Ok(Response::new(proto::IntroduceReply { member: Some(member) }))
    }

    async fn send(
        &self,
        request: Request<proto::MembershipPacket>,
    ) -> Result<Response<proto::MembershipReply>, Status> {
        let packet = packet_from_proto(request.into_inner());
        let packet = packet.map_err(|fault| Status::invalid_argument(fault.to_string()))?;
        if self.letters.try_send(Letter::Packet(packet)).is_err() {
            return Err(Status::resource_exhausted("too many packets wait here; this one is lost"));
        }
        Ok(Response::new(proto::MembershipReply {}))
    }
}
