//! What a later version says that this one does not know: the fields of a message that are kept to be passed on.

use crate::scan::Fields;

/// The fields of a message with a number above `known`, as they stand; none if it cannot be taken apart.
pub(crate) fn unknown_fields(bytes: &[u8], known: u64) -> Vec<u8> {
    let (mut fields, mut unknown) = (Fields(bytes), Vec::new());
    loop {
        let before = fields.0;
        match fields.next() {
            Some(Ok((number, _))) if number > known => {
                unknown.extend_from_slice(&before[..before.len() - fields.0.len()]);
            }
            Some(Ok(_)) => {}
            Some(Err(_)) => return Vec::new(),
            None => return unknown,
        }
    }
}

/// A varint field, as it stands on the wire.
pub(crate) fn varint_field(number: u8, mut value: u64, out: &mut Vec<u8>) {
    out.push(number << 3);
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}
