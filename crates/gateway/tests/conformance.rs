//! RFC 6455 and HTTP at the vehicles' listener, with frames written by hand: what every violation is answered with.
#![allow(clippy::unwrap_used)]

mod support;

use serde_json::json;
use std::time::{Duration, Instant};
use support::raw::{
    BINARY, CLOSE, CONTINUES, ENDS, PING, PONG, Raw, TEXT, TEXT_BEGINS, close_body, frame, good_head, head,
    lying_header,
};
use support::{Running, attach_request, record, start};

const MESSAGE_BYTES_MAX: usize = 256 * 1024;

/// What is sent, and the code that must close the connection.
struct Violation {
    what: &'static str,
    bytes: Vec<u8>,
    code: u16,
}

fn violation(what: &'static str, bytes: Vec<u8>, code: u16) -> Violation {
    Violation { what, bytes, code }
}

/// Sends each to a connection that has attached and to one that has not.
async fn try_all(violations: Vec<Violation>) {
    let west = start("west", "").await;
    for Violation { what, bytes, code } in violations {
        let mut fresh = Raw::upgraded(west.vehicles(), "waygate.v1.json").await;
        fresh.send(&bytes).await;
        assert_eq!(fresh.closed().await, code, "{what}, before the attach");
        let mut attached = Raw::attached(west.vehicles(), "LUX-1").await;
        attached.send(&bytes).await;
        assert_eq!(attached.closed().await, code, "{what}, after the attach");
    }
    let mut sound = Raw::attached(west.vehicles(), "LUX-1").await;
    sound.send(&frame(PING, b"still there?")).await;
    assert_eq!(sound.frame().await, Some((PONG, b"still there?".to_vec())));
    west.gateway.shutdown().await;
}

#[tokio::test]
async fn a_frame_that_the_rfc_does_not_allow_is_closed_with_1002() {
    let mut unmasked = vec![TEXT, 2];
    unmasked.extend(b"{}");
    let mut violations = vec![
        violation("an unmasked text frame", unmasked, 1002),
        violation("an unmasked ping", vec![PING, 0], 1002),
        violation("a fragmented ping", frame(PING & 0x7f, b""), 1002),
        violation("a fragmented close", frame(CLOSE & 0x7f, b""), 1002),
        violation("a ping of 126 bytes", frame(PING, &[0; 126]), 1002),
        violation("a close of 126 bytes", frame(CLOSE, &close_body(1000, &[b'a'; 124])), 1002),
        violation("a continuation of nothing", frame(ENDS, b"{}"), 1002),
        violation("a continuation of nothing, going on", frame(CONTINUES, b"{}"), 1002),
        violation("a message inside a message", [frame(TEXT_BEGINS, b"{"), frame(TEXT, b"{}")].concat(), 1002),
        violation("a binary message inside a text", [frame(TEXT_BEGINS, b"{"), frame(BINARY, b"}")].concat(), 1002),
        violation("a continuation after the end", [frame(PONG, b""), frame(ENDS, b"}")].concat(), 1002),
    ];
    for bit in [0x40, 0x20, 0x10] {
        violations.push(violation("a reserved bit on text", frame(TEXT | bit, b"{}"), 1002));
        violations.push(violation("a reserved bit on a ping", frame(PING | bit, b""), 1002));
        violations.push(violation("a reserved bit on a close", frame(CLOSE | bit, &close_body(1000, b"")), 1002));
    }
    for opcode in [3, 4, 5, 6, 7, 11, 12, 13, 14, 15] {
        violations.push(violation("a reserved opcode", frame(0x80 | opcode, b""), 1002));
        violations.push(violation("a reserved opcode with a payload", frame(0x80 | opcode, b"x"), 1002));
    }
    try_all(violations).await;
}

#[tokio::test]
async fn a_close_frame_that_the_rfc_does_not_allow_is_answered_with_1002_or_1007() {
    let mut violations = vec![
        violation("a close of one byte", frame(CLOSE, &[3]), 1002),
        violation("a reason that is not UTF-8", frame(CLOSE, &close_body(1000, &[0xc3, 0x28])), 1007),
        violation("a reason cut inside a code point", frame(CLOSE, &close_body(1000, &[0xe2, 0x82])), 1007),
    ];
    for code in [0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535] {
        violations.push(violation("a code that may not be sent", frame(CLOSE, &close_body(code, b"")), 1002));
    }
    try_all(violations).await;
}

#[tokio::test]
async fn a_close_is_echoed_with_its_code() {
    let west = start("west", "").await;
    for code in [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 3000, 3999, 4000, 4999] {
        let mut raw = Raw::upgraded(west.vehicles(), "waygate.v1.json").await;
        raw.send(&frame(CLOSE, &close_body(code, "tschüss".as_bytes()))).await;
        assert_eq!(raw.closed().await, code);
    }
    let mut bare = Raw::attached(west.vehicles(), "LUX-1").await;
    bare.send(&frame(CLOSE, b"")).await;
    assert_eq!(bare.closed().await, 1005, "a close without a code is echoed without one");
    west.gateway.shutdown().await;
}

#[tokio::test]
async fn what_follows_a_close_is_passed_over() {
    let west = start("west", "").await;
    let mut raw = Raw::attached(west.vehicles(), "LUX-1").await;
    let mut bytes = frame(CLOSE, &close_body(1000, b""));
    bytes.extend(frame(TEXT, b"{}"));
    bytes.extend(frame(PING, b"no answer"));
    bytes.extend(frame(TEXT, &[b' '; 60_000]));
    raw.send(&bytes).await;
    assert_eq!(raw.closed().await, 1000);
    west.gateway.shutdown().await;
}

#[tokio::test]
async fn the_close_can_be_read_however_much_was_sent_behind_the_violation() {
    let west = start("west", "").await;
    for round in 0..20 {
        let mut raw = Raw::attached(west.vehicles(), "LUX-1").await;
        let mut bytes = frame(TEXT | 0x40, b"{}");
        bytes.extend(vec![0; 200_000]);
        raw.send(&bytes).await;
        assert_eq!(raw.closed().await, 1002, "round {round}");
    }
    west.gateway.shutdown().await;
}

#[tokio::test]
async fn text_that_is_not_utf8_is_closed_with_1007() {
    let cut = [frame(TEXT_BEGINS, &[b'"', 0xe2, 0x82]), frame(ENDS, b"\"")].concat();
    try_all(vec![
        violation("a lone continuation byte", frame(TEXT, &[0x80]), 1007),
        violation("an overlong form", frame(TEXT, &[0xc0, 0xaf]), 1007),
        violation("a surrogate", frame(TEXT, &[0xed, 0xa0, 0x80]), 1007),
        violation("beyond Unicode", frame(TEXT, &[0xf4, 0x90, 0x80, 0x80]), 1007),
        violation("a code point cut by the end", frame(TEXT, &[b'{', 0xe2, 0x82]), 1007),
        violation("a code point cut by another character", cut, 1007),
        violation("a bad byte in a continuation", [frame(TEXT_BEGINS, b"{"), frame(ENDS, &[0xff])].concat(), 1007),
        violation("text that is no JSON", frame(TEXT, b"hello"), 1007),
        violation("an empty text", frame(TEXT, b""), 1007),
    ])
    .await;
}

#[tokio::test]
async fn a_binary_frame_to_json_is_closed_with_1003_and_a_text_frame_to_protobuf_too() {
    try_all(vec![violation("binary", frame(BINARY, b"{}"), 1003)]).await;
    let west = start("west", "").await;
    let mut proto = Raw::upgraded(west.vehicles(), "waygate.v1.proto").await;
    proto.say(&attach_request("LUX-1", json!({}))).await;
    assert_eq!(proto.closed().await, 1003);
    let mut garbage = Raw::upgraded(west.vehicles(), "waygate.v1.proto").await;
    garbage.send(&frame(BINARY, &[0xff; 40])).await;
    assert_eq!(garbage.closed().await, 1007, "what is no protobuf cannot be read");
    west.gateway.shutdown().await;
}

#[tokio::test]
async fn a_length_beyond_the_limit_is_refused_on_the_header_alone() {
    let west = start("west", "").await;
    for (first, length, codes) in [
        (TEXT, MESSAGE_BYTES_MAX as u64 + 1, &[1009][..]),
        (BINARY, 1 << 20, &[1009]),
        (TEXT, 1 << 40, &[1009]),
        (TEXT, i64::MAX as u64, &[1009]),
        (TEXT, 1 << 63, &[1002, 1009]),
        (TEXT, u64::MAX, &[1002, 1009]),
    ] {
        for mut raw in
            [Raw::upgraded(west.vehicles(), "waygate.v1.json").await, Raw::attached(west.vehicles(), "LUX-1").await]
        {
            raw.send(&lying_header(first, length)).await;
            let code = raw.closed().await;
            assert!(codes.contains(&code), "{length:#x} is answered with {code}");
        }
    }
    west.gateway.shutdown().await;
}

#[tokio::test]
async fn a_message_beyond_the_limit_is_closed_with_1009_also_in_fragments() {
    let half = vec![b' '; MESSAGE_BYTES_MAX / 2 + 1];
    let fragments = [frame(TEXT_BEGINS, &half), frame(ENDS, &half)].concat();
    try_all(vec![
        violation("one frame", frame(TEXT, &vec![b' '; MESSAGE_BYTES_MAX + 1]), 1009),
        violation("two fragments", fragments, 1009),
    ])
    .await;
}

#[tokio::test]
async fn a_message_of_exactly_the_limit_is_taken() {
    let west = start("west", "").await;
    let mut text = attach_request("LUX-1", json!({})).to_string().into_bytes();
    text.resize(MESSAGE_BYTES_MAX, b' ');
    let mut raw = Raw::upgraded(west.vehicles(), "waygate.v1.json").await;
    raw.send(&frame(TEXT, &text)).await;
    assert_eq!(raw.hear().await["type"], "attach_accept");
    let mut pieces = Raw::upgraded(west.vehicles(), "waygate.v1.json").await;
    for (at, piece) in text.chunks(1024).enumerate() {
        let begins = if at == 0 { TEXT_BEGINS } else { CONTINUES };
        pieces.send(&frame(begins, piece)).await;
    }
    pieces.send(&frame(ENDS, b"")).await;
    assert_eq!(pieces.hear().await["type"], "attach_accept");
    west.gateway.shutdown().await;
}

#[tokio::test]
async fn a_message_in_fragments_is_put_together_and_pings_between_them_are_answered() {
    let west = start("west", "").await;
    let mut raw = Raw::upgraded(west.vehicles(), "waygate.v1.json").await;
    let text = attach_request("LUX-1", json!({"boot_id": "Zürich €"})).to_string();
    // One byte a frame cuts every code point that has more than one.
    let bytes = text.as_bytes();
    for (at, byte) in bytes.iter().enumerate() {
        let first = if at == 0 { TEXT_BEGINS } else { CONTINUES };
        raw.send(&frame(first, &[*byte])).await;
        if at % 50 == 0 {
            let payload = format!("ping {at}").into_bytes();
            raw.send(&frame(PING, &payload)).await;
            assert_eq!(raw.frame().await, Some((PONG, payload)), "in the middle of a message");
            raw.send(&frame(PONG, b"unasked")).await;
        }
    }
    raw.send(&frame(ENDS, b"")).await;
    assert_eq!(raw.hear().await["type"], "attach_accept");
    west.gateway.shutdown().await;
}

#[tokio::test]
async fn pings_are_answered_with_their_payload_and_pongs_are_not_answered() {
    let west = start("west", "").await;
    let mut raw = Raw::attached(west.vehicles(), "LUX-1").await;
    for length in [0, 1, 124, 125] {
        let payload: Vec<u8> = (0..length).map(|byte| byte as u8).collect();
        raw.send(&frame(PONG, b"unasked")).await;
        raw.send(&frame(PING, &payload)).await;
        assert_eq!(raw.frame().await, Some((PONG, payload)));
    }
    west.gateway.shutdown().await;
}

#[tokio::test]
async fn bytes_may_arrive_one_by_one() {
    let west = start("west", "").await;
    let mut raw = Raw::connect(west.vehicles()).await;
    let mut bytes = good_head();
    bytes.extend(frame(TEXT, attach_request("LUX-1", json!({})).to_string().as_bytes()));
    bytes.extend(frame(CLOSE, &close_body(1000, b"")));
    for byte in bytes {
        raw.send(&[byte]).await;
        tokio::task::yield_now().await;
    }
    assert_eq!(raw.answer().await.status, 101);
    assert_eq!(raw.closed().await, 1000);
    west.gateway.shutdown().await;
}

#[tokio::test]
async fn frames_behind_the_upgrade_in_the_same_segment_are_not_lost() {
    let west = start("west", "").await;
    let mut raw = Raw::connect(west.vehicles()).await;
    let mut bytes = good_head();
    bytes.extend(frame(TEXT, attach_request("LUX-1", json!({})).to_string().as_bytes()));
    let records: Vec<_> = (0..100).map(|ago_s| record(ago_s, 49.61, 6.13)).collect();
    let telemetry = json!({"type": "telemetry", "first_seq": "1", "records": records});
    bytes.extend(frame(TEXT, telemetry.to_string().as_bytes()));
    raw.send(&bytes).await;
    assert_eq!(raw.answer().await.status, 101);
    assert_eq!(raw.hear().await["type"], "attach_accept");
    assert_eq!(raw.hear().await["through"], "100");
    west.gateway.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_frame_is_lost_between_large_and_small_ones_however_they_arrive() {
    let west = start("west", "").await;
    let mut raw = Raw::attached(west.vehicles(), "LUX-1").await;
    let (mut bytes, mut expected) = (Vec::new(), Vec::new());
    let sizes = [0, 10, 900, 1014, 1024, 1100, 2048, 2049, 4000, 9000, 70_000, 200_000];
    let mut dice = 0x9e37_79b9_u64;
    let mut below = |bound: usize| {
        dice ^= dice << 13;
        dice ^= dice >> 7;
        dice ^= dice << 17;
        dice as usize % bound
    };
    for at in 0..400 {
        let padding = " ".repeat(sizes[below(sizes.len())]);
        let question = format!("{{\"type\":\"time_request\",\"sent\":\"{at}\"{padding}}}").into_bytes();
        if below(4) == 0 {
            let cut = below(question.len());
            bytes.extend(frame(TEXT_BEGINS, &question[..cut]));
            bytes.extend(frame(PONG, b"unasked"));
            bytes.extend(frame(ENDS, &question[cut..]));
        } else {
            bytes.extend(frame(TEXT, &question));
        }
        expected.push(at.to_string());
    }
    let mut pieces = Vec::new();
    let mut rest = bytes.as_slice();
    while !rest.is_empty() {
        let (piece, after) = rest.split_at((1 + below(5000)).min(rest.len()));
        pieces.push(piece.to_vec());
        rest = after;
    }
    let Raw { stream, .. } = &mut raw;
    let (mut reader, mut writer) = tokio::io::split(stream);
    let writing = async {
        use tokio::io::AsyncWriteExt;
        for piece in &pieces {
            writer.write_all(piece).await.unwrap();
            tokio::task::yield_now().await;
        }
    };
    let mut heard = Vec::new();
    let reading = async {
        use tokio::io::AsyncReadExt;
        while !String::from_utf8_lossy(&heard).contains("\"sent\":\"399\"") {
            assert!(reader.read_buf(&mut heard).await.unwrap() > 0, "the gateway ended the session");
        }
    };
    tokio::time::timeout(support::PATIENCE, async { tokio::join!(writing, reading) }).await.expect("all is answered");
    let heard = String::from_utf8_lossy(&heard);
    let answers: Vec<&str> = heard.split("\"sent\":\"").skip(1).map(|rest| rest.split('"').next().unwrap()).collect();
    assert_eq!(answers, expected, "each question is answered once, in order");
    drop(raw);
    west.gateway.shutdown().await;
}

#[tokio::test]
async fn a_message_of_endless_tiny_fragments_is_cut() {
    let west = start("west", "").await;
    let mut raw = Raw::attached(west.vehicles(), "LUX-1").await;
    let empty = frame(CONTINUES, b"").repeat(1000);
    raw.send(&frame(TEXT_BEGINS, b"{")).await;
    for _ in 0..100 {
        use tokio::io::AsyncWriteExt;
        if raw.stream.write_all(&empty).await.is_err() {
            break;
        }
    }
    assert_eq!(raw.closed().await, 1008);
    west.gateway.shutdown().await;
}

async fn answer(west: &Running, bytes: &[u8]) -> support::raw::Answer {
    let mut raw = Raw::connect(west.vehicles()).await;
    raw.send(bytes).await;
    raw.answer().await
}

#[tokio::test]
async fn every_request_that_is_no_good_upgrade_has_its_status() {
    let west = start("west", "").await;
    let get = "GET /v1/obu HTTP/1.1";
    let cases: Vec<(&str, Vec<u8>, u16)> = vec![
        ("another path", head("GET /v1/other HTTP/1.1", &[]), 404),
        ("the root", head("GET / HTTP/1.1", &[]), 404),
        ("POST", head("POST /v1/obu HTTP/1.1", &[("Content-Length", Some("0"))]), 405),
        ("HEAD", head("HEAD /v1/obu HTTP/1.1", &[]), 405),
        ("a query", head("GET /v1/obu?token=x HTTP/1.1", &[]), 400),
        ("no upgrade", head(get, &[("Upgrade", None)]), 426),
        ("another upgrade", head(get, &[("Upgrade", Some("h2c"))]), 426),
        ("no connection", head(get, &[("Connection", None)]), 426),
        ("version 8", head(get, &[("Sec-WebSocket-Version", Some("8"))]), 426),
        ("no version", head(get, &[("Sec-WebSocket-Version", None)]), 426),
        (
            "two versions",
            head(get, &[("Sec-WebSocket-Version", Some("13")), ("Sec-WebSocket-Version", Some("13"))]),
            426,
        ),
        ("no key", head(get, &[("Sec-WebSocket-Key", None)]), 400),
        ("a short key", head(get, &[("Sec-WebSocket-Key", Some("c2hvcnQ="))]), 400),
        (
            "two keys",
            head(
                get,
                &[
                    ("Sec-WebSocket-Key", Some("dGhlIHNhbXBsZSBub25jZQ==")),
                    ("Sec-WebSocket-Key", Some("x3JJHMbDL1EzLkh9GBhXDw==")),
                ],
            ),
            400,
        ),
        ("no subprotocol", head(get, &[("Sec-WebSocket-Protocol", None)]), 400),
        ("an unknown subprotocol", head(get, &[("Sec-WebSocket-Protocol", Some("waygate.v2.json"))]), 400),
        ("an Origin", head(get, &[("Origin", Some("http://localhost"))]), 403),
        ("an Origin of null", head(get, &[("Origin", Some("null"))]), 403),
        ("a token", head(get, &[("Authorization", Some("Bearer eyJ"))]), 401),
        ("no host", head(get, &[("Host", None)]), 400),
        ("two hosts", head(get, &[("Host", Some("a")), ("Host", Some("b"))]), 400),
        ("HTTP/1.0", head("GET /v1/obu HTTP/1.0", &[]), 426),
        ("a body", [head(get, &[("Content-Length", Some("5"))]), b"hello".to_vec()].concat(), 400),
        (
            "a chunked body",
            [head(get, &[("Transfer-Encoding", Some("chunked"))]), b"5\r\nhello\r\n0\r\n\r\n".to_vec()].concat(),
            400,
        ),
        ("no HTTP", b"hello gateway\r\n\r\n".to_vec(), 400),
        ("TLS", vec![0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3, 13, 10, 13, 10], 400),
        ("a folded header", head(get, &[("X-Folded", Some("a\r\n b"))]), 400),
        ("a space before the colon", head(get, &[("X-Spaced ", Some("a"))]), 400),
        ("a head without end", head(get, &[("X-Long", Some(&"x".repeat(100_000)))]), 431),
    ];
    for (what, bytes, status) in cases {
        let answer = answer(&west, &bytes).await;
        assert_eq!(answer.status, status, "{what}: {answer:?}");
        let said_by_us = !answer.body.is_empty();
        if said_by_us {
            assert_eq!(answer.header("content-type"), Some("application/problem+json"), "{what}");
            let problem: serde_json::Value = serde_json::from_str(&answer.body).unwrap();
            assert_eq!(problem["status"], status, "{what}");
        }
        match status {
            405 => assert_eq!(answer.header("allow"), Some("GET"), "{what}"),
            401 => assert_eq!(answer.header("www-authenticate"), Some("Bearer"), "{what}"),
            426 => assert!(answer.header("upgrade").or(answer.header("sec-websocket-version")).is_some(), "{what}"),
            _ => {}
        }
    }
    west.gateway.shutdown().await;
}

#[tokio::test]
async fn what_browsers_and_proxies_write_differently_is_still_a_good_upgrade() {
    let west = start("west", "").await;
    let get = "GET /v1/obu HTTP/1.1";
    let cases = [
        ("case", head(get, &[("connection", Some("keep-alive, UPGRADE")), ("UPGRADE", Some("WebSocket"))])),
        ("two connection headers", head(get, &[("Connection", Some("keep-alive")), ("Connection", Some("upgrade"))])),
        ("a list", head(get, &[("Sec-WebSocket-Protocol", Some("chat , waygate.v1.json"))])),
        (
            "a list in two headers",
            head(get, &[("Sec-WebSocket-Protocol", Some("chat")), ("Sec-WebSocket-Protocol", Some("waygate.v1.json"))]),
        ),
        ("an offer of compression", head(get, &[("Sec-WebSocket-Extensions", Some("permessage-deflate"))])),
        ("the absolute form", head("GET http://localhost/v1/obu HTTP/1.1", &[])),
    ];
    for (what, bytes) in cases {
        let answer = answer(&west, &bytes).await;
        assert_eq!(answer.status, 101, "{what}: {answer:?}");
        assert_eq!(answer.header("sec-websocket-accept"), Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="), "{what}");
        assert_eq!(answer.header("sec-websocket-protocol"), Some("waygate.v1.json"), "{what}");
        assert_eq!(answer.header("sec-websocket-extensions"), None, "no extension is spoken");
    }
    let both = head(get, &[("Sec-WebSocket-Protocol", Some("waygate.v1.proto, waygate.v1.json"))]);
    assert_eq!(
        answer(&west, &both).await.header("sec-websocket-protocol"),
        Some("waygate.v1.proto"),
        "the first offered"
    );
    west.gateway.shutdown().await;
}

#[tokio::test]
async fn a_head_that_does_not_come_is_given_up_after_five_seconds() {
    let west = start("west", "").await;
    let started = Instant::now();
    let mut silent = Raw::connect(west.vehicles()).await;
    let mut slow = Raw::connect(west.vehicles()).await;
    slow.send(b"GET /v1/obu HTTP/1.1\r\nHost: localhost\r\nX-Slow: ").await;
    let trickle = async {
        use tokio::io::AsyncWriteExt;
        let mut tick = tokio::time::interval(Duration::from_millis(100));
        loop {
            tick.tick().await;
            if slow.stream.write_all(b"x").await.is_err() {
                return;
            }
        }
    };
    let ended = async { tokio::join!(trickle, silent.ended()) };
    tokio::time::timeout(Duration::from_secs(9), ended).await.expect("both are given up");
    assert!(started.elapsed() > Duration::from_secs(4), "but not at once");
    west.gateway.shutdown().await;
}

#[tokio::test]
async fn an_attach_that_does_not_come_is_rejected_after_five_seconds() {
    let west = start("west", "").await;
    let started = Instant::now();
    let mut silent = Raw::upgraded(west.vehicles(), "waygate.v1.json").await;
    let mut chatty = Raw::upgraded(west.vehicles(), "waygate.v1.json").await;
    let mut partial = Raw::upgraded(west.vehicles(), "waygate.v1.json").await;
    partial.send(&frame(TEXT_BEGINS, b"{\"type\":")).await;
    let chat = async {
        let mut tick = tokio::time::interval(Duration::from_millis(200));
        for _ in 0..35 {
            tick.tick().await;
            use tokio::io::AsyncWriteExt;
            if chatty.stream.write_all(&frame(PING, b"here")).await.is_err() {
                break;
            }
        }
    };
    let heard = async {
        for raw in [&mut silent, &mut partial] {
            let reject = raw.hear().await;
            assert_eq!(
                (&reject["type"], &reject["cause"]),
                (&json!("attach_reject"), &json!("bad_message")),
                "{reject}"
            );
            assert_eq!(reject["class"], "fix_then_retry");
            assert_eq!(raw.closed().await, 4200);
        }
    };
    tokio::time::timeout(Duration::from_secs(9), async { tokio::join!(chat, heard) }).await.expect("in time");
    assert!(started.elapsed() > Duration::from_secs(4));
    assert_eq!(chatty.hear().await["cause"], "bad_message", "pings are no attach");
    west.gateway.shutdown().await;
}

#[tokio::test]
async fn a_gateway_that_closes_does_not_wait_long_for_the_other_side() {
    let west = start("west", "").await;
    let mut raw = Raw::attached(west.vehicles(), "LUX-1").await;
    let _newer = Raw::attached(west.vehicles(), "LUX-1").await;
    assert_eq!(raw.hear().await["type"], "detach_order");
    let started = Instant::now();
    assert_eq!(raw.frame().await, Some((CLOSE, close_body(4409, b""))));
    // The older vehicle never answers the Close.
    assert_eq!(raw.frame().await, None);
    assert!(started.elapsed() < Duration::from_secs(5));
    west.gateway.shutdown().await;
}
