use super::*;
use std::net::Ipv4Addr;

fn seat(number: u8) -> Seat {
    let name = format!("r{number}");
    let place = Place { namespace: name.clone(), name: name.clone(), address: Ipv4Addr::new(10, 77, 0, number) };
    Seat { place, region: name, delayed: false, told_all: false, clock_offset_s: 0 }
}

#[test]
fn a_gateway_is_told_of_the_next_one_alone_or_of_all_others() {
    let mut all = [seat(1), seat(2), seat(3)];
    let seeds = |own: &Seat, all: &[Seat]| {
        let text = text(own, all, Path::new("data"));
        text.lines().find_map(|line| line.strip_prefix("seeds = ")).unwrap_or_default().to_owned()
    };
    assert_eq!(seeds(&all[2], &all), r#"["http://10.77.0.1:7801"]"#);
    all[0].told_all = true;
    all[1].delayed = true;
    assert_eq!(seeds(&all[0], &all), r#"["http://10.77.0.2:7811", "http://10.77.0.3:7801"]"#);
}

#[test]
fn only_a_clock_that_is_to_be_wrong_is_spoken_of() {
    let (right, wrong) = (seat(1), Seat { clock_offset_s: 3600, ..seat(2) });
    let all = [right.clone(), wrong.clone()];
    assert!(!text(&right, &all, Path::new("data")).contains("clock_offset_s"));
    assert!(text(&wrong, &all, Path::new("data")).contains("clock_offset_s = 3600\n"));
}
