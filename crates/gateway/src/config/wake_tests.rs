use crate::config::Config;
use waygate_core::id::VehicleId;
use waygate_core::time::Millis;

const SMALLEST: &str = "[node]\nid = \"west-1\"\nregion = \"west\"\ndata_dir = \"data\"\n";

fn parse(wake: &str) -> Result<Config, String> {
    Config::parse(&format!("{SMALLEST}{wake}")).map_err(|error| error.to_string())
}

#[test]
fn without_a_section_there_is_no_hook_and_the_schedule_is_that_of_the_protocol() {
    let config = parse("").unwrap();
    assert!(!config.wake.has_hook());
    let rules = config.wake.rules();
    assert_eq!(rules.apart, [30, 60, 120].map(Millis::secs));
    assert_eq!((rules.last, rules.per_hour), (Millis::secs(30), 6));
}

#[test]
fn hooks_are_read_and_the_password_is_not_shown() {
    let config = parse(
        "[wake]\nwebhook = \"http://127.0.0.1:9000/wake?x=1\"\napart_s = [1]\n[wake.mqtt]\nbroker = \"mqtt://[::1]:1884\"\n\
         user = \"gw\"\npassword = \"hush\"\n",
    )
    .unwrap();
    let mqtt = config.wake.mqtt.as_ref().unwrap();
    assert_eq!(mqtt.address().unwrap(), ("::1".to_owned(), 1884));
    assert_eq!(mqtt.topic, "waygate/{vehicle}/wake");
    assert!(!format!("{config:?}").contains("hush"));
    let plain = parse("[wake.mqtt]\nbroker = \"mqtt://broker.example\"\n").unwrap();
    assert_eq!(plain.wake.mqtt.unwrap().address().unwrap(), ("broker.example".to_owned(), 1883));
}

#[test]
fn what_cannot_be_used_is_refused_with_the_key_and_the_way_out() {
    let mqtt = |rest: &str| format!("[wake.mqtt]\nbroker = \"mqtt://b:1883\"\n{rest}");
    for (wake, wanted) in [
        ("[wake]\nwebhook = \"https://sms.example/\"\n".to_owned(), ["[wake] webhook", "no TLS"]),
        ("[wake]\nwebhook = \"sms.example\"\n".to_owned(), ["[wake] webhook", "http://host"]),
        ("[wake]\napart_s = [0]\n".to_owned(), ["[wake] apart_s", "seconds"]),
        ("[wake]\nlast_s = 0\n".to_owned(), ["[wake] last_s", "is 0"]),
        ("[wake]\napart_s = [120, 120]\n".to_owned(), ["[wake] apart_s", "270 s together, must be at most 240"]),
        ("[wake]\nper_hour = 0\n".to_owned(), ["[wake] per_hour", "is 0"]),
        ("[wake.mqtt]\nbroker = \"mqtts://b\"\n".to_owned(), ["[wake.mqtt] broker", "no TLS"]),
        ("[wake.mqtt]\nbroker = \"mqtt://u:p@b\"\n".to_owned(), ["[wake.mqtt] broker", "mqtt://host"]),
        ("[wake.mqtt]\nbroker = \"mqtt://b/path\"\n".to_owned(), ["[wake.mqtt] broker", "mqtt://host"]),
        (mqtt("topic = \"waygate/all\"\n"), ["[wake.mqtt] topic", "{vehicle}"]),
        (mqtt("topic = \"waygate/+/{vehicle}\"\n"), ["[wake.mqtt] topic", "no + or #"]),
        (mqtt("password = \"x\"\n"), ["[wake.mqtt] user", "missing"]),
        ("[cluster]\nwake_key = \"abcd\"\n".to_owned(), ["[cluster] wake_key", "64"]),
    ] {
        let error = parse(&wake).unwrap_err();
        assert!(wanted.iter().all(|part| error.contains(part)), "{wake}: {error}");
    }
}

#[test]
fn no_vehicle_id_can_hold_what_means_something_in_a_topic() {
    for character in ["+", "#", "/", "$", "\0"] {
        assert!(VehicleId::new(&format!("LUX{character}1")).is_err(), "{character:?}");
    }
}
