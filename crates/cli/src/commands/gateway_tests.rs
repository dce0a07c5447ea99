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

/// The sections and keys of a configuration, as `section.key`.
fn keys(config: &Config) -> Vec<String> {
    let value = serde_json::to_value(config).unwrap();
    let sections = value.as_object().unwrap();
    // A section that is not there by default has its own test.
    sections.iter().flat_map(|(section, table)| keys_of(section, table)).collect()
}

fn keys_of(section: &str, table: &serde_json::Value) -> Vec<String> {
    let within = |(key, value): (&String, &serde_json::Value)| match value.as_object().filter(|table| !table.is_empty())
    {
        Some(_) => keys_of(&format!("{section}.{key}"), value),
        None => vec![format!("{section}.{key}")],
    };
    table.as_object().into_iter().flatten().flat_map(within).collect()
}

#[test]
fn the_annotated_example_has_every_key_at_its_default() {
    let path = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../deploy/waygate.toml"));
    let text = std::fs::read_to_string(path).unwrap();
    let example = Config::load(path).unwrap();
    let smallest =
        Config::parse("[node]\nid = \"west-1\"\nregion = \"west\"\ndata_dir = \"/var/lib/waygate\"\n").unwrap();
    assert_eq!(serde_json::to_value(&example).unwrap(), serde_json::to_value(&smallest).unwrap());
    for key in keys(&example) {
        let (section, name) = key.rsplit_once('.').unwrap();
        if text.contains(&format!("\n# [{key}]\n")) {
            continue;
        }
        let after = text.split(&format!("\n[{section}]\n")).nth(1).unwrap_or_else(|| panic!("no [{section}]"));
        let within = after.split("\n[").next().unwrap();
        let named = within.lines().any(|line| line.trim_start_matches("# ").starts_with(&format!("{name} = ")));
        assert!(named, "[{section}] {name} is not in deploy/waygate.toml");
    }
}

#[test]
fn the_lists_of_the_example_can_be_filled_as_it_shows() {
    let path = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../deploy/waygate.toml"));
    let text = std::fs::read_to_string(path).unwrap();
    let hex = "00".repeat(32);
    let filled = text
        .replace("seeds = []\n# seeds", "seeds")
        .replace("fleets = []\n# fleets", "fleets")
        .replace("keys = []\n# keys", "keys")
        .replace("# proxy", "proxy")
        .replace("token_keys = {}\n# token_keys", "token_keys")
        .replace("# url", "url")
        .replace("…64 hexadecimal digits…", &hex)
        .replace("east = \"…\"", &format!("east = \"{hex}\""));
    let config = Config::parse(&filled).unwrap();
    assert_eq!((config.peers.seeds.len(), config.cluster.token_keys.len()), (2, 2));
    assert!(config.vehicles.url.is_some() && config.operators.url.is_some());
    let identity = config.vehicles.identity;
    assert_eq!((identity.fleets.len(), identity.keys.len()), (2, 1));
    assert!(identity.proxy.is_some_and(|proxy| proxy.ca.is_some() && proxy.crl.is_some()));
}

#[test]
fn the_section_for_tls_can_be_used_as_the_example_shows_it_and_has_every_key() {
    let path = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../deploy/waygate.toml"));
    let text = std::fs::read_to_string(path).unwrap();
    for section in ["[tls]", "[vehicles.tls]"] {
        let (before, after) = text.split_once(&format!("\n# {section}")).unwrap();
        let keys = ["cert = ", "key = ", "ca = ", "crl = "];
        let filled = format!("{before}\n{section}{after}");
        let from = before.len();
        let filled = keys.iter().fold(filled, |text, key| {
            let at = from + text[from..].find(&format!("\n# {key}")).unwrap();
            format!("{}\n{key}{}", &text[..at], &text[at + "\n# ".len() + key.len()..])
        });
        let config = Config::parse(&filled).unwrap();
        let tls = if section == "[tls]" { config.tls } else { config.vehicles.tls }.unwrap();
        let value = serde_json::to_value(&tls).unwrap();
        assert_eq!(value.as_object().unwrap().len(), keys.len());
        assert!(tls.crl.is_some());
    }
}
