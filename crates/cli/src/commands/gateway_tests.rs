use super::*;

const FILE: &str = "\
[node]
id = \"a b\"
region = \"r\"

[timers]
# reachable_s = 3
periodic_update_s = 10
reachable_s = 5

[store]
commit_delay_ms = 50
";

#[test]
fn a_message_about_a_key_gets_its_line() {
    for (message, line) in [
        ("[node] id: must not contain a space", Some(2)),
        ("[timers] timer periodic_update must be shorter than reachable", Some(7)),
        ("[store] commit_delay_ms: is 50, at most 20 is allowed", Some(11)),
        ("[peers] seeds: \"x\" is no http://host:port", None),
        ("environment variables WAYGATE_…: unknown field", None),
    ] {
        assert_eq!(line_of(FILE, message), line, "{message}");
    }
}

#[test]
fn a_bad_configuration_names_the_file_and_ends_with_64() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("gateway.toml");
    for (text, wanted) in [
        ("[node]\nid = \"a b\"\nregion = \"r\"\ndata_dir = \"d\"\n", "gateway.toml:2: [node] id"),
        ("[node]\nid = \"a\"\nregion = \"r\"\ndata_dir = \"d\"\n[vehicles]\nlisten_on = 1\n", "line 6"),
        ("[node]\nid = \"a\"\n", "region"),
    ] {
        std::fs::write(&path, text).unwrap();
        let failure = bad_config(&path, &Config::load(&path).unwrap_err().to_string());
        assert_eq!(failure.exit.code(), 64);
        let file = path.display().to_string();
        assert!(failure.message.contains(&file) && failure.message.contains(wanted), "{}", failure.message);
    }
    let missing = folder.path().join("missing.toml");
    let failure = bad_config(&missing, &Config::load(&missing).unwrap_err().to_string());
    assert!(failure.message.contains("missing.toml"), "{}", failure.message);
}
