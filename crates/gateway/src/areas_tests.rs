use super::region_map;
use crate::config::{Config, ConfigError};
use std::path::Path;
use waygate_core::cell::Cell;
use waygate_core::record::Position;
use waygate_core::region_map::RegionMap;

const NODE: &str = "[node]\nid = \"west-1\"\nregion = \"west\"\ndata_dir = \"data\"\n";

/// A configuration in a folder of its own, with these files beside it.
fn load(regions: &str, files: &[(&str, &str)]) -> Result<RegionMap, ConfigError> {
    let dir = tempfile::tempdir().unwrap();
    for (name, text) in files {
        std::fs::write(dir.path().join(name), text).unwrap();
    }
    let path = dir.path().join("waygate.toml");
    std::fs::write(&path, format!("{NODE}{regions}")).unwrap();
    assert_ne!(std::env::current_dir().unwrap(), dir.path(), "paths are those of the file");
    region_map(&Config::load(Path::new(&path))?)
}

fn fault(regions: &str, files: &[(&str, &str)]) -> String {
    load(regions, files).unwrap_err().to_string()
}

fn region_at(map: &RegionMap, lat: f64, lon: f64) -> Option<String> {
    let cell = Cell::of(Position::from_degrees(lat, lon)).unwrap();
    map.region_of(cell).map(|region| region.as_str().to_owned())
}

/// A box as a GeoJSON ring.
fn ring(west: f64, south: f64, east: f64, north: f64) -> String {
    format!("[[{west},{south}],[{east},{south}],[{east},{north}],[{west},{north}],[{west},{south}]]")
}

fn polygon(west: f64, south: f64, east: f64, north: f64) -> String {
    format!("{{\"type\":\"Polygon\",\"coordinates\":[{}]}}", ring(west, south, east, north))
}

fn feature(geometry: &str) -> String {
    format!("{{\"type\":\"Feature\",\"id\":\"land\",\"properties\":null,\"geometry\":{geometry}}}")
}

fn collection(features: &[String]) -> String {
    format!("{{\"type\":\"FeatureCollection\",\"features\":[{}]}}", features.join(","))
}

const WEST: &str = "[regions.west]\ngeojson = \"west.geojson\"\n";

#[test]
fn polygons_of_every_kind_of_file_make_an_area_and_neighbours_share_a_border_without_a_dispute() {
    let (west, east) = (polygon(4.0, 48.0, 6.0, 51.0), polygon(6.0, 48.0, 8.0, 51.0));
    let regions = format!("{WEST}[regions.east]\ngeojson = \"east.geojson\"\n");
    let multi = format!("{{\"type\":\"MultiPolygon\",\"coordinates\":[[{}]]}}", ring(6.0, 48.0, 8.0, 51.0));
    for east in [east.clone(), feature(&east), collection(&[feature(&east)]), feature(&multi)] {
        let map = load(&regions, &[("west.geojson", &west), ("east.geojson", &east)]).unwrap();
        assert_eq!(region_at(&map, 49.6, 4.5).as_deref(), Some("west"));
        assert_eq!(region_at(&map, 49.6, 7.5).as_deref(), Some("east"));
        assert_eq!(region_at(&map, 49.6, 9.0), None);
        // Both together as large as the two boxes: 144 km × 334 km each, in cells of about 227 km² there.
        assert!((415..435).contains(&map.len()), "{}", map.len());
    }
}

#[test]
fn a_hole_and_an_area_across_the_date_line_are_what_they_are() {
    let hole =
        format!("{{\"type\":\"Polygon\",\"coordinates\":[{},{}]}}", ring(0.0, 0.0, 9.0, 9.0), ring(3.0, 3.0, 6.0, 6.0));
    let map = load(WEST, &[("west.geojson", &hole)]).unwrap();
    assert_eq!((region_at(&map, 1.0, 1.0).as_deref(), region_at(&map, 4.5, 4.5)), (Some("west"), None));
    let across = "{\"type\":\"Polygon\",\"coordinates\":[[[179,-2],[-179,-2],[-179,2],[179,2],[179,-2]]]}";
    let map = load(WEST, &[("west.geojson", across)]).unwrap();
    assert_eq!(
        (region_at(&map, 0.0, 179.7).as_deref(), region_at(&map, 0.0, -179.7).as_deref()),
        (Some("west"), Some("west"))
    );
    assert_eq!(region_at(&map, 0.0, 0.0), None);
}

#[test]
fn cells_and_polygons_of_one_region_add_up_and_cells_finer_than_a_tracking_area_are_refused() {
    let regions = format!("{WEST}cells = [\"851fa443fffffff\", \"831f8dfffffffff\"]\n");
    let map = load(&regions, &[("west.geojson", &polygon(0.0, 0.0, 1.0, 1.0))]).unwrap();
    assert_eq!(region_at(&map, 0.5, 0.5).as_deref(), Some("west"));
    assert!(map.len() > 50);
    let text = fault("[regions.west]\ncells = [\"861fa4437ffffff\"]\n", &[]);
    assert!(text.contains("[regions.west] cells") && text.contains("resolution 6"), "{text}");
    let text = fault("[regions.west]\n", &[]);
    assert!(text.contains("[regions.west] has no area"), "{text}");
}

#[test]
fn two_regions_that_claim_a_cell_are_refused_and_the_cell_is_named() {
    let cell = Cell::of(Position::from_degrees(49.6, 6.1)).unwrap().to_string();
    let regions = format!("{WEST}[regions.east]\ncells = [{cell:?}]\n");
    let text = fault(&regions, &[("west.geojson", &polygon(5.0, 49.0, 7.0, 50.5))]);
    assert!(text.contains(&cell) && text.contains("east") && text.contains("west"), "{text}");
}

#[test]
fn what_is_wrong_with_a_file_names_region_file_and_feature() {
    let good = feature(&polygon(5.0, 49.0, 7.0, 50.5));
    for (bad, what) in [
        (feature("{\"type\":\"Point\",\"coordinates\":[6,49]}"), "is a Point"),
        (feature("null"), "has no geometry"),
        (feature(&polygon(490.0, 6.0, 507.0, 7.0)), "not [longitude, latitude]"),
        (feature("{\"type\":\"Polygon\",\"coordinates\":[[[6,49],[7,49],[6,49]]]}"), "cannot be used"),
        (feature("{\"type\":\"Polygon\",\"coordinates\":[]}"), "has no ring"),
    ] {
        let text = fault(WEST, &[("west.geojson", &collection(&[good.clone(), bad]))]);
        for word in ["[regions.west]", "west.geojson", "feature 2 (id \"land\")", what] {
            assert!(text.contains(word), "{word} in {text}");
        }
    }
    for (text, what) in [
        ("{\"type\":\"Polygon\"", "is no GeoJSON"),
        (&feature("{\"type\":\"Polygon\",\"coordinates\":[[[6]]]}"), "not [longitude, latitude]"),
    ] {
        let text = fault(WEST, &[("west.geojson", text)]);
        assert!(text.contains("west.geojson") && text.contains(what), "{text}");
    }
    let text = fault(WEST, &[]);
    assert!(text.contains("west.geojson") && text.contains("No such file"), "{text}");
}

#[test]
fn the_area_that_the_annotated_example_shows_is_one() {
    let path = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../deploy/waygate.toml"));
    let text = std::fs::read_to_string(path).unwrap();
    let shown = text.replace("# [regions.west]\n# cells", "[regions.west]\ncells");
    assert_ne!(shown, text);
    let map = region_map(&Config::parse(&shown).unwrap()).unwrap();
    assert_eq!(map.len(), 8, "one, and the seven of a coarser one");
}
