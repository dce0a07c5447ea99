use super::{AREA_CELLS_MAX, CellFault, RegionMap, RegionMapError, tracking_areas_of};
use crate::cell::Cell;
use crate::id::RegionId;
use crate::record::Position;

fn region(name: &str) -> RegionId {
    RegionId::new(name).unwrap()
}

fn cell(lat: f64, lon: f64) -> Cell {
    Cell::of(Position::from_degrees(lat, lon)).unwrap()
}

#[test]
fn a_cell_has_the_region_whose_area_holds_it_or_none() {
    let (here, there) = (cell(49.61, 6.13), cell(48.14, 11.58));
    let areas = vec![(region("west"), here.tracking_areas()), (region("east"), there.tracking_areas())];
    let map = RegionMap::new(areas).unwrap();
    assert_eq!((map.region_of(here), map.region_of(there)), (Some(&region("west")), Some(&region("east"))));
    assert_eq!(map.region_of(cell(0.0, 0.0)), None);
    assert_eq!(map.len(), 14);
}

#[test]
fn a_cell_that_two_regions_claim_is_named_and_one_claimed_twice_by_one_region_is_not_contested() {
    let here = cell(49.61, 6.13);
    let map = RegionMap::new(vec![(region("west"), vec![here, here]), (region("west"), vec![here])]).unwrap();
    assert_eq!((map.len(), map.region_of(here)), (1, Some(&region("west"))));
    let error = RegionMap::new(vec![(region("west"), vec![here]), (region("east"), vec![here])]).unwrap_err();
    assert!(matches!(error, RegionMapError::Contested { cell, .. } if cell == here));
    let text = error.to_string();
    assert!(text.contains(&here.to_string()) && text.contains("west") && text.contains("east"), "{text}");
}

#[test]
fn a_coarse_cell_stands_for_the_tracking_areas_in_it_and_a_fine_one_is_refused() {
    let one: Vec<_> = tracking_areas_of("851fa443fffffff").unwrap().collect();
    assert_eq!(one.len(), 1);
    assert_eq!(one[0].to_string(), "851fa443fffffff");
    let many: Vec<_> = tracking_areas_of("831fa4fffffffff").unwrap().collect();
    assert!(many.len() == 49 && many.contains(&one[0]), "{}", many.len());
    let fault = |text: &str| tracking_areas_of(text).err();
    assert_eq!(fault("861fa4437ffffff"), Some(CellFault::TooFine("861fa4437ffffff".to_owned(), 6)));
    assert_eq!(fault("luxembourg"), Some(CellFault::NotACell("luxembourg".to_owned())));
}

#[test]
fn areas_beyond_what_is_kept_are_refused() {
    let cells = vec![cell(49.61, 6.13); AREA_CELLS_MAX + 1];
    assert_eq!(
        RegionMap::new(vec![(region("west"), cells)]),
        Err(RegionMapError::TooLarge { count: AREA_CELLS_MAX + 1 })
    );
}
