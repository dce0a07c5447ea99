use super::{WakeChannel, WakeChannels};

#[test]
fn a_set_is_its_bits_and_bits_of_a_later_version_are_kept() {
    let both: WakeChannels = WakeChannel::ALL.iter().copied().collect();
    assert_eq!(both.bits(), 3);
    assert_eq!(WakeChannels::from_bits(0x83).bits(), 0x83);
    assert_eq!(WakeChannels::from_bits(0x82).iter().collect::<Vec<_>>(), [WakeChannel::Mqtt]);
    assert!(WakeChannels::from_bits(0x80).is_empty());
    assert!(WakeChannels::NONE.is_empty());
}

#[test]
fn every_channel_is_found_by_its_name() {
    for channel in WakeChannel::ALL {
        assert_eq!(WakeChannel::from_wire(channel.wire()), Some(*channel));
    }
    assert_eq!(WakeChannel::from_wire("pigeon"), None);
}
