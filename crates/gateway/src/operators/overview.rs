//! `GET /v1/gateways` and `GET /v1/views`: what this gateway sees of the others, and what each of them sees.

use super::Operators;
use super::problem::Problem;
use super::seen::{gateway_view, view_of};
use crate::peers::overview::Asked;
use axum::Json;
use axum::extract::State;
use std::collections::BTreeMap;
use waygate_wire::operator::{Agreement, GatewayView, HeldLog, LogAgreement, LogScope, SilentGateway, U64Text, Views};
use waygate_wire::proto;

/// `GET /v1/gateways`
pub async fn own(State(operators): State<Operators>) -> Result<Json<GatewayView>, Problem> {
    let view = operators.own_view().await.ok_or_else(Problem::stopping)?;
    Ok(Json(gateway_view(view)))
}

/// `GET /v1/views`
pub async fn all(State(operators): State<Operators>) -> Result<Json<Views>, Problem> {
    let own = operators.own_view().await.ok_or_else(Problem::stopping)?;
    let (answers, mut silent) = operators.views_of(operators.others(&own)).await;
    let own = gateway_view(own);
    let (gateway, time) = (own.seen_by.clone(), own.time);
    let mut views = BTreeMap::new();
    for view in answers.into_iter().map(gateway_view).chain([own]) {
        // Several addresses may lead to one gateway.
        views.insert((view.region.clone(), view.seen_by.clone()), view);
    }
    let views: Vec<_> = views.into_values().collect();
    silent.sort_by(|a, b| by_name(a).cmp(&by_name(b)));
    let logs = agreements(&views);
    Ok(Json(Views { gateway, time, views, silent, logs }))
}

fn by_name(silent: &SilentGateway) -> (&Option<String>, &Option<String>, &str) {
    (&silent.region, &silent.gateway, &silent.operators_url)
}

impl Operators {
    /// What this gateway sees; `None` if it stops.
    pub async fn own_view(&self) -> Option<proto::ViewReply> {
        let unanswered = self.unanswered();
        let mut view = self.presence.ask(move |state| view_of(state, &unanswered)).await?;
        view.acked_records = self.reader.counts().map(|counts| counts.records).unwrap_or_default();
        Some(view)
    }

    /// Everyone but this gateway, also those that are lost: there may be a way to ask them.
    fn others(&self, view: &proto::ViewReply) -> Vec<Asked> {
        let met = view.gateways.iter().filter(|seen| !seen.own).filter_map(|seen| seen.node.as_ref());
        let met = met
            .map(|node| Asked { node: Some((node.id.clone(), node.region.clone())), url: node.operators_url.clone() });
        let unmet = self.unanswered().into_iter().filter(|url| view.missing_regions.contains(url));
        met.chain(unmet.map(|url| Asked { node: None, url })).collect()
    }
}

/// Whose log, in which life, of what.
type Written<'a> = (&'a str, u64, LogScope);

/// Who holds a copy, and the copy.
type Copied<'a> = (&'a str, &'a HeldLog);

/// Whether these views hold the same of every log.
fn agreements(views: &[GatewayView]) -> Vec<LogAgreement> {
    let mut held: BTreeMap<Written<'_>, Vec<Copied<'_>>> = BTreeMap::new();
    for view in views {
        for log in &view.logs {
            held.entry((&log.owner, log.incarnation.0, log.scope)).or_default().push((&view.seen_by, log));
        }
    }
    // What an owner said in earlier lives need not be held by who came later.
    let mut present: BTreeMap<&str, u64> = BTreeMap::new();
    for (owner, incarnation, _) in held.keys() {
        present.insert(owner, *incarnation);
    }
    let region = |gateway: &str| views.iter().find(|view| view.seen_by == gateway).map(|view| view.region.as_str());
    let agreement = |((owner, incarnation, scope), copies): (&Written<'_>, &Vec<Copied<'_>>)| {
        let head = copies.iter().map(|(_, log)| log.head.0).max().unwrap_or_default();
        // A log in which nothing was said yet is held by its owner alone.
        let whole =
            |viewer: &str| head == 0 || copies.iter().any(|(holder, log)| *holder == viewer && log.head.0 == head);
        let holds = |viewer: &str| copies.iter().any(|(holder, _)| *holder == viewer);
        // Where there is a directory, detail stays in its region.
        let abroad = held.contains_key(&(owner, *incarnation, LogScope::Directory));
        let kept = |viewer: &str| *scope == LogScope::Directory || !abroad || region(viewer) == region(owner);
        let expected = |viewer: &str| (present.get(owner) == Some(incarnation) && kept(viewer)) || holds(viewer);
        let viewers = views.iter().map(|view| view.seen_by.as_str());
        let behind: Vec<_> = viewers.filter(|v| expected(v) && !whole(v)).map(str::to_owned).collect();
        let mut contents: BTreeMap<u64, (u64, &str)> = BTreeMap::new();
        // Of the directory each holds its part.
        let differs = *scope == LogScope::Detail
            && copies.iter().any(|(_, log)| {
                let content = (log.live, log.digest.as_str());
                *contents.entry(log.head.0).or_insert(content) != content
            });
        let agreement = match (differs, behind.is_empty()) {
            (true, _) => Agreement::Differs,
            (false, true) => Agreement::Equal,
            (false, false) => Agreement::Behind,
        };
        let incarnation = U64Text(*incarnation);
        let head = U64Text(head);
        LogAgreement { owner: (*owner).to_owned(), incarnation, scope: *scope, agreement, head, behind }
    };
    held.iter().map(agreement).collect()
}

#[cfg(test)]
#[path = "overview_tests.rs"]
mod tests;
