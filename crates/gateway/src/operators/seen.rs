//! What this gateway sees of the cluster, as it tells its peers and as operators read it.

use super::shape::secs;
use super::vehicles::Peers;
use crate::presence::State;
use waygate_core::log::Log;
use waygate_core::membership::{Standing, Vitals};
use waygate_core::time::{Millis, Wall};
use waygate_core::view::{Liveness, NodeStatus, Tally};
use waygate_wire::operator::{
    self, Audit, Gateway, GatewayLoad, GatewayStatus, GatewayView, HeldLog, Instant, LogScope, PeerLink, Said,
    SeenGateway, StateCounts, U64Text, ViewStatus,
};
use waygate_wire::peer::{node_to_proto, scope_to_proto};
use waygate_wire::proto;

/// All of it but what the store knows.
pub fn view_of<'a>(state: &State, unanswered: impl IntoIterator<Item = &'a String>) -> proto::ViewReply {
    let view = state.node.view();
    proto::ViewReply {
        node: Some(node_to_proto(view.me().clone())),
        time_ms: state.clock.wall().0,
        gateways: view.nodes().map(|node| seen(state, node)).collect(),
        logs: view.logs().map(held).collect(),
        missing_regions: Peers::seen(state, unanswered).missing.into_iter().collect(),
        sockets: state.sockets() as u64,
        attach_queue: state.gate.waiting(),
        attach_rate: state.gate.rate(),
        acked_records: 0,
    }
}

fn seen(state: &State, node: &NodeStatus) -> proto::SeenGateway {
    let (now, view) = (state.clock.now(), state.node.view());
    let (status, heard, stale) = match node.liveness {
        Liveness::Own => (proto::GatewayStatus::Alive, None, None),
        Liveness::Alive { heard } => (proto::GatewayStatus::Alive, Some(heard), None),
        Liveness::Relayed { heard } => (proto::GatewayStatus::Relayed, Some(heard), None),
        Liveness::Lost { since } => (proto::GatewayStatus::Lost, Some(since), Some(since)),
        Liveness::Unmet { since } => (proto::GatewayStatus::Unknown, None, Some(since)),
    };
    let link = state.node.link_to(&node.info.id);
    let behind_entries = link.map_or(0, |link| link.behind(view));
    let behind = match behind_entries {
        0 => link.map(|_| Millis(0)),
        _ => link.and_then(|link| link.level()).map(|level| now.since(level)),
    };
    let own = node.liveness == Liveness::Own;
    proto::SeenGateway {
        node: Some(node_to_proto(node.info.clone())),
        own,
        status: status.into(),
        heard_ago_ms: heard.map(|heard| now.since(heard).0),
        stale_for_ms: stale.map(|since| now.since(since).0),
        behind_entries,
        behind_ms: behind.map(|behind| behind.0),
        vehicles: Some(tally(view.tally(&node.info.id))),
        link: (!own).then(|| figures(state, node)),
        standing: standing(node.standing).into(),
        said: state.said(&node.info.id).map(said),
    }
}

fn figures(state: &State, node: &NodeStatus) -> proto::LinkFigures {
    let (now, view, peer) = (state.clock.now(), state.node.view(), &node.info.id);
    let link = state.node.link_to(peer);
    let ahead_entries = link.map(|link| link.lag(view));
    let ahead = match ahead_entries {
        Some(0) => Some(Millis(0)),
        _ => link.and_then(|link| link.abreast()).map(|at| now.since(at)),
    };
    let (passed, counted) = (state.passed(peer), state.node.counters_with(peer));
    proto::LinkFigures {
        up: link.is_some(),
        ahead_entries,
        ahead_ms: ahead.map(|ahead| ahead.0),
        bytes_sent: passed.sent,
        bytes_received: passed.received,
        entries_sent: counted.entries_sent,
        entries_received: counted.entries_received,
        snapshots_sent: counted.snapshots_sent,
        gaps: counted.gaps,
        digest_mismatches: counted.digest_mismatches,
        audit_equal_ms: link.and_then(|link| link.audited()).map(|at| now.since(at).0),
    }
}

fn said(vitals: Vitals) -> proto::Said {
    // That it stops, or is about to, is told by its standing and by `draining`.
    let Vitals { draining: _, leaving: _, sessions, load, log_head } = vitals;
    proto::Said { sessions, load, log_head }
}

fn standing(standing: Option<Standing>) -> proto::Standing {
    match standing {
        None => proto::Standing::Unspecified,
        Some(Standing::Alive) => proto::Standing::Alive,
        Some(Standing::Suspect) => proto::Standing::Suspect,
        Some(Standing::Down) => proto::Standing::Down,
        Some(Standing::Left) => proto::Standing::Left,
    }
}

fn tally(tally: Tally) -> proto::Tally {
    let Tally { online, idle, asleep, unreachable, offline, stale } = tally;
    proto::Tally { online, idle, asleep, unreachable, offline, stale }
}

fn held(log: &Log) -> proto::HeldLog {
    proto::HeldLog {
        owner: log.id().owner.as_str().to_owned(),
        incarnation: log.id().incarnation.0,
        head: log.head(),
        floor: log.floor(),
        live: log.live() as u64,
        tombstones: (log.len() - log.live()) as u64,
        digest: log.digest(),
        scope: scope_to_proto(log.id().scope).into(),
    }
}

/// What a gateway said of its view, as operators read it.
pub fn gateway_view(reply: proto::ViewReply) -> GatewayView {
    let node = reply.node.unwrap_or_default();
    let missing_regions = reply.missing_regions;
    GatewayView {
        seen_by: node.id,
        region: node.region,
        time: Instant(Wall(reply.time_ms)),
        load: GatewayLoad { sockets: reply.sockets, attach_queue: reply.attach_queue, attach_rate: reply.attach_rate },
        acked_records_total: reply.acked_records,
        view: ViewStatus { complete: missing_regions.is_empty(), missing_regions },
        gateways: reply.gateways.into_iter().map(seen_gateway).collect(),
        logs: reply.logs.into_iter().map(held_log).collect(),
    }
}

fn seen_gateway(seen: proto::SeenGateway) -> SeenGateway {
    let status = match seen.status() {
        proto::GatewayStatus::Alive => GatewayStatus::Alive,
        proto::GatewayStatus::Relayed => GatewayStatus::Relayed,
        proto::GatewayStatus::Lost => GatewayStatus::Lost,
        proto::GatewayStatus::Unknown | proto::GatewayStatus::Unspecified => GatewayStatus::Unknown,
    };
    let standing = match seen.standing() {
        proto::Standing::Unspecified => None,
        proto::Standing::Alive => Some(operator::Standing::Alive),
        proto::Standing::Suspect => Some(operator::Standing::Suspect),
        proto::Standing::Down => Some(operator::Standing::Down),
        proto::Standing::Left => Some(operator::Standing::Left),
    };
    let node = seen.node.unwrap_or_default();
    let gateway = Gateway {
        id: node.id,
        is_self: seen.own,
        status,
        standing,
        draining: node.draining,
        incarnation: U64Text(node.incarnation),
        operators_url: node.operators_url,
        vehicles_url: node.vehicles_url,
        heard_ago_s: seen.heard_ago_ms.map(seconds),
        lag_entries: seen.behind_entries,
        lag_s: seen.behind_ms.map(seconds),
        stale_for_s: seen.stale_for_ms.map(seconds),
        vehicles: counts(seen.vehicles.unwrap_or_default()),
        link: seen.link.map(peer_link),
        said: seen.said.map(|said| Said {
            sessions: said.sessions,
            load: f64::from(said.load) / 1000.0,
            log_head: U64Text(said.log_head),
        }),
    };
    SeenGateway { region: node.region, gateway }
}

fn peer_link(link: proto::LinkFigures) -> PeerLink {
    PeerLink {
        up: link.up,
        ahead_entries: link.ahead_entries,
        ahead_s: link.ahead_ms.map(seconds),
        bytes_sent: link.bytes_sent,
        bytes_received: link.bytes_received,
        entries_sent: link.entries_sent,
        entries_received: link.entries_received,
        snapshots_sent: link.snapshots_sent,
        gaps: link.gaps,
        audit: Audit { mismatches: link.digest_mismatches, equal_ago_s: link.audit_equal_ms.map(seconds) },
    }
}

fn counts(tally: proto::Tally) -> StateCounts {
    let proto::Tally { online, idle, asleep, unreachable, offline, stale } = tally;
    StateCounts { online, idle, asleep, unreachable, offline, stale }
}

fn held_log(log: proto::HeldLog) -> HeldLog {
    let scope = match log.scope() {
        proto::LogScope::Detail => LogScope::Detail,
        proto::LogScope::Directory => LogScope::Directory,
    };
    HeldLog {
        owner: log.owner,
        incarnation: U64Text(log.incarnation),
        head: U64Text(log.head),
        floor: U64Text(log.floor),
        live: log.live,
        tombstones: log.tombstones,
        scope,
        digest: format!("{:016x}", log.digest),
    }
}

fn seconds(ms: u64) -> f64 {
    secs(Millis(ms))
}
