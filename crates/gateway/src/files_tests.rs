use super::*;

#[test]
fn a_full_disk_is_an_error_and_leaves_the_file_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("kept.txt");
    replace(&path, "before").unwrap();
    // A device that takes nothing stands for the disk.
    std::os::unix::fs::symlink("/dev/full", path.with_extension("new")).unwrap();
    assert_eq!(replace(&path, "after").unwrap_err().kind(), io::ErrorKind::StorageFull);
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "before");
}

#[test]
fn what_is_written_on_comes_behind_what_was_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("kept.txt");
    replace(&path, "one, ").unwrap().write_all(b"two").unwrap();
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "one, two");
}
