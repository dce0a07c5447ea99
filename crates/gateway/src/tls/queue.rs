//! Whose handshake is next: a bounded number at once, and of one address a small part of them.
//!
//! Whoever is beyond its address's part waits for it, as does whoever finds no place: many vehicles may come from one address,
//! as behind the translation of a mobile network, and they are served one after the other.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The first half of an address of IPv6: one household or machine has all addresses with it.
const NETWORK: u128 = u128::MAX << 64;

/// Who waits for a handshake. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Queue {
    places: Arc<Semaphore>,
    per_address: usize,
    addresses: Arc<Mutex<BTreeMap<IpAddr, Address>>>,
}

#[derive(Debug)]
struct Address {
    places: Arc<Semaphore>,
    /// Handshakes of it, those that wait among them.
    waiting: usize,
}

/// A place, until it is dropped.
#[derive(Debug)]
pub struct Turn {
    _place: OwnedSemaphorePermit,
    _part: Option<(OwnedSemaphorePermit, Part)>,
}

/// Counts one handshake of an address while it lives.
#[derive(Debug)]
struct Part {
    queue: Queue,
    address: IpAddr,
}

impl Queue {
    /// So many at once, and so many of one address.
    pub fn new(places: usize, per_address: usize) -> Self {
        Self { places: Arc::new(Semaphore::new(places)), per_address, addresses: Arc::default() }
    }

    /// Waits for a place; whoever has no address is bound by the number of all alone. `None` never comes: the queue is not closed.
    pub async fn turn(&self, address: Option<IpAddr>) -> Option<Turn> {
        let part = match address {
            None => None,
            Some(address) => {
                let (places, part) = self.part(network(address));
                let place = match places.clone().try_acquire_owned() {
                    Ok(place) => place,
                    Err(_) => {
                        metrics::counter!("waygate_handshakes_held_back_total").increment(1);
                        places.acquire_owned().await.ok()?
                    }
                };
                Some((place, part))
            }
        };
        // Only now: who waits for its own address's part is in nobody's way.
        let place = self.places.clone().acquire_owned().await.ok()?;
        Some(Turn { _place: place, _part: part })
    }

    fn part(&self, address: IpAddr) -> (Arc<Semaphore>, Part) {
        let mut addresses = self.addresses.lock().unwrap_or_else(PoisonError::into_inner);
        let fresh = || Address { places: Arc::new(Semaphore::new(self.per_address)), waiting: 0 };
        let known = addresses.entry(address).or_insert_with(fresh);
        known.waiting += 1;
        (known.places.clone(), Part { queue: self.clone(), address })
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        let mut addresses = self.queue.addresses.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = addresses.get_mut(&self.address) {
            known.waiting -= 1;
            if known.waiting == 0 {
                addresses.remove(&self.address);
            }
        }
    }
}

/// What counts as one address.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & NETWORK).into(),
        address @ IpAddr::V4(_) => address,
    }
}

#[cfg(test)]
#[path = "queue_tests.rs"]
mod tests;
