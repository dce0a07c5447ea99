//! Who may call what gateways offer each other: nodes of the cluster, by their certificate. Without `[tls]` anybody.

use crate::tls::complaints::Complaints;
use crate::tls::{Peer, Trust};
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use std::sync::Arc;
use tonic::Status;
use waygate_core::identity::Identity;
use waygate_core::view::NodeInfo;

/// Lets callers in, or not. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Gate {
    trust: Option<Trust>,
    complaints: Arc<Complaints>,
}

impl Gate {
    /// For callers that this trust admits.
    pub fn new(trust: Option<Trust>) -> Self {
        Self { trust, complaints: Arc::default() }
    }

    /// Whether the caller may not come in, and why.
    fn refuses(&self, caller: Option<&Peer>) -> Option<&'static str> {
        let trust = self.trust.as_ref()?;
        match caller {
            Some(peer) if trust.admits(&peer.identity) => None,
            Some(_) => Some("this certificate is not that of a node of this cluster"),
            None => Some("gateways alone may ask this, with their certificate"),
        }
    }
}

/// Goes before every gRPC service.
pub async fn check(State(gate): State<Gate>, request: Request, next: Next) -> Response {
    let caller = request.extensions().get::<Arc<Peer>>();
    let Some(why) = gate.refuses(caller.map(Arc::as_ref)) else { return next.run(request).await };
    let who = caller.map_or_else(|| "somebody without a certificate".to_owned(), |peer| peer.identity.to_string());
    metrics::counter!("waygate_peer_calls_refused_total").increment(1);
    if gate.complaints.worth_saying(&who, why) {
        let path = request.uri().path();
        tracing::warn!(who, path, "a call of peers was refused: {why}; [cluster] nodes lists those that may");
    }
    Status::permission_denied(why).into_http()
}

/// Why what is said of oneself cannot come from the one whose certificate was shown, if one was.
pub fn impostor(said: &NodeInfo, is: Option<&Identity>) -> Option<String> {
    let said = Identity::node(said.region.clone(), said.id.clone());
    let is = is.filter(|is| **is != said)?;
    Some(format!("it says that it is {said}, but its certificate is for {is}"))
}
