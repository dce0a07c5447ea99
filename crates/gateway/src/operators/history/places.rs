//! How many histories are under way at once. Each holds memory for as long as its asker reads.

use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Histories that are given as lines at once: each may last for hours and holds up to 32 MiB.
pub const EXPORTS_MAX: usize = 16;

/// Pages of histories that are made at once: each lasts seconds unless its question allows more. They are counted by
/// themselves, so that exports under way keep nobody from looking.
pub const PAGES_MAX: usize = 16;

/// Histories that are given to other gateways at once: each holds about a mebibyte.
pub const GIVEN_MAX: usize = 128;

/// Who finds no place may ask again after so long, seconds: a page lasts about as long.
pub const RETRY_AFTER_S: u32 = 5;

/// Places for histories. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Places {
    exports: Arc<Semaphore>,
    pages: Arc<Semaphore>,
    given: Arc<Semaphore>,
}

/// Taken by one history until it is dropped.
#[derive(Debug)]
pub struct Place(#[allow(dead_code, reason = "it is held, not read")] OwnedSemaphorePermit);

impl Default for Places {
    fn default() -> Self {
        let places = |max| Arc::new(Semaphore::new(max));
        Self { exports: places(EXPORTS_MAX), pages: places(PAGES_MAX), given: places(GIVEN_MAX) }
    }
}

impl Places {
    /// For one that is given as lines; `None` if all are taken.
    pub fn export(&self) -> Option<Place> {
        taken(&self.exports)
    }

    /// For one page.
    pub fn page(&self) -> Option<Place> {
        taken(&self.pages)
    }

    /// For one that is given to another gateway.
    pub fn given(&self) -> Option<Place> {
        taken(&self.given)
    }
}

fn taken(places: &Arc<Semaphore>) -> Option<Place> {
    let place = places.clone().try_acquire_owned().ok();
    if place.is_none() {
        metrics::counter!("waygate_histories_refused_total").increment(1);
    }
    place.map(Place)
}

#[cfg(test)]
mod tests {
    use super::{EXPORTS_MAX, GIVEN_MAX, PAGES_MAX, Place, Places};

    type Take = fn(&Places) -> Option<Place>;

    #[test]
    fn each_kind_has_its_places_and_who_ends_gives_its_own_back() {
        let kinds: [(Take, usize); 3] =
            [(Places::export, EXPORTS_MAX), (Places::page, PAGES_MAX), (Places::given, GIVEN_MAX)];
        let places = Places::default();
        let mut all = Vec::new();
        for (take, max) in kinds {
            let mut taken: Vec<_> = std::iter::from_fn(|| take(&places)).take(max + 1).collect();
            assert_eq!(taken.len(), max);
            drop(taken.pop());
            taken.extend(take(&places.clone()));
            assert_eq!((taken.len(), take(&places).is_none()), (max, true));
            all.push(taken);
        }
    }
}
