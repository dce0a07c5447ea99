use super::{Bytes, put_bytes, put_i64, put_option, put_ranges, put_u64};
use proptest::prelude::*;
use waygate_core::ranges::SeqRanges;

proptest! {
    #[test]
    fn what_was_put_is_read(a: u64, b: i64, c: Option<u64>, text: Vec<u8>, pairs: Vec<(u32, u8)>) {
        let ranges: SeqRanges = pairs.iter().map(|&(at, len)| (u64::from(at), u64::from(at) + u64::from(len))).collect();
        let mut out = Vec::new();
        put_u64(&mut out, a);
        put_i64(&mut out, b);
        put_option(&mut out, c);
        put_bytes(&mut out, &text);
        put_ranges(&mut out, &ranges);
        let mut bytes = Bytes(&out);
        prop_assert_eq!(bytes.u64(), Some(a));
        prop_assert_eq!(bytes.i64(), Some(b));
        prop_assert_eq!(bytes.option(), Some(c));
        prop_assert_eq!(bytes.bytes(), Some(&text[..]));
        prop_assert_eq!(bytes.ranges(), Some(ranges));
        prop_assert!(bytes.0.is_empty());
    }

    #[test]
    fn no_bytes_make_it_panic(garbage: Vec<u8>) {
        let _ = Bytes(&garbage).ranges();
        let _ = Bytes(&garbage).bytes();
        let _ = Bytes(&garbage).option();
    }
}

#[test]
fn the_extremes_take_ten_bytes() {
    for n in [i64::MIN, i64::MAX] {
        let mut out = Vec::new();
        put_i64(&mut out, n);
        assert_eq!((out.len(), Bytes(&out).i64()), (10, Some(n)));
    }
}

#[test]
fn an_eleventh_byte_is_refused() {
    assert_eq!(Bytes(&[0xff; 11]).u64(), None);
    assert_eq!(Bytes(&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2]).u64(), None);
}
