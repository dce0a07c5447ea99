use super::*;
use crate::bundled;
use flate2::Compression;
use flate2::write::GzEncoder;
use std::io::Write;

fn doc(body: &str) -> String {
    format!("<?xml version=\"1.0\"?>\n<fcd-export>\n{body}\n</fcd-export>\n")
}

fn gzip(text: &str) -> Vec<u8> {
    let mut out = GzEncoder::new(Vec::new(), Compression::fast());
    out.write_all(text.as_bytes()).unwrap();
    out.finish().unwrap()
}

fn error(text: &str) -> String {
    read(text.as_bytes()).unwrap_err().to_string()
}

const TWO_STEPS: &str = r#"<timestep time="900.00">
  <vehicle id="a" x="6.10" y="49.60" angle="90.00" type="car" speed="10.00" lane="x_0" slope="0.1"/>
  <vehicle id="b" x="6.11" y="49.61" speed="0.00"/>
</timestep>
<timestep time="901.00">
  <vehicle id="a" x="6.1001" y="49.60" angle="359.999" type="car" speed="10.50"/>
</timestep>
<timestep time="902.00"/>
<timestep time="903.00"><vehicle id="a" x="6.1002" y="49.60"/></timestep>"#;

#[test]
fn a_trace_has_every_vehicle_with_its_samples() {
    let trace = read(doc(TWO_STEPS).as_bytes()).unwrap();
    assert_eq!((trace.vehicles(), trace.samples()), (2, 4));
    assert_eq!((trace.duration_ms(), trace.period_ms()), (4000, 1000));
    assert_eq!(trace.id(0), Some("a"));
    let a = trace.track(0).unwrap();
    let first = a.sample(0).unwrap();
    assert_eq!((first.t_ms, first.speed, first.heading), (0, Some(10.0), Some(90.0)));
    assert_eq!((first.position.lat(), first.position.lon()), (49.6, 6.1));
    assert_eq!(a.sample(1).unwrap().heading, Some(0.0), "359.999 rounds to north, not to 360");
    let last = a.sample(2).unwrap();
    assert_eq!((last.t_ms, last.speed, last.heading), (3000, None, None));
    assert_eq!((a.until(0), a.until(2999), a.until(3000)), (1, 2, 3));
    assert_eq!(trace.bounds().south_west.lon(), 6.1);
    assert_eq!(trace.bounds().north_east.lat(), 49.61);
}

#[test]
fn compression_is_seen_from_the_bytes() {
    let plain = doc(TWO_STEPS);
    assert_eq!(read(&gzip(&plain)[..]).unwrap().samples(), 4);
    let two_members = [gzip(&plain[..100]), gzip(&plain[100..])].concat();
    assert_eq!(read(&two_members[..]).unwrap().samples(), 4, "as pigz and appended logs write it");
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("compressed.xml");
    std::fs::write(&path, gzip(&plain)).unwrap();
    assert_eq!(read_file(&path).unwrap().samples(), 4);
}

#[test]
fn unknown_elements_and_attributes_are_passed_over() {
    let text = doc(r#"<!-- made by hand --><configuration><input time="3"><vehicle id="no"/></input></configuration>
        <timestep time="0:15:00" note="n"><person id="p" x="1e9"><vehicle id="no"/></person>
        <vehicle id="a&amp;b" x="6.1" y="49.6" speed="1"><param key="k"/></vehicle><container/></timestep>"#);
    let trace = read(text.as_bytes()).unwrap();
    assert_eq!((trace.vehicles(), trace.samples(), trace.id(0)), (1, 1, Some("a&b")));
}

#[test]
fn periods_may_be_any_and_times_may_be_read_by_people() {
    let step = |t: &str| format!(r#"<timestep time="{t}"><vehicle id="a" x="6" y="49"/></timestep>"#);
    let tenths = doc(&["0.0", "0.1", "0.2", "5"].map(step).concat());
    let trace = read(tenths.as_bytes()).unwrap();
    assert_eq!((trace.period_ms(), trace.duration_ms()), (100, 5100));
    let people = doc(&["23:59:30", "1:00:00:00.5"].map(step).concat());
    assert_eq!(read(people.as_bytes()).unwrap().period_ms(), 30_500);
    let once = doc(&step("7"));
    assert_eq!(read(once.as_bytes()).unwrap().duration_ms(), 1000, "one timestep lasts a second");
}

#[test]
fn a_trace_in_metres_is_refused_with_the_way_out() {
    let text = doc(r#"<timestep time="0"><vehicle id="v" x="5013.20" y="2281.54"/></timestep>"#);
    let said = error(&text);
    assert!(said.starts_with("line 3 (byte "), "{said}");
    assert!(said.contains("vehicle v: x=\"5013.2\" y=\"2281.54\"") && said.contains("--fcd-output.geo"), "{said}");
    // A network of less than 180 m: single places could be degrees, the movement cannot.
    let small = r#"<timestep time="0"><vehicle id="v" x="10" y="20"/></timestep><timestep time="1"><vehicle id="v" x="24" y="20"/></timestep>"#;
    assert!(error(&doc(small)).contains("--fcd-output.geo"));
}

#[test]
fn what_contradicts_the_format_is_named_with_its_place() {
    let cases = [
        ("", "it is empty"),
        ("<routes><vehicle id=\"a\"/></routes>", "line 1 (byte 0): expected <fcd-export>"),
        ("{\"vehicles\":[]}", "found \"{\"vehicles\":[]}\""),
        ("<?xml version=\"1.0\"?>\n", "found no element at all"),
        ("<fcd-export>\n</fcd-export>", "it has 0 timesteps and no vehicle"),
        ("<fcd-export>\n<timestep time=\"1\">", "line 2 (byte 32): the file ends before </fcd-export>"),
        ("<fcd-export>\n<timestep ti", "the file ends before </fcd-export>"),
        ("<fcd-export>\n<vehicle id=\"a\"/></fcd-export>", "line 2 (byte 13): <vehicle> outside of <timestep>"),
        ("<fcd-export></timestep></fcd-export>", "not well-formed XML"),
        ("<fcd-export><timestep/></fcd-export>", "<timestep> has no attribute time"),
        ("<fcd-export><timestep time=\"soon\"/></fcd-export>", "time=\"soon\" in <timestep>: expected seconds"),
        ("<fcd-export><timestep time=\"1:30\"/></fcd-export>", "time=\"1:30\" in <timestep>: expected seconds"),
    ];
    for (text, expected) in cases {
        let said = error(text);
        assert!(said.contains(expected), "{text:?} gave {said:?}, expected {expected:?}");
    }
    let vehicles = [
        (r#"<vehicle x="1" y="1"/>"#, "<vehicle> has no attribute id"),
        (r#"<vehicle id="a" x="1" speed="3"/>"#, "<vehicle> has no attribute y; write the trace with"),
        (r#"<vehicle id="a" x="1,5" y="1"/>"#, "x=\"1,5\" in <vehicle>: expected degrees east"),
        (r#"<vehicle id="a" x="1" y="1" speed="NaN"/>"#, "speed=\"NaN\" in <vehicle>: expected metres a second"),
        (r#"<vehicle id="a" x="1" y="1"/><vehicle id="a" x="1" y="1"/>"#, "vehicle a: the vehicle appears twice"),
        (r#"<vehicle id="a" x="1" y="1"/></timestep><timestep time="5">"#, "timestep 5 does not come after"),
    ];
    for (text, expected) in vehicles {
        let said = error(&doc(&format!("<timestep time=\"5\">\n{text}</timestep>")));
        assert!(said.contains(expected) && said.contains("line 4"), "{text:?} gave {said:?}, expected {expected:?}");
    }
}

#[test]
fn a_compressed_file_that_was_cut_off_says_so() {
    let whole = gzip(&doc(TWO_STEPS));
    let said = read(&whole[..whole.len() / 2]).unwrap_err().to_string();
    assert!(said.contains("cut off"), "{said}");
}

#[test]
fn a_file_without_any_tag_is_refused_before_it_fills_the_memory() {
    let endless = io::repeat(b'x').take(1 << 40);
    let said = read(endless).unwrap_err().to_string();
    assert!(said.contains("no tag ends within"), "{said}");
    let endless_tag = b"<fcd-export><timestep time=\"".chain(io::repeat(b'1').take(1 << 40));
    assert!(read(endless_tag).unwrap_err().to_string().contains("no tag ends within"));
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let said = read_file(Path::new("/no/such/trace.xml")).unwrap_err().to_string();
    assert!(said.starts_with("/no/such/trace.xml: cannot open it: "), "{said}");
}

#[test]
fn the_bundled_trace_is_what_its_readme_says() {
    let trace = bundled::luxembourg().unwrap();
    assert_eq!((trace.vehicles(), trace.samples()), (372, 78_134));
    assert_eq!((trace.period_ms(), trace.duration_ms()), (1000, 300_000));
}

/// Larger traces, where there are any: every `.gz` and `.xml` of the folder that WAYGATE_TRACES names.
#[test]
fn other_traces_are_read_as_well() {
    let Some(dir) = std::env::var_os("WAYGATE_TRACES") else { return };
    let mut read = 0;
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.to_string_lossy().contains(".fcd.xml") {
            let trace = read_file(&path).unwrap();
            assert!(trace.vehicles() > 0 && trace.samples() >= trace.vehicles());
            read += 1;
        }
    }
    assert!(read > 0, "WAYGATE_TRACES names a folder without a *.fcd.xml or *.fcd.xml.gz");
}
