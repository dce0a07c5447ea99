//! Differences: how a column of numbers becomes a column of small numbers, and back.
//!
//! Sums wrap, so that every column of `i64` has an encoding and decoding never fails; what is out of a field's range
//! afterwards is that field's to judge.

use crate::error::FieldFault;
use crate::proto::Column;

/// What is kept of each value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    /// The difference to the value before.
    First,
    /// The difference of that difference to the one before: zero for steady motion.
    Second,
}

/// The first value as it is, then differences.
pub(crate) fn differences(values: &[i64], order: Order) -> Vec<i64> {
    let (mut before, mut step) = (0i64, 0i64);
    let mut out = Vec::with_capacity(values.len());
    for (at, &value) in values.iter().enumerate() {
        let difference = value.wrapping_sub(before);
        before = value;
        match order {
            Order::First => out.push(difference),
            Order::Second => {
                out.push(difference.wrapping_sub(step));
                step = if at == 0 { 0 } else { difference };
            }
        }
    }
    out
}

/// Undoes [`differences`] in place.
pub(crate) fn sums(mut values: Vec<i64>, order: Order) -> Vec<i64> {
    let (mut before, mut step) = (0i64, 0i64);
    for (at, value) in values.iter_mut().enumerate() {
        let difference = match order {
            Order::First => *value,
            Order::Second => value.wrapping_add(step),
        };
        step = if at == 0 { 0 } else { difference };
        before = before.wrapping_add(difference);
        *value = before;
    }
    values
}

/// Values of some rows, collected in ascending order of their rows.
#[derive(Debug, Default)]
pub(crate) struct Sparse {
    rows: Vec<u32>,
    values: Vec<i64>,
}

impl Sparse {
    pub(crate) fn push(&mut self, row: u32, value: i64) {
        self.rows.push(row);
        self.values.push(value);
    }

    /// The column as it is sent; `None` if no row has a value.
    pub(crate) fn into_column(self, count: usize, order: Order) -> Option<Column> {
        if self.values.is_empty() {
            return None;
        }
        Some(Column { values: differences(&self.values, order), rows: rows_or_all(self.rows, count) })
    }
}

/// The rows to send: none stands for every row.
pub(crate) fn rows_or_all(rows: Vec<u32>, count: usize) -> Vec<u32> {
    if rows.len() == count { Vec::new() } else { rows }
}

/// The rows of a received column, checked: ascending, below `count`, as many as there are values. A column
/// without values has no rows.
pub(crate) fn rows_of(path: &str, rows: Vec<u32>, values: usize, count: u32) -> Result<Vec<u32>, FieldFault> {
    if rows.is_empty() {
        return match values {
            0 => Ok(rows),
            n if n == count as usize => Ok((0..count).collect()),
            n => Err(FieldFault::at(format!("{path}.values"), format!("has {n} values for {count} rows"))),
        };
    }
    if rows.len() != values {
        let what = format!("has {values} values for {} rows", rows.len());
        return Err(FieldFault::at(format!("{path}.values"), what));
    }
    let ascending = rows.windows(2).all(|pair| pair[0] < pair[1]);
    if !ascending || rows.last().is_some_and(|&last| last >= count) {
        return Err(FieldFault::at(format!("{path}.rows"), format!("must ascend and stay below count ({count})")));
    }
    Ok(rows)
}

/// The (row, value) pairs of a received column; none if the column was not sent.
pub(crate) fn cells(
    path: &str,
    column: Option<Column>,
    count: u32,
    order: Order,
) -> Result<(Vec<u32>, Vec<i64>), FieldFault> {
    let Column { rows, values } = column.unwrap_or_default();
    let rows = rows_of(path, rows, values.len(), count)?;
    Ok((rows, sums(values, order)))
}

#[cfg(test)]
#[path = "column_tests.rs"]
mod tests;
