use super::{Input, LINE_BYTES_MAX, read};
use std::io::BufReader;

fn inputs(text: &[u8]) -> Vec<Input> {
    let mut all = Vec::new();
    // A small buffer, so that lines come in parts.
    read(BufReader::with_capacity(7, text), &mut |input| {
        all.push(input);
        true
    });
    all
}

fn faults(text: &str) -> Vec<(u64, String)> {
    let fault = |input| if let Input::Bad { line, what } = input { Some((line, what)) } else { None };
    inputs(text.as_bytes()).into_iter().filter_map(fault).collect()
}

#[test]
fn each_line_is_a_record_with_or_without_an_end_and_empty_lines_are_passed_over() {
    let all =
        inputs(b"{\"t\":5,\"lat\":49.5,\"lon\":6}\n\n  \r\n{\"lat\":49.6,\"lon\":6,\"speed\":13.9}\r\n{\"t\":\"7\"}");
    let [Input::Record(a), Input::Record(b), Input::Record(c)] = all.as_slice() else { panic!("{all:?}") };
    assert_eq!((a.t.0, c.t.0), (5, 7));
    assert!(b.t.0 > 1_700_000_000_000, "a record without a time is from now");
    assert_eq!(b.fix.unwrap().speed_cms, Some(1390));
}

#[test]
fn a_bad_line_is_named_with_its_number_and_field_and_the_next_ones_are_read() {
    let text = "{\"lat\":91,\"lon\":0}\n{\"lat\":1}\n{\"lat\":\"1\",\"lon\":2}\nhello\n{\"lat\":1,\"lon\":2,\"heading\":360}\n\
        {\"lat\":1,\"lon\":2,\"speed\":-1}\n{\"signals\":{\"no path\":1}}\n{\"t\":1}\n";
    let faults = faults(text);
    let expected = [
        (1, "lat, lon: must be within"),
        (2, "lon: is missing beside lat"),
        (3, "lat: invalid type: string \"1\", expected f64 at column"),
        (4, "the frame cannot be read"),
        (5, "heading: must be from 0"),
        (6, "speed: must be from 0"),
        (7, "signals: a path must be"),
    ];
    assert_eq!(faults.len(), expected.len(), "{faults:?}");
    for ((line, what), (at, begin)) in faults.iter().zip(expected) {
        assert_eq!(*line, at);
        assert!(what.starts_with(begin), "{what}");
    }
}

#[test]
fn a_line_without_end_costs_no_memory_and_is_named() {
    let mut text = vec![b'x'; LINE_BYTES_MAX + 1];
    text.extend_from_slice(b"\n{\"t\":1}\n");
    let all = inputs(&text);
    let [Input::Bad { line: 1, what }, Input::Record(_)] = all.as_slice() else { panic!("{all:?}") };
    assert!(what.contains("longer than"), "{what}");
}

#[test]
fn a_line_may_be_an_order_instead_of_a_record() {
    let text = "{\"suspend\":{\"sleep_s\":60}}\n{ \"attach\": true }\n{\"suspend\":{\"sleep\":60}}\n\
        {\"command_status\":{\"id\":\"0191e0c8-3f5a-7c1e-b2a4-5d0f6a7b8c9d\",\"state\":\"succeeded\"}}\n{\"command_status\":{}}\n\
        {\"wake_up\":\"WG1.a.b.c\"}\n{\"wake_up\":1}\n";
    let all = inputs(text.as_bytes());
    let [
        Input::Suspend { active, sleep },
        Input::Attach,
        Input::Bad { .. },
        Input::CommandStatus(status),
        Input::Bad { .. },
        Input::WakeUp(message),
        Input::Bad { .. },
    ] = all.as_slice()
    else {
        panic!("{all:?}")
    };
    assert_eq!((active.0, sleep.0, message.as_str()), (0, 60_000, "WG1.a.b.c"));
    assert_eq!(status.id.to_string(), "0191e0c8-3f5a-7c1e-b2a4-5d0f6a7b8c9d");
}

#[test]
fn reading_stops_when_no_one_listens() {
    let mut count = 0;
    read(&b"{\"t\":1}\n{\"t\":2}\n"[..], &mut |_| {
        count += 1;
        false
    });
    assert_eq!(count, 1);
}
