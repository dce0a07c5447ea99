use super::{Config, ConfigError, from_hex, to_hex};
use std::io::Write;

fn load(text: &str) -> Result<Config, ConfigError> {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(text.as_bytes()).unwrap();
    Config::load(file.path())
}

const SMALLEST: &str = "[node]\nid = \"west-1\"\nregion = \"west\"\ndata_dir = \"data\"\n";

#[test]
fn four_lines_are_enough() {
    let config = load(SMALLEST).unwrap();
    assert_eq!(config.vehicles.listen.to_string(), "127.0.0.1:7701");
    assert_eq!(config.operators.listen.to_string(), "127.0.0.1:7801");
}

#[test]
fn an_unknown_key_is_an_error_that_names_file_line_and_key() {
    let text = load(&format!("{SMALLEST}[vehicles]\nlissten = \"127.0.0.1:1\"\n")).unwrap_err().to_string();
    assert!(text.contains("line 6") && text.contains("lissten"), "{text}");
}

#[test]
fn timers_that_contradict_each_other_are_refused() {
    let text = load(&format!("{SMALLEST}[timers]\nreachable_s = 10\n")).unwrap_err().to_string();
    assert!(text.contains("periodic_update must be shorter than reachable"), "{text}");
}

#[test]
fn a_short_token_key_is_refused_without_showing_it() {
    let text = load(&format!("{SMALLEST}[cluster.token_keys]\nwest = \"abcdef\"\n")).unwrap_err().to_string();
    assert!(text.contains("token_keys.west") && !text.contains("abcdef"), "{text}");
}

#[test]
fn hex_is_read_as_it_is_written() {
    assert_eq!(from_hex(&to_hex(&[0, 255, 16])), Some(vec![0, 255, 16]));
    assert_eq!(from_hex("abc"), None);
    assert_eq!(from_hex("zz"), None);
}
