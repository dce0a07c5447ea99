use super::{LIST_MAX, Sorted};
use proptest::prelude::*;
use std::collections::BTreeMap;

const ROWS: u64 = 4000;

/// Each row holds its own number as its key.
fn rows() -> Vec<u64> {
    (0..ROWS).collect()
}

fn put(sorted: &mut Sorted<u64>, rows: &[u64], row: u64) {
    sorted.put(&row, row as u32, |row| &rows[row as usize]);
}

fn remove(sorted: &mut Sorted<u64>, rows: &[u64], row: u64) {
    sorted.remove(&row, |row| &rows[row as usize]);
}

/// The lists are in order, and none is empty or too long, or as short as its neighbour.
fn check(sorted: &Sorted<u64>) {
    let lists: Vec<_> = sorted.lists.iter().collect();
    assert!(lists.iter().all(|(under, list)| **under <= u64::from(list[0]) && list.len() <= LIST_MAX));
    assert!(lists.windows(2).all(|two| *two[1].0 > u64::from(*two[0].1.last().unwrap())));
    assert!(lists.windows(2).all(|two| two[0].1.len() + two[1].1.len() > LIST_MAX / 2));
}

#[test]
fn what_comes_in_order_fills_its_lists() {
    let (rows, mut sorted) = (rows(), Sorted::new());
    (0..ROWS).for_each(|row| put(&mut sorted, &rows, row));
    check(&sorted);
    assert_eq!(sorted.lists.len(), (ROWS as usize).div_ceil(LIST_MAX));
    let mut sorted = Sorted::new();
    (0..ROWS).rev().for_each(|row| put(&mut sorted, &rows, row));
    check(&sorted);
    assert_eq!(sorted.lists.len(), (ROWS as usize).div_ceil(LIST_MAX));
}

#[test]
fn what_is_taken_out_in_order_leaves_no_short_lists() {
    let (rows, mut sorted) = (rows(), Sorted::new());
    (0..ROWS).for_each(|row| put(&mut sorted, &rows, row));
    for row in (0..ROWS).filter(|row| row % 50 != 0) {
        remove(&mut sorted, &rows, row);
        check(&sorted);
    }
    assert_eq!(sorted.lists.len(), 1);
    assert!(sorted.after(None, |row| &rows[row as usize]).eq((0..ROWS as u32).step_by(50)));
}

#[test]
fn what_comes_between_a_full_list_and_a_short_one_makes_no_third() {
    let (rows, mut sorted) = (rows(), Sorted::new());
    (0..LIST_MAX as u64).for_each(|row| put(&mut sorted, &rows, row));
    (200..210).for_each(|row| put(&mut sorted, &rows, row));
    assert_eq!(sorted.lists.values().map(Vec::len).collect::<Vec<_>>(), [LIST_MAX, 10]);
    put(&mut sorted, &rows, 150);
    assert_eq!(sorted.lists.values().map(Vec::len).collect::<Vec<_>>(), [LIST_MAX, 11]);
    check(&sorted);
}

#[test]
fn a_key_that_two_rows_have_is_that_of_the_later_one() {
    let (rows, mut sorted) = ([7, 7, 8], Sorted::new());
    let key_of = |row: u32| &rows[row as usize];
    sorted.put(&7, 0, key_of);
    sorted.put(&7, 1, key_of);
    assert_eq!((sorted.get(&7, key_of), sorted.last()), (Some(1), Some(1)));
    sorted.renumber(&7, (0, 2), key_of);
    assert_eq!(sorted.get(&7, key_of), Some(1), "that row has no place any more");
    sorted.remove(&7, key_of);
    assert_eq!((sorted.get(&7, key_of), sorted.lists.len()), (None, 0));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn it_is_in_order_and_compact_whatever_comes_and_goes(
        changes in prop::collection::vec((0..ROWS, any::<bool>()), 0..9000), after in 0..ROWS
    ) {
        let (rows, mut sorted, mut tree) = (rows(), Sorted::new(), BTreeMap::new());
        for (row, comes) in changes {
            if comes {
                put(&mut sorted, &rows, row);
                tree.insert(row, row as u32);
            } else {
                remove(&mut sorted, &rows, row);
                tree.remove(&row);
            }
        }
        check(&sorted);
        let key_of = |row: u32| &rows[row as usize];
        prop_assert!(sorted.after(None, key_of).eq(tree.values().copied()));
        prop_assert!(sorted.after(Some(&after), key_of).eq(tree.range(after + 1..).map(|(_, row)| *row)));
    }
}
