use super::*;

fn text(path: &str) -> String {
    String::from_utf8(asset(path).unwrap().bytes.into_owned()).unwrap()
}

/// What the page names in `src` and `href` within the console.
fn references(html: &str) -> Vec<String> {
    html.split(['"', '\'']).filter_map(|part| part.strip_prefix("./assets/")).map(|n| format!("assets/{n}")).collect()
}

#[test]
fn the_root_is_the_page_and_all_it_refers_to_is_embedded() {
    let html = text("/");
    let referred = references(&html);
    assert!(referred.len() >= 4, "icon, script and style sheets: {referred:?}");
    for name in referred {
        assert!(asset(&name).is_some(), "{name} is missing");
    }
}

#[test]
fn everything_the_scripts_load_later_is_embedded() {
    let mut found = 0;
    for script in names().filter(|n| n.ends_with(".js")) {
        // A file that is loaded by name stands as `new URL("name-hash.ending", …)`.
        for part in text(&script).split("new URL(").skip(1) {
            let quote = part.chars().next().unwrap();
            let Some(name) = part[1..].split(quote).next().filter(|_| "\"'`".contains(quote)) else { continue };
            if name.contains("://") || name.contains('$') || !name.contains('.') {
                continue;
            }
            found += 1;
            assert!(asset(&format!("assets/{name}")).is_some(), "{script} loads {name}, which is missing");
        }
    }
    assert!(found >= 3, "roads, countries and the map's worker are loaded by name, found {found}");
}

#[test]
fn the_whole_console_is_under_a_megabyte_packed() {
    let packed: usize = names().map(|n| asset_for(&n, "gzip").unwrap().bytes.len()).sum();
    assert!(packed < 1_000_000, "{packed} bytes");
}

#[test]
fn a_packed_file_unpacks_to_the_plain_one() {
    let plain = asset("index.html").unwrap();
    let packed = asset_for("index.html", "br, gzip").unwrap();
    assert_eq!(packed.encoding, Some("gzip"));
    assert_eq!(plain.encoding, None);
    assert_ne!(packed.etag, plain.etag);
    let mut unpacked = Vec::new();
    flate2::read::GzDecoder::new(packed.bytes.as_ref()).read_to_end(&mut unpacked).unwrap();
    assert_eq!(unpacked, plain.bytes.as_ref());
}

#[test]
fn gzip_is_sent_only_to_who_takes_it() {
    for (header, taken) in [
        ("gzip", true),
        ("br;q=1.0, gzip;q=0.8", true),
        ("*", true),
        ("", false),
        ("br", false),
        ("gzip;q=0, br", false),
    ] {
        assert_eq!(takes_gzip(header), taken, "{header:?}");
    }
}

#[test]
fn the_page_is_asked_for_anew_and_hashed_files_are_kept() {
    assert_eq!(asset("/").unwrap().cache_control, "no-cache");
    let script = names().find(|n| n.ends_with(".js")).unwrap();
    assert!(asset(&script).unwrap().cache_control.contains("immutable"));
}

#[test]
fn what_is_not_of_the_console_is_not_found() {
    for path in ["/v1/vehicles", "/assets/", "/../Cargo.toml", "/index.html/"] {
        assert_eq!(asset(path), None, "{path}");
    }
}

#[test]
fn the_page_has_no_inline_script_and_names_no_other_origin_to_load_from() {
    let html = text("/");
    for tag in html.split('<').filter(|t| t.starts_with("script") || t.starts_with("link")) {
        assert!(tag.contains("./assets/"), "<{tag}");
    }
    assert!(!html.contains("<style"), "the policy forbids inline style sheets");
}
