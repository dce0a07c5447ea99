//! Tables that fit the terminal: the least needed columns are left out before anything is wrapped.

use std::borrow::Cow;
use std::io;

use comfy_table::{Attribute, Cell, CellAlignment, Color, ContentArrangement, Table, presets};

use crate::output::Output;
use crate::words;

/// A column: its heading, how its cells are set, and how soon it goes when there is no room.
#[derive(Clone, Debug)]
pub struct Column {
    heading: Cow<'static, str>,
    right: bool,
    /// Columns with a higher number go first; those with 0 stay.
    expendable: u8,
}

impl Column {
    pub const fn left(heading: &'static str) -> Self {
        Self { heading: Cow::Borrowed(heading), right: false, expendable: 0 }
    }

    /// Headed by what an answer says.
    pub fn named(heading: &str) -> Self {
        Self { heading: Cow::Owned(words::plain(heading).into_owned()), right: false, expendable: 0 }
    }

    pub const fn right(heading: &'static str) -> Self {
        Self { heading: Cow::Borrowed(heading), right: true, expendable: 0 }
    }

    /// May be left out; the highest rank goes first.
    pub const fn expendable(mut self, rank: u8) -> Self {
        self.expendable = rank;
        self
    }
}

/// One cell: what it says and in which colour, if colours are wanted.
#[derive(Clone, Debug)]
pub struct Field {
    text: String,
    colour: Option<Color>,
}

impl Field {
    pub fn new(text: impl AsRef<str>) -> Self {
        Self { text: words::plain(text.as_ref()).into_owned(), colour: None }
    }

    /// A dash where there is nothing to say.
    pub fn maybe(text: Option<String>) -> Self {
        text.map_or_else(|| Self::new("-"), Self::new)
    }

    pub fn coloured(mut self, colour: Color) -> Self {
        self.colour = Some(colour);
        self
    }
}

/// Rows under headings, written as one table.
#[derive(Debug)]
pub struct Grid {
    columns: Vec<Column>,
    rows: Vec<Vec<Field>>,
}

impl Grid {
    pub fn new(columns: &[Column]) -> Self {
        Self { columns: columns.to_vec(), rows: Vec::new() }
    }

    /// Adds a row of as many fields as there are columns.
    pub fn row(&mut self, fields: Vec<Field>) {
        debug_assert_eq!(fields.len(), self.columns.len());
        self.rows.push(fields);
    }

    pub fn write(&self, output: &mut Output) -> io::Result<()> {
        for line in self.lines(output.width, output.colour) {
            output.line(line)?;
        }
        Ok(())
    }

    /// The table's lines, none wider than `width` if leaving out columns can help it.
    pub fn lines(&self, width: u16, colour: bool) -> Vec<String> {
        let mut shown: Vec<usize> = (0..self.columns.len()).collect();
        let mut table = self.table(&shown, colour);
        while natural_width(&table) > u32::from(width) {
            let Some(least) = shown
                .iter()
                .copied()
                .filter(|&i| self.columns[i].expendable > 0)
                .max_by_key(|&i| self.columns[i].expendable)
            else {
                table.set_content_arrangement(ContentArrangement::Dynamic).set_width(width);
                break;
            };
            shown.retain(|&i| i != least);
            table = self.table(&shown, colour);
        }
        table.lines().map(|line| line.trim_end().to_owned()).collect()
    }

    fn table(&self, shown: &[usize], colour: bool) -> Table {
        let mut table = Table::new();
        table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
        if colour {
            // Whether colours are wanted is decided already; the library would look at the environment once more.
            crossterm::style::force_color_output(true);
            table.enforce_styling();
        } else {
            table.force_no_tty();
        }
        table.set_header(shown.iter().map(|&i| {
            let heading = Cell::new(&self.columns[i].heading);
            if colour { heading.add_attribute(Attribute::Dim) } else { heading }
        }));
        for row in &self.rows {
            table.add_row(shown.iter().map(|&i| {
                let cell = Cell::new(&row[i].text);
                match row[i].colour.filter(|_| colour) {
                    Some(hue) => cell.fg(hue),
                    None => cell,
                }
            }));
        }
        for (position, &index) in shown.iter().enumerate() {
            if let Some(column) = table.column_mut(position) {
                column.set_padding((0, 2));
                if self.columns[index].right {
                    column.set_cell_alignment(CellAlignment::Right);
                }
            }
        }
        table
    }
}

/// Without the padding after the last column.
fn natural_width(table: &Table) -> u32 {
    let columns = table.column_max_content_widths();
    let between = 2 * u32::try_from(columns.len().saturating_sub(1)).unwrap_or(u32::MAX);
    columns.into_iter().map(u32::from).sum::<u32>() + between
}

#[cfg(test)]
#[path = "table_tests.rs"]
mod tests;
