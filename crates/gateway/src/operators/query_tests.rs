use super::Parameters;
use crate::peers::place::Area;
use waygate_wire::operator::State;

fn read(query: &str) -> Parameters {
    Parameters::read(Some(query)).unwrap()
}

#[test]
fn parameters_are_decoded() {
    let mut parameters = read("q=A%20b+C&state=online,stale&bbox=6,49.5,6.3,49.7");
    assert_eq!(parameters.search().unwrap().as_deref(), Some("a b c"));
    assert_eq!(parameters.states().unwrap(), [State::Online, State::Stale]);
    let bbox = Area::Box { west: 6.0, south: 49.5, east: 6.3, north: 49.7 };
    assert_eq!(parameters.bbox().unwrap(), Some(bbox));
    assert!(parameters.done().is_ok());
}

#[test]
fn every_fault_names_its_parameter() {
    let named = |problem: super::Problem| format!("{problem:?}");
    assert!(named(read("limit=0").limit(10, 100).unwrap_err()).contains("parameter: Some(\"limit\")"));
    assert!(named(read("limit=1e3").limit(10, 100).unwrap_err()).contains("1 to 100"));
    assert!(named(read("state=onlin").states().unwrap_err()).contains("onlin"));
    assert!(named(read("bbox=1,2,3").bbox().unwrap_err()).contains("west,south,east,north"));
    assert!(named(read("bbox=1,9,3,2").bbox().unwrap_err()).contains("south ≤ north"));
    assert!(named(read("near=1,2,nan").near().unwrap_err()).contains("lat,lon,metres"));
    assert!(named(read("near=1,2,-5").near().unwrap_err()).contains("metres above 0"));
    assert!(named(read("from=yesterday").time("from").unwrap_err()).contains("RFC 3339"));
    assert!(named(read("stat=online").done().unwrap_err()).contains("stat"));
    assert!(named(Parameters::read(Some("q=1&q=2")).unwrap_err()).contains("twice"));
    assert!(named(Parameters::read(Some("q=%zz")).unwrap_err()).contains("percent"));
}
