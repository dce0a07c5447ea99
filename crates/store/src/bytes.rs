//! Numbers as bytes: LEB128, zig-zag for signed ones, and a reader that never panics.

use waygate_core::ranges::SeqRanges;

/// Appends `n` in groups of seven bits, low ones first.
pub(crate) fn put_u64(out: &mut Vec<u8>, mut n: u64) {
    while n >= 0x80 {
        // The low seven bits and the sign that more follow.
        out.push(n as u8 | 0x80);
        n >>= 7;
    }
    out.push(n as u8);
}

/// Appends `n` so that small magnitudes of either sign are short.
pub(crate) fn put_i64(out: &mut Vec<u8>, n: i64) {
    put_u64(out, ((n << 1) ^ (n >> 63)) as u64);
}

/// Appends a length and the bytes.
pub(crate) fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put_u64(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

/// Appends a flag and, if there is one, the number.
pub(crate) fn put_option(out: &mut Vec<u8>, n: Option<u64>) {
    match n {
        None => out.push(0),
        Some(n) => {
            out.push(1);
            put_u64(out, n);
        }
    }
}

/// Appends the ranges as gaps and lengths.
pub(crate) fn put_ranges(out: &mut Vec<u8>, ranges: &SeqRanges) {
    put_u64(out, ranges.len() as u64);
    let mut at = 0;
    for range in ranges.iter() {
        put_u64(out, range.start() - at);
        put_u64(out, range.end() - range.start());
        at = *range.end();
    }
}

/// Reads what the functions above wrote; `None` once the bytes do not hold it.
#[derive(Debug)]
pub(crate) struct Bytes<'a>(pub(crate) &'a [u8]);

impl<'a> Bytes<'a> {
    pub(crate) fn u8(&mut self) -> Option<u8> {
        let (&first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(first)
    }

    pub(crate) fn u64(&mut self) -> Option<u64> {
        let mut n = 0u64;
        for shift in (0..64).step_by(7) {
            let byte = self.u8()?;
            let bits = u64::from(byte & 0x7f);
            if shift == 63 && bits > 1 {
                return None;
            }
            n |= bits << shift;
            if byte & 0x80 == 0 {
                return Some(n);
            }
        }
        None
    }

    pub(crate) fn i64(&mut self) -> Option<i64> {
        let n = self.u64()?;
        Some((n >> 1) as i64 ^ -((n & 1) as i64))
    }

    pub(crate) fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let (head, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(head)
    }

    pub(crate) fn bytes(&mut self) -> Option<&'a [u8]> {
        let len = usize::try_from(self.u64()?).ok()?;
        self.take(len)
    }

    pub(crate) fn option(&mut self) -> Option<Option<u64>> {
        match self.u8()? {
            0 => Some(None),
            1 => self.u64().map(Some),
            _ => None,
        }
    }

    pub(crate) fn ranges(&mut self) -> Option<SeqRanges> {
        let mut ranges = SeqRanges::new();
        let mut at = 0u64;
        for _ in 0..self.u64()? {
            let first = at.checked_add(self.u64()?)?;
            at = first.checked_add(self.u64()?)?;
            ranges.insert(first, at);
        }
        Some(ranges)
    }
}

#[cfg(test)]
#[path = "bytes_tests.rs"]
mod tests;
