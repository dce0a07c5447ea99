use super::*;

fn entry(version: u64, standing: Standing) -> Entry {
    let fleet = FleetId::new("vans").unwrap();
    let (means, by) = ("token".to_owned(), "west-1".to_owned());
    Entry { version, standing, fleet, first: Wall(1), last: Wall(2), means, by }
}

fn vehicle(id: &str) -> VehicleId {
    VehicleId::new(id).unwrap()
}

async fn keep(file: &mut EnrolmentFile, all: &BTreeMap<VehicleId, Entry>, changed: &str) {
    let changed = vehicle(changed);
    let changes = all.get_key_value(&changed).into_iter();
    file.keep(changes, all.iter()).await.unwrap();
}

#[tokio::test]
async fn the_last_change_of_each_vehicle_is_read_back() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("enrolment.jsonl");
    let (mut file, mut all) = EnrolmentFile::open(&path).unwrap();
    assert!(all.is_empty());
    for (id, version, standing) in [
        ("A", 0, Standing::Pending),
        ("B", 0, Standing::Pending),
        ("A", 1, Standing::Admitted),
        ("B", 1, Standing::Refused),
    ] {
        all.insert(vehicle(id), entry(version, standing));
        keep(&mut file, &all, id).await;
    }
    let (_, read) = EnrolmentFile::open(&path).unwrap();
    assert_eq!(read, all);
    assert_eq!(std::fs::read_to_string(&path).unwrap().lines().count(), 4, "each change is a line");
}

#[tokio::test]
async fn a_line_that_was_not_written_whole_is_dropped_and_the_next_change_stands() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("enrolment.jsonl");
    let (mut file, mut all) = EnrolmentFile::open(&path).unwrap();
    all.insert(vehicle("A"), entry(1, Standing::Admitted));
    keep(&mut file, &all, "A").await;
    let mut text = std::fs::read_to_string(&path).unwrap();
    text.push_str("{\"vehicle\":\"B\",\"fle");
    std::fs::write(&path, &text).unwrap();
    let (mut file, mut all) = EnrolmentFile::open(&path).unwrap();
    assert_eq!(all.len(), 1);
    all.insert(vehicle("C"), entry(1, Standing::Refused));
    keep(&mut file, &all, "C").await;
    let (_, read) = EnrolmentFile::open(&path).unwrap();
    assert_eq!(read, all);
}

#[tokio::test]
async fn a_file_that_is_mostly_of_the_past_is_written_anew() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("enrolment.jsonl");
    let (mut file, mut all) = EnrolmentFile::open(&path).unwrap();
    file.lines = STALE_LINES_MAX + 2;
    all.insert(vehicle("A"), entry(1, Standing::Admitted));
    keep(&mut file, &all, "A").await;
    assert_eq!((file.lines, std::fs::read_to_string(&path).unwrap().lines().count()), (1, 1));
}

#[test]
fn a_damaged_line_is_named_and_not_passed_over() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("enrolment.jsonl");
    let good = r#"{"vehicle":"A","fleet":"vans","standing":"refused","version":1,"first_ms":1,"last_ms":2,"means":"token","by":"w"}"#;
    for (bad, what) in [(good.replace("refused", "reduced"), "reduced"), ("nothing".to_owned(), "expected")] {
        std::fs::write(&path, format!("{good}\n{bad}\n{good}\n")).unwrap();
        let text = EnrolmentFile::open(&path).unwrap_err().to_string();
        assert!(text.contains("line 2") && text.contains(what), "{text}");
    }
}
