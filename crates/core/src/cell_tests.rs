use super::Cell;
use crate::record::Position;
use proptest::prelude::*;

#[test]
fn a_place_in_luxembourg_lies_in_its_known_cell() {
    let cell = Cell::of(Position::from_degrees(49.61, 6.13)).unwrap();
    assert_eq!(Cell::from_index(cell.index()), Some(cell));
    assert_eq!(cell.to_string(), format!("{:x}", cell.index()));
    assert_eq!(cell.to_string().len(), 15);
}

#[test]
fn a_place_off_the_globe_has_no_cell() {
    for position in [Position { lat_e7: 900_000_001, lon_e7: 0 }, Position::from_degrees(f64::NAN, 6.0)] {
        assert_eq!(Cell::of(position), None);
    }
}

#[test]
fn only_cells_of_resolution_five_are_read() {
    let resolution_four = 0x0842_8347_ffff_ffff;
    for index in [0, u64::MAX, resolution_four, 0x0852_8347_3fff_fffe] {
        assert_eq!(Cell::from_index(index), None, "{index:x}");
    }
}

#[test]
fn an_index_is_told_as_it_was_read() {
    // A hexagon and a pentagon of either resolution.
    for index in [0x0852_8347_3fff_ffff, 0x0850_8000_3fff_ffff, 0x0842_8347_ffff_ffff, 0x0840_8001_ffff_ffff] {
        assert_eq!(Cell::from_told(index).map(Cell::index), Some(index), "{index:x}");
    }
    assert_eq!(Cell::from_index(0x0852_8347_3fff_ffff).map(|cell| cell.coarse().index()), Some(0x0842_8347_ffff_ffff));
}

proptest! {
    #[test]
    fn everywhere_on_the_globe_the_list_begins_with_the_cell_and_rings_it(
        lat_e7 in -900_000_000i32..=900_000_000, lon_e7 in -1_800_000_000i32..=1_800_000_000
    ) {
        let cell = Cell::of(Position { lat_e7, lon_e7 }).unwrap();
        let areas = cell.tracking_areas();
        prop_assert_eq!(areas[0], cell);
        // A cell has six neighbours; one of the twelve pentagons has five.
        prop_assert!((6..=7).contains(&areas.len()));
        prop_assert!(areas.iter().all(|area| Cell::from_index(area.index()).is_some()));
        prop_assert_eq!(Cell::of(cell.centre()), Some(cell));
    }
}
