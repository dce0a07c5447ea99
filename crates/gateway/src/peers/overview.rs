//! How gateways see each other: what this one answers, and what the others are asked.

use crate::operators::Operators;
use futures_util::StreamExt;
use std::time::Duration;
use tokio::time::Instant;
use tonic::{Code, Request, Response, Status};
use waygate_wire::operator::SilentGateway;
use waygate_wire::proto;
use waygate_wire::proto::overview_client::OverviewClient;
use waygate_wire::proto::overview_server::Overview;

/// How long all gateways together may take.
const DEADLINE: Duration = Duration::from_secs(1);

/// Gateways that are asked at once.
const AT_ONCE: usize = 64;

#[tonic::async_trait]
impl Overview for Operators {
    async fn view(&self, _request: Request<proto::ViewRequest>) -> Result<Response<proto::ViewReply>, Status> {
        let view = self.own_view().await;
        view.map(Response::new).ok_or_else(|| Status::unavailable("the gateway stops"))
    }
}

/// A gateway to be asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// Its name and region, if it was ever heard of.
    pub node: Option<(String, String)>,
    /// Where it is asked.
    pub url: String,
}

impl Operators {
    /// What these gateways see, in no order, and who of them does not say.
    pub async fn views_of(&self, asked: Vec<Asked>) -> (Vec<proto::ViewReply>, Vec<SilentGateway>) {
        let deadline = Instant::now() + DEADLINE;
        let answers = asked.into_iter().map(|asked| async move {
            let why = match self.view_at(&asked.url, deadline).await {
                Ok(view) => return Ok(view),
                Err(why) => why,
            };
            let (gateway, region) = asked.node.unzip();
            Err(SilentGateway { gateway, region, operators_url: asked.url, why })
        });
        let answers: Vec<_> = futures_util::stream::iter(answers).buffer_unordered(AT_ONCE).collect().await;
        let (mut views, mut silent) = (Vec::new(), Vec::new());
        for answer in answers {
            match answer {
                Ok(view) => views.push(view),
                Err(one) => silent.push(one),
            }
        }
        (views, silent)
    }

    async fn view_at(&self, url: &str, deadline: Instant) -> Result<proto::ViewReply, String> {
        let Some(channel) = self.channels.to(url) else { return Err("this is no address of a gateway".to_owned()) };
        let mut client = OverviewClient::new(channel);
        match tokio::time::timeout_at(deadline, client.view(proto::ViewRequest {})).await {
            Ok(Ok(answer)) => Ok(answer.into_inner()),
            Ok(Err(status)) if status.code() == Code::Unimplemented => {
                Err("it runs a version that does not tell its view".to_owned())
            }
            Ok(Err(status)) if status.code() == Code::Unavailable => Err("it cannot be reached".to_owned()),
            Ok(Err(status)) => Err(format!("it answered with an error: {}", status.message())),
            Err(_) => Err(format!("no answer within {} s", DEADLINE.as_secs())),
        }
    }
}
