use super::{Order, cells, differences, rows_of, sums};
use crate::proto::Column;
use proptest::prelude::*;

#[test]
fn steady_motion_has_second_differences_of_zero() {
    assert_eq!(differences(&[1000, 1010, 1020, 1030], Order::Second), [1000, 10, 0, 0]);
    assert_eq!(differences(&[1000, 1010, 1020, 1030], Order::First), [1000, 10, 10, 10]);
}

#[test]
fn rows_must_ascend_stay_below_the_count_and_match_the_values() {
    assert_eq!(rows_of("c", vec![], 3, 3), Ok(vec![0, 1, 2]));
    assert_eq!(rows_of("c", vec![], 0, 3), Ok(vec![]));
    assert_eq!(rows_of("c", vec![0, 2], 2, 3), Ok(vec![0, 2]));
    assert_eq!(rows_of("c", vec![], 2, 3).unwrap_err().to_string(), "c.values: has 2 values for 3 rows");
    assert_eq!(rows_of("c", vec![1], 2, 3).unwrap_err().to_string(), "c.values: has 2 values for 1 rows");
    for bad in [vec![1, 1], vec![2, 1], vec![0, 3]] {
        let fault = rows_of("c", bad, 2, 3).unwrap_err();
        assert_eq!(fault.to_string(), "c.rows: must ascend and stay below count (3)");
    }
}

#[test]
fn a_column_that_was_not_sent_has_no_cells() {
    assert_eq!(cells("c", None, 3, Order::First), Ok((vec![], vec![])));
    assert_eq!(cells("c", Some(Column::default()), 3, Order::First), Ok((vec![], vec![])));
}

proptest! {
    #[test]
    fn sums_undo_differences(values in prop::collection::vec(any::<i64>(), 0..50)) {
        for order in [Order::First, Order::Second] {
            prop_assert_eq!(sums(differences(&values, order), order), values.clone());
        }
    }
}
