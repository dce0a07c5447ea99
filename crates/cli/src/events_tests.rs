use super::*;

const STREAM: &str = ": keepalive\n\nevent: hello\ndata: {\"gateway\":\"lux-west\"}\n\nevent: presence\r\nid: 7\r\ndata: {\"id\":\"A\"}\r\n\r\nevent: missed\ndata: {\ndata: \"events\":3}\n\n";

fn read(chunks: impl Iterator<Item = Vec<u8>>) -> (Vec<Event>, EventReader) {
    let mut reader = EventReader::default();
    let mut events = Vec::new();
    for chunk in chunks {
        reader.read(&chunk, &mut events).unwrap();
    }
    (events, reader)
}

#[test]
fn events_are_the_same_however_the_network_splits_them() {
    let (whole, reader) = read(std::iter::once(STREAM.as_bytes().to_vec()));
    assert_eq!(
        whole,
        [
            Event { kind: "hello".into(), id: String::new(), data: r#"{"gateway":"lux-west"}"#.into() },
            Event { kind: "presence".into(), id: "7".into(), data: r#"{"id":"A"}"#.into() },
            Event { kind: "missed".into(), id: "7".into(), data: "{\n\"events\":3}".into() },
        ]
    );
    assert_eq!(reader.last_id(), Some("7"));
    for size in 1..STREAM.len() {
        let (split, _) = read(STREAM.as_bytes().chunks(size).map(<[u8]>::to_vec));
        assert_eq!(split, whole, "in chunks of {size}");
    }
}

#[test]
fn an_event_that_is_not_complete_is_not_given() {
    let (events, _) = read(std::iter::once(b"event: presence\ndata: {}\n".to_vec()));
    assert!(events.is_empty());
}

#[test]
fn a_line_without_end_is_refused() {
    let mut reader = EventReader::default();
    let chunk = vec![b'x'; 1024 * 1024];
    let mut events = Vec::new();
    let refused = (0..17).map(|_| reader.read(&chunk, &mut events)).find(Result::is_err);
    assert_eq!(refused, Some(Err(LineTooLong)));
}
