//! Row numbers in the order of a key that stands in the row.

use std::collections::BTreeMap;
use std::ops::Bound;

/// Row numbers in one list: half of them are 256 bytes to be moved, and seven rows are looked at to find a place.
const LIST_MAX: usize = 128;

/// Two neighbours that hold no more than this become one: not so many that the next row splits it again.
const MERGED_MAX: usize = LIST_MAX * 3 / 4;

/// Rows by key, each key once. The keys are not held again: whoever asks says how to read the key of a row.
#[derive(Clone, Debug)]
pub(crate) struct Sorted<K> {
    /// None is empty, and any two neighbours hold more than half of what one may. Each stands under a key that is above all of the list before, and
    /// not above its own first.
    lists: BTreeMap<K, Vec<u32>>,
}

impl<K: Ord + Clone> Sorted<K> {
    /// An empty one.
    pub fn new() -> Self {
        Self { lists: BTreeMap::new() }
    }

    /// The row with this key.
    pub fn get<'a>(&self, key: &K, key_of: impl Fn(u32) -> &'a K) -> Option<u32>
    where
        K: 'a,
    {
        let (_, list) = self.lists.range(..=key).next_back()?;
        list.get(find(list, key, key_of).ok()?).copied()
    }

    /// Puts a row in the place of the one with this key, if any.
    pub fn put<'a>(&mut self, key: &K, row: u32, key_of: impl Fn(u32) -> &'a K)
    where
        K: 'a,
    {
        let Some((_, list)) = self.lists.range_mut(..=key).next_back() else { return self.put_first(key, row) };
        match find(list, key, &key_of) {
            Ok(at) => list[at] = row,
            Err(at) if list.len() < LIST_MAX => list.insert(at, row),
            // What comes in order leaves full lists behind.
            Err(LIST_MAX) => {
                self.lists.insert(key.clone(), vec![row]);
                self.join(key);
            }
            Err(at) => {
                let mut upper = list.split_off(LIST_MAX / 2);
                if at <= list.len() {
                    list.insert(at, row)
                } else {
                    upper.insert(at - list.len(), row)
                }
                self.lists.insert(key_of(upper[0]).clone(), upper);
            }
        }
    }

    fn put_first(&mut self, key: &K, row: u32) {
        let list = match self.lists.first_entry().filter(|first| first.get().len() < LIST_MAX) {
            Some(first) => {
                let mut list = first.remove();
                list.insert(0, row);
                list
            }
            None => vec![row],
        };
        self.lists.insert(key.clone(), list);
    }

    /// Takes out the row with this key.
    pub fn remove<'a>(&mut self, key: &K, key_of: impl Fn(u32) -> &'a K)
    where
        K: 'a,
    {
        let Some((under, list)) = self.lists.range_mut(..=key).next_back() else { return };
        let Ok(at) = find(list, key, key_of) else { return };
        list.remove(at);
        if list.len() <= MERGED_MAX {
            let under = under.clone();
            self.join(&under);
        }
    }

    /// Joins a list that is short with one of its neighbours, if the two are short enough.
    fn join(&mut self, under: &K) {
        let len = self.lists.get(under).map_or(0, Vec::len);
        if len == 0 {
            self.lists.remove(under);
            return;
        }
        let fits = |(_, list): &(&K, &Vec<u32>)| len + list.len() <= MERGED_MAX;
        let before = self.lists.range(..under).next_back().filter(fits).map(|(key, _)| key.clone());
        let beyond = (Bound::Excluded(under), Bound::Unbounded);
        let after = self.lists.range(beyond).next().filter(fits).map(|(key, _)| key.clone());
        let (low, high) = match (before, after) {
            (Some(before), _) => (before, under.clone()),
            (None, Some(after)) => (under.clone(), after),
            (None, None) => return,
        };
        if let Some(mut more) = self.lists.remove(&high)
            && let Some(list) = self.lists.get_mut(&low)
        {
            list.append(&mut more);
        }
    }

    /// The row with this key is another one from here on, if it is the one named.
    pub fn renumber<'a>(&mut self, key: &K, (from, to): (u32, u32), key_of: impl Fn(u32) -> &'a K)
    where
        K: 'a,
    {
        let Some((_, list)) = self.lists.range_mut(..=key).next_back() else { return };
        if let Ok(at) = find(list, key, key_of)
            && list[at] == from
        {
            list[at] = to;
        }
    }

    /// The rows with keys above this one, in order; all if it is none.
    pub fn after<'s, 'a, F>(&'s self, key: Option<&K>, key_of: F) -> impl Iterator<Item = u32> + use<'s, K, F>
    where
        K: 'a,
        F: Fn(u32) -> &'a K,
    {
        let first = key.and_then(|key| Some((key, self.lists.range(..=key).next_back()?)));
        let (rest, from) = match first {
            Some((key, (under, list))) => {
                (&list[list.partition_point(|row| key_of(*row) <= key)..], Bound::Excluded(under))
            }
            None => (&[][..], Bound::Unbounded),
        };
        rest.iter().chain(self.lists.range((from, Bound::Unbounded)).flat_map(|(_, list)| list)).copied()
    }

    /// The row with the highest key.
    pub fn last(&self) -> Option<u32> {
        self.lists.last_key_value().and_then(|(_, list)| list.last().copied())
    }
}

fn find<'a, K: Ord + 'a>(list: &[u32], key: &K, key_of: impl Fn(u32) -> &'a K) -> Result<usize, usize> {
    list.binary_search_by(|row| key_of(*row).cmp(key))
}

#[cfg(test)]
#[path = "sorted_tests.rs"]
mod tests;
