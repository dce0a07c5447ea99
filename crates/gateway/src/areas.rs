//! The areas of regions, from the configuration: H3 cells by name, polygons from GeoJSON files.
//!
//! A polygon is turned into the tracking areas whose centres lie in it. Its lines are straight in degrees, as GeoJSON has
//! them. Everything that is wrong names the region, the file and the feature.

use crate::config::{Config, ConfigError};
use geo::{Coord, LineString, Polygon};
use geojson::{Feature, GeoJson, Geometry, GeometryValue, Position, feature::Id};
use h3o::Resolution;
use h3o::geom::{ContainmentMode, TilerBuilder};
use std::collections::BTreeSet;
use std::path::Path;
use waygate_core::cell::Cell;
use waygate_core::id::RegionId;
use waygate_core::region_map::{AREA_CELLS_MAX, RegionMap, tracking_areas_of};

/// Bytes of one GeoJSON file: a country's border to the metre has under 10 MB.
const FILE_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// The areas of all regions.
pub fn region_map(config: &Config) -> Result<RegionMap, ConfigError> {
    let mut areas = Vec::with_capacity(config.regions.len());
    for (name, area) in &config.regions {
        let fault = |what| ConfigError::Region { region: name.clone(), what };
        let region = RegionId::new(name).map_err(|error| fault(format!("the region's name: {error}")))?;
        let mut cells = BTreeSet::new();
        for text in &area.cells {
            let tracking_areas = tracking_areas_of(text).map_err(|error| fault(format!("cells: {error}")))?;
            gather(&mut cells, tracking_areas).map_err(|what| fault(format!("cells: {what}")))?;
        }
        if let Some(path) = &area.geojson {
            read(path, &mut cells).map_err(|what| fault(format!("geojson {}: {what}", path.display())))?;
        }
        if cells.is_empty() {
            let what = "has no area: name cells, or a geojson file whose polygons hold the centre of at least one";
            return Err(fault(format!("{what} cell of resolution 5 (each is about 20 km across)")));
        }
        areas.push((region, cells.into_iter().collect()));
    }
    RegionMap::new(areas).map_err(|error| ConfigError::Regions(Box::new(error)))
}

fn gather(cells: &mut BTreeSet<Cell>, more: impl Iterator<Item = Cell>) -> Result<(), String> {
    for cell in more {
        cells.insert(cell);
        if cells.len() > AREA_CELLS_MAX {
            return Err(format!(
                "this makes more than {AREA_CELLS_MAX} cells of resolution 5, which is all that is kept"
            ));
        }
    }
    Ok(())
}

fn read(path: &Path, cells: &mut BTreeSet<Cell>) -> Result<(), String> {
    let bytes = std::fs::metadata(path).map_err(|error| error.to_string())?.len();
    if bytes > FILE_BYTES_MAX {
        return Err(format!("has {bytes} bytes; {FILE_BYTES_MAX} are read at most: simplify the polygons"));
    }
    let text = std::fs::read_to_string(path).map_err(|error| error.to_string())?;
    let parsed: GeoJson = text.parse().map_err(|error: geojson::Error| format!("is no GeoJSON: {error}"))?;
    match parsed {
        GeoJson::Geometry(geometry) => cover(&geometry, cells).map_err(|what| format!("the geometry {what}")),
        GeoJson::Feature(feature) => cover_feature(0, &feature, cells),
        GeoJson::FeatureCollection(collection) => {
            collection.features.iter().enumerate().try_for_each(|(at, feature)| cover_feature(at, feature, cells))
        }
    }
}

fn cover_feature(at: usize, feature: &Feature, cells: &mut BTreeSet<Cell>) -> Result<(), String> {
    let nothing = || Err("has no geometry".to_owned());
    let covered = feature.geometry.as_ref().map_or_else(nothing, |geometry| cover(geometry, cells));
    covered.map_err(|what| match &feature.id {
        Some(Id::String(id)) => format!("feature {} (id {id:?}) {what}", at + 1),
        Some(Id::Number(id)) => format!("feature {} (id {id}) {what}", at + 1),
        None => format!("feature {} {what}", at + 1),
    })
}

/// Adds the cells whose centres lie in a polygon or several.
fn cover(geometry: &Geometry, cells: &mut BTreeSet<Cell>) -> Result<(), String> {
    let polygons = match &geometry.value {
        GeometryValue::Polygon { coordinates } => vec![polygon(coordinates)?],
        GeometryValue::MultiPolygon { coordinates } => {
            coordinates.iter().map(|rings| polygon(rings)).collect::<Result<_, _>>()?
        }
        other @ (GeometryValue::Point { .. }
        | GeometryValue::MultiPoint { .. }
        | GeometryValue::LineString { .. }
        | GeometryValue::MultiLineString { .. }
        | GeometryValue::GeometryCollection { .. }) => {
            return Err(format!("is a {}: only Polygon and MultiPolygon have an area", other.type_name()));
        }
    };
    for polygon in polygons {
        let mut tiler = TilerBuilder::new(Resolution::Five).containment_mode(ContainmentMode::ContainsCentroid).build();
        tiler.add(polygon).map_err(|error| format!("cannot be used: {error}"))?;
        gather(cells, tiler.into_coverage().filter_map(|cell| Cell::from_index(cell.into())))?;
    }
    Ok(())
}

/// The outer ring, then the holes.
fn polygon(rings: &[Vec<Position>]) -> Result<Polygon, String> {
    let mut rings = rings.iter().map(|ring| ring.iter().map(coord).collect::<Result<LineString, _>>());
    let outer = rings.next().ok_or("has no ring")??;
    Ok(Polygon::new(outer, rings.collect::<Result<_, _>>()?))
}

fn coord(position: &Position) -> Result<Coord, String> {
    match *position.as_slice() {
        [lon, lat, ..] if lon.abs() <= 180.0 && lat.abs() <= 90.0 => Ok(Coord { x: lon, y: lat }),
        ref other => Err(format!("has the position {other:?}, which is not [longitude, latitude]")),
    }
}

#[cfg(test)]
#[path = "areas_tests.rs"]
mod tests;
