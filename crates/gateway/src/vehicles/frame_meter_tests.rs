use super::{FRAGMENTS_MAX, FrameMeter, Metered, Part};
use tokio::io::AsyncReadExt;

fn frame(first: u8, length: usize) -> Vec<u8> {
    let mut bytes = vec![first];
    match length {
        0..=125 => bytes.push(0x80 | length as u8),
        126..=0xffff => {
            bytes.push(0x80 | 126);
            bytes.extend((length as u16).to_be_bytes());
        }
        _ => {
            bytes.push(0x80 | 127);
            bytes.extend((length as u64).to_be_bytes());
        }
    }
    // A mask and a payload that look like heads of fragments.
    bytes.resize(bytes.len() + 4 + length, 0);
    bytes
}

/// What the meter says, whether it sees the bytes at once or in pieces.
fn seen(bytes: &[u8]) -> FrameMeter {
    let mut whole = FrameMeter::default();
    whole.see(bytes);
    for size in [1, 2, 3, 7, 1024] {
        let mut pieces = FrameMeter::default();
        bytes.chunks(size).for_each(|piece| pieces.see(piece));
        assert_eq!(pieces, whole, "in pieces of {size}");
    }
    whole
}

#[test]
fn fragments_are_counted_until_the_message_ends() {
    let begun: Vec<u8> = [0, 1, 125, 126, 70_000].iter().flat_map(|length| frame(0x00, *length)).collect();
    assert_eq!(seen(&begun).fragments, 5);
    assert_eq!(seen(&[begun.clone(), frame(0x89, 5), frame(0x8a, 0)].concat()).fragments, 5, "control frames are none");
    let ended = seen(&[begun, frame(0x80, 3)].concat());
    assert_eq!(ended, FrameMeter { part: Part::First, fragments: 0 });
}

#[test]
fn as_many_as_allowed_pass_and_one_more_does_not() {
    let most = frame(0x00, 0).repeat(FRAGMENTS_MAX as usize);
    assert!(!seen(&most).exceeded());
    let more = [most, frame(0x00, 0)].concat();
    assert!(seen(&more).exceeded());
    assert!(seen(&[more, frame(0x80, 0)].concat()).exceeded(), "an end does not undo it");
}

#[test]
fn any_length_is_counted_without_overflow() {
    let mut bytes = vec![0x81, 0x80 | 127];
    bytes.extend(u64::MAX.to_be_bytes());
    bytes.extend([0; 100]);
    assert_eq!(seen(&bytes).fragments, 0);
}

#[tokio::test]
async fn a_read_ends_where_the_frame_under_way_ends() {
    let bytes = [frame(0x82, 3000), frame(0x82, 5), frame(0x02, 2000), frame(0x80, 2000), frame(0x82, 1)].concat();
    let mut socket = Metered::new(bytes.as_slice(), &[]);
    let (mut read, mut ends) = (0, Vec::new());
    let mut buffer = [0; 1024];
    loop {
        match socket.read(&mut buffer).await.unwrap() {
            0 => break,
            count => read += count,
        }
        if socket.at_end() {
            ends.push(read);
        }
    }
    assert_eq!(read, bytes.len(), "nothing is lost");
    let large = frame(0x82, 3000).len();
    let fragmented = large + frame(0x82, 5).len() + 2 * frame(0x82, 2000).len();
    assert_eq!(ends, [large, fragmented], "not inside a message, nor where a read held more than one frame");
}

#[tokio::test]
async fn a_socket_that_moved_on_is_read_where_it_went() {
    let bytes = frame(0x82, 3);
    let mut old = Metered::new(bytes.as_slice(), &[]);
    let mut new = old.moved();
    assert!(old.read_u8().await.is_err());
    let mut all = Vec::new();
    new.read_to_end(&mut all).await.unwrap();
    assert_eq!(all, bytes);
}
