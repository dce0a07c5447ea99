use super::*;

#[test]
fn every_gateway_knows_the_others_and_all_keys() {
    let dir = tempfile::tempdir().unwrap();
    let seats = seats(dir.path(), 7701, 7801, false).unwrap();
    write_configs(&seats, None).unwrap();
    let read = |seat: &Seat| std::fs::read_to_string(seat.config_file()).unwrap();
    let centre: toml::Table = read(&seats[1]).parse().unwrap();
    assert_eq!(centre["node"]["region"].as_str(), Some("lux-centre"));
    assert_eq!(centre["vehicles"]["listen"].as_str(), Some("127.0.0.1:7702"));
    assert_eq!(centre["vehicles"]["url"].as_str(), Some("ws://127.0.0.1:7702/v1/obu"));
    let seeds: Vec<_> = centre["peers"]["seeds"].as_array().unwrap().iter().filter_map(|s| s.as_str()).collect();
    assert_eq!(seeds, ["http://127.0.0.1:7801", "http://127.0.0.1:7803"]);
    let keys = centre["cluster"]["token_keys"].as_table().unwrap();
    assert_eq!(keys.len(), 3);
    assert!(keys.values().all(|key| key.as_str().unwrap().len() == 64));
    let west: toml::Table = read(&seats[0]).parse().unwrap();
    assert_eq!(west["cluster"], centre["cluster"]);
}

#[test]
fn a_folder_that_is_used_again_keeps_its_keys() {
    let dir = tempfile::tempdir().unwrap();
    let seats = seats(dir.path(), 7701, 7801, false).unwrap();
    write_configs(&seats, None).unwrap();
    let first = std::fs::read_to_string(seats[2].config_file()).unwrap();
    write_configs(&seats, None).unwrap();
    assert_eq!(std::fs::read_to_string(seats[2].config_file()).unwrap(), first);
}

#[test]
fn a_gateway_takes_the_configuration_as_it_was_written() {
    let dir = tempfile::tempdir().unwrap();
    let seats = seats(dir.path(), 7701, 7801, false).unwrap();
    write_configs(&seats, None).unwrap();
    for seat in &seats {
        waygate_gateway::config::Config::load(&seat.config_file()).unwrap();
    }
}

#[test]
fn a_taken_port_is_named_with_the_way_out() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let seat = Seat { name: "lux-west", vehicles_port: port, operators_port: 1, tls: false, dir: PathBuf::new() };
    let said = check_ports(&[seat]).unwrap_err().to_string();
    assert!(said.contains(&format!("port {port} on 127.0.0.1 is taken")), "{said}");
    assert!(said.contains("--vehicle-ports"), "{said}");
}

#[test]
fn ports_that_overlap_or_do_not_exist_are_refused() {
    let dir = Path::new("/tmp");
    for (vehicles, operators, why) in [(7701, 7703, "overlap"), (7703, 7701, "overlap"), (65534, 7801, "between")] {
        let said = seats(dir, vehicles, operators, false).unwrap_err().to_string();
        assert!(said.contains(why), "{vehicles} {operators}: {said}");
    }
    assert!(seats(dir, 7701, 7704, false).is_ok());
}

#[test]
fn with_tls_vehicles_are_told_wss_and_shown_a_certificate_of_the_demos_ca() {
    let dir = tempfile::tempdir().unwrap();
    let seats = seats(dir.path(), 7701, 7801, true).unwrap();
    let pki = Pki::make(dir.path()).unwrap();
    write_configs(&seats, Some(&pki)).unwrap();
    let config = waygate_gateway::Config::load(&seats[0].config_file()).unwrap();
    assert_eq!(config.vehicles.url.as_deref(), Some("wss://127.0.0.1:7701/v1/obu"));
    let tls = config.vehicles.tls.unwrap();
    assert!(tls.cert.exists() && tls.key.exists() && tls.ca.exists());
}
