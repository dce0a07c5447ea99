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
fn a_timer_without_end_is_refused() {
    for key in ["purge_s", "sleep_grace_s"] {
        let text = load(&format!("{SMALLEST}[timers]\n{key} = 9000000000000000000\n")).unwrap_err().to_string();
        assert!(text.contains(&format!("[timers] {key}: is 9000000000000000000, at most")), "{text}");
    }
}

#[test]
fn a_clock_that_is_meant_to_be_wrong_is_wrong_within_bounds() {
    let load = |by: &str| load(&format!("{SMALLEST}clock_offset_s = {by}\n"));
    assert_eq!(load("-3600").unwrap().node.clock_offset_s, -3600);
    let text = load("-9000000000000").unwrap_err().to_string();
    assert!(text.contains("[node] clock_offset_s: is -9000000000000, at most"), "{text}");
}

#[test]
fn timers_that_contradict_each_other_are_refused() {
    let text = load(&format!("{SMALLEST}[timers]\nreachable_s = 10\n")).unwrap_err().to_string();
    assert!(text.contains("periodic_update must be shorter than reachable"), "{text}");
}

#[test]
fn load_control_that_lets_no_one_in_is_refused() {
    for (key, wanted) in [
        ("attach_wait_max_ms = 99", "[admission] attach_wait_max_ms: is 99, it must be 100 to 8000"),
        ("attach_wait_max_ms = 8001", "[admission] attach_wait_max_ms: is 8001"),
        ("attaches_per_second_max = 0", "[admission] attaches_per_second_max: is 0"),
    ] {
        let text = load(&format!("{SMALLEST}[admission]\n{key}\n")).unwrap_err().to_string();
        assert!(text.contains(wanted), "{text}");
    }
}

#[test]
fn a_short_token_key_is_refused_without_showing_it() {
    let text = load(&format!("{SMALLEST}[cluster.token_keys]\nwest = \"abcdef\"\n")).unwrap_err().to_string();
    assert!(text.contains("token_keys.west") && !text.contains("abcdef"), "{text}");
}

#[test]
fn a_region_may_have_several_keys_and_the_first_seals() {
    let key = |byte: &str| byte.repeat(32);
    let (a, b) = (key("0a"), key("0b"));
    let config =
        load(&format!("{SMALLEST}[cluster.token_keys]\nwest = [\"7:{a}\", \"0:{b}\"]\neast = \"{b}\"\n")).unwrap();
    let keys = config.token_keys().unwrap();
    let read: Vec<_> = keys.iter().map(|(region, id, key)| (region.as_str(), id.0, key[0])).collect();
    assert_eq!(read, [("east", 0, 0x0b), ("west", 7, 0x0a), ("west", 0, 0x0b)]);
}

#[test]
fn home_regions_are_read_with_this_region_among_them_and_what_cannot_be_meant_is_refused() {
    let homes = |text: &str| {
        let config = load(&format!("{SMALLEST}[cluster]\n{text}\n"))?;
        Ok::<_, Box<dyn std::error::Error>>(config.cluster.home_regions(&config.identity()?.1)?)
    };
    assert_eq!(homes("").unwrap(), None);
    let own = Config::parse(SMALLEST).unwrap().node.region;
    let kept = homes(&format!("regions = [\"{own}\", \"far\", \"near\"]\nhomes = 2")).unwrap().unwrap();
    assert_eq!((kept.homes(), kept.regions().count()), (2, 3));
    assert_eq!(homes(&format!("regions = [\"{own}\", \"far\"]")).unwrap().unwrap().homes(), 2);
    let names = format!("\"{own}\", \"far\"");
    for (text, wanted) in [
        ("regions = [\"far\"]".to_owned(), own.as_str()),
        ("homes = 2".to_owned(), "[cluster] homes"),
        (format!("regions = [{names}]\nhomes = 0"), "homes = 0"),
        (format!("regions = [{names}]\nhomes = 3"), "homes = 3"),
        (format!("regions = [{names}, \"far\"]"), "twice"),
        (format!("regions = [{names}, \"no region\"]"), "\"no region\""),
    ] {
        let said = homes(&text).unwrap_err().to_string();
        assert!(said.contains("[cluster]") && said.contains(wanted), "{text}: {said}");
    }
}

#[test]
fn a_list_of_token_keys_that_cannot_be_used_is_refused_without_showing_a_key() {
    let secret = "5e".repeat(32);
    let other = |n: u8| format!("\"{n}:{}\"", format!("{n:02x}").repeat(32));
    let many = (1..=9).map(other).collect::<Vec<_>>().join(", ");
    for (list, wanted) in [
        (String::new(), "has 0 keys; it must have 1 to 8"),
        (many, "has 9 keys; it must have 1 to 8"),
        (format!("\"{secret}\""), "entry 1 must be \"ID:KEY\""),
        (format!("\"256:{secret}\""), "entry 1: the id must be 0 to 255"),
        (format!("{}, \"x:{secret}\"", other(1)), "entry 2: the id must be 0 to 255"),
        (format!("\"1:{secret}5e\""), "entry 1: the key must be 64 hexadecimal digits"),
        (format!("{}, \"1:{secret}\"", other(1)), "entry 2: the id 1 is there already"),
        (format!("\"1:{secret}\", \"2:{secret}\""), "entry 2: this key is there already, with the id 1"),
    ] {
        let text = load(&format!("{SMALLEST}[cluster.token_keys]\nwest = [{list}]\n")).unwrap_err().to_string();
        assert!(text.contains("token_keys.west") && text.contains(wanted) && !text.contains("5e5e"), "{text}");
    }
    let text = load(&format!("{SMALLEST}[cluster.token_keys]\nwest = 5\n")).unwrap_err().to_string();
    assert!(text.contains("a key as 64 hexadecimal digits, or a list"), "{text}");
}

#[test]
fn hex_is_read_as_it_is_written() {
    assert_eq!(from_hex(&to_hex(&[0, 255, 16])), Some(vec![0, 255, 16]));
    assert_eq!(from_hex("abc"), None);
    assert_eq!(from_hex("zz"), None);
}
