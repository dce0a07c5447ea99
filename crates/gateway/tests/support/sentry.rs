//! Someone who watches: asks a gateway for vehicles again and again, reads its live stream, and notes whatever is shown
//! that is not "online".

use super::events::Events;
use super::get;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use tokio::task::JoinHandle;

pub struct Sentry {
    stop: Arc<AtomicBool>,
    looks: Arc<AtomicUsize>,
    asking: JoinHandle<Vec<String>>,
    reading: JoinHandle<Vec<String>>,
}

impl Sentry {
    pub async fn post(address: SocketAddr, vehicles: &[String]) -> Self {
        let (stop, looks) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let query = format!("?kind=presence&vehicle={}", vehicles.join(","));
        let mut events = Events::open(address, &query, None).await;
        let asking = tokio::spawn({
            let (stop, looks, vehicles) = (stop.clone(), looks.clone(), vehicles.to_vec());
            async move {
                let mut seen = Vec::new();
                while !stop.load(Ordering::Relaxed) {
                    for vehicle in &vehicles {
                        let (status, answer) = get(address, &format!("/v1/vehicles/{vehicle}")).await;
                        if status != 200 || answer["state"] != "online" {
                            seen.push(format!("asked, {address} answered {status} {answer}"));
                        }
                    }
                    looks.fetch_add(1, Ordering::Relaxed);
                }
                seen
            }
        });
        let reading = tokio::spawn({
            let stop = stop.clone();
            async move {
                let mut seen = Vec::new();
                while !stop.load(Ordering::Relaxed) {
                    let next = tokio::time::timeout(std::time::Duration::from_millis(100), events.next()).await;
                    if let Ok(event) = next
                        && event.name != "regions"
                        && event.data["state"] != "online"
                    {
                        seen.push(format!("{address} told {} {}", event.name, event.data));
                    }
                }
                seen
            }
        });
        Self { stop, looks, asking, reading }
    }

    /// How often it has looked.
    pub fn looks(&self) -> usize {
        self.looks.load(Ordering::Relaxed)
    }

    /// Everything that was shown and was not "online".
    pub async fn relieve(self) -> Vec<String> {
        self.stop.store(true, Ordering::Relaxed);
        let mut seen = self.asking.await.unwrap();
        seen.extend(self.reading.await.unwrap());
        seen
    }
}
