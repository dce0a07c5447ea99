//! A gateway behind nginx: who a vehicle is comes through, and nothing that a vehicle makes up.
#![allow(clippy::unwrap_used)]

mod support;

use serde_json::json;
use std::path::PathBuf;
use std::time::{Duration, Instant};
use support::issuer::Issuer;
use support::nginx::{CONFIG, Nginx};
use support::pki::{Ca, Pair, vehicle};
use support::wss::{Refused, Secured};
use support::{Running, start_limited};
use waygate_core::timers::Timers;

struct Bench {
    ca: Ca,
    issuer: Issuer,
    dir: tempfile::TempDir,
}

impl Bench {
    fn new() -> Self {
        let (ca, issuer, dir) = (Ca::new("vehicles"), Issuer::new(), tempfile::tempdir().unwrap());
        let Pair { cert, key, .. } = ca.issue("urn:other:gateway");
        for (name, text) in [("own.pem", cert), ("own.key", key), ("ca.pem", ca.pem())] {
            std::fs::write(dir.path().join(name), text).unwrap();
        }
        Self { ca, issuer, dir }
    }

    fn at(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// A gateway that believes the proxy of this machine, with more of a configuration.
    async fn gateway(&self, more: &str) -> Running {
        let proxy = format!("[vehicles.identity.proxy]\nfrom = [\"127.0.0.1\"]\nca = {:?}\n", self.at("ca.pem"));
        start_limited(&(self.issuer.section("") + &proxy + more)).await
    }

    async fn nginx(&self, gateway: &Running, read_timeout: &str) -> Option<Nginx> {
        let (cert, key, ca) = (self.at("own.pem"), self.at("own.key"), self.at("ca.pem"));
        Nginx::start(gateway.vehicles(), &cert, &key, &ca, read_timeout).await
    }

    async fn connect(&self, nginx: &Nginx, own: Option<&Pair>, headers: &[(&str, &str)]) -> Result<Secured, Refused> {
        Secured::connect(nginx.address, "LUX-1", &self.ca.pem(), own, headers).await
    }
}

#[test]
fn the_read_timeout_of_the_file_is_above_the_ping_and_its_pong() {
    let timeout = CONFIG.split("proxy_read_timeout ").nth(1).unwrap().split("s;").next().unwrap();
    let timers = Timers::default();
    assert!(timeout.parse::<u64>().unwrap() > (timers.ping + timers.pong).as_secs_ceil());
}

#[tokio::test]
async fn behind_nginx_a_vehicle_is_who_its_certificate_or_its_token_says() {
    let bench = Bench::new();
    let west = bench.gateway("").await;
    let Some(nginx) = bench.nginx(&west, "60s").await else { return };
    let pair = bench.ca.issue(&vehicle("vans", "LUX-1"));
    let accept = bench.connect(&nginx, Some(&pair), &[]).await.unwrap().ask(json!({})).await;
    assert_eq!(accept["type"], "attach_accept", "{accept}");
    let other = bench.ca.issue(&vehicle("vans", "LUX-2"));
    let reject = bench.connect(&nginx, Some(&other), &[]).await.unwrap().ask(json!({})).await;
    assert_eq!(reject["cause"], "forbidden", "{reject}");
    let token = format!("Bearer {}", bench.issuer.token("LUX-1"));
    let accept = bench.connect(&nginx, None, &[("authorization", &token)]).await.unwrap().ask(json!({})).await;
    assert_eq!(accept["type"], "attach_accept", "{accept}");

    // What a vehicle sends in the proxy's header does not come through.
    let made_up = vehicle("vans", "LUX-1");
    let refused = bench.connect(&nginx, None, &[("x-waygate-identity", &made_up)]).await.err();
    assert_eq!(refused, Some(Refused::Status(401)));
    let mut both = bench.connect(&nginx, Some(&other), &[("x-waygate-identity", &made_up)]).await.unwrap();
    assert_eq!(both.ask(json!({})).await["cause"], "forbidden");
    // A stranger's certificate gets no further than nginx.
    let stranger = Ca::new("others").issue(&vehicle("vans", "LUX-1"));
    assert_eq!(bench.connect(&nginx, Some(&stranger), &[]).await.err(), Some(Refused::Status(400)));
    west.gateway.shutdown().await;
}

#[tokio::test]
async fn pings_keep_an_idle_socket_open_through_nginx() {
    let bench = Bench::new();
    let west = bench.gateway("[timers]\nping_s = 1\n").await;
    let Some(nginx) = bench.nginx(&west, "3s").await else { return };
    let pair = bench.ca.issue(&vehicle("vans", "LUX-1"));
    let mut idle = bench.connect(&nginx, Some(&pair), &[]).await.unwrap();
    assert_eq!(idle.ask(json!({})).await["type"], "attach_accept");
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(5) {
        idle.pinged().await;
    }
    idle.say(json!({"type": "time_request", "sent": "1"})).await;
    assert_eq!(idle.receive().await["type"], "time_reply");
    west.gateway.shutdown().await;
}
