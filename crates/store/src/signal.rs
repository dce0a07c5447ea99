//! The value of a signal as bytes: its kind and its content.

use crate::bytes::{Bytes, put_bytes, put_i64};
use waygate_core::record::SignalValue;

const NUMBER: u8 = 1;
const INTEGER: u8 = 2;
const FALSE: u8 = 3;
const TRUE: u8 = 4;
const TEXT: u8 = 5;

pub(crate) fn put_value(out: &mut Vec<u8>, value: &SignalValue) {
    match value {
        SignalValue::Number(n) => {
            out.push(NUMBER);
            out.extend_from_slice(&n.to_le_bytes());
        }
        SignalValue::Integer(n) => {
            out.push(INTEGER);
            put_i64(out, *n);
        }
        SignalValue::Flag(flag) => out.push(if *flag { TRUE } else { FALSE }),
        SignalValue::Text(text) => {
            out.push(TEXT);
            put_bytes(out, text.as_bytes());
        }
    }
}

pub(crate) fn take_value(bytes: &mut Bytes<'_>) -> Option<SignalValue> {
    match bytes.u8()? {
        NUMBER => {
            let le = bytes.take(8)?.first_chunk::<8>()?;
            Some(SignalValue::Number(f64::from_le_bytes(*le)))
        }
        INTEGER => bytes.i64().map(SignalValue::Integer),
        FALSE => Some(SignalValue::Flag(false)),
        TRUE => Some(SignalValue::Flag(true)),
        TEXT => std::str::from_utf8(bytes.bytes()?).ok().map(|text| SignalValue::Text(text.to_owned())),
        _ => None,
    }
}
