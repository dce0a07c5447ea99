use super::*;

#[test]
fn an_answer_is_read_whole_or_not_at_all() {
    let plain = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}";
    assert_eq!(parse(plain), Some((200, b"{}".to_vec())));
    let chunked =
        b"HTTP/1.1 404 Not Found\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nA;x\r\n0123456789\r\n0\r\n\r\n";
    assert_eq!(parse(chunked), Some((404, b"abc0123456789".to_vec())));
    for broken in [&b"HTTP/1.1 200 OK\r\n"[..], b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n9\r\nabc"] {
        assert_eq!(parse(broken), None);
    }
}
