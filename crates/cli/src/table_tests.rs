use super::*;

fn grid() -> Grid {
    let mut grid = Grid::new(&[
        Column::left("VEHICLE"),
        Column::right("AGE").expendable(1),
        Column::left("GATEWAY").expendable(2),
    ]);
    grid.row(vec![Field::new("LUX-0001"), Field::new("1.2 s"), Field::new("lux-west").coloured(Color::Green)]);
    grid.row(vec![Field::new("LUX-0002"), Field::new("14 s"), Field::maybe(None)]);
    grid
}

#[test]
fn a_wide_terminal_gets_every_column_and_no_space_at_the_ends() {
    assert_eq!(
        grid().lines(80, false),
        ["VEHICLE     AGE  GATEWAY", "LUX-0001  1.2 s  lux-west", "LUX-0002   14 s  -"]
    );
}

#[test]
fn a_narrow_terminal_loses_the_least_needed_columns_first() {
    assert_eq!(grid().lines(24, false), ["VEHICLE     AGE", "LUX-0001  1.2 s", "LUX-0002   14 s"]);
    assert_eq!(grid().lines(10, false), ["VEHICLE", "LUX-0001", "LUX-0002"]);
}

#[test]
fn colours_appear_only_when_they_are_wanted() {
    assert!(grid().lines(80, true).concat().contains('\u{1b}'));
    assert!(!grid().lines(80, false).concat().contains('\u{1b}'));
}
