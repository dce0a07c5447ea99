//! Ways to reach a vehicle that has no socket.

/// One way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum WakeChannel {
    /// A short message, or whatever the operator's webhook turns into a shoulder tap.
    Sms,
    /// A message on a broker that the vehicle stays subscribed to.
    Mqtt,
}

impl WakeChannel {
    /// Every channel.
    pub const ALL: &[Self] = &[Self::Sms, Self::Mqtt];

    /// The name on the wire.
    pub const fn wire(self) -> &'static str {
        match self {
            Self::Sms => "sms",
            Self::Mqtt => "mqtt",
        }
    }

    /// The channel with this name; one of a later version is none.
    pub fn from_wire(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|channel| channel.wire() == name)
    }

    const fn bit(self) -> u8 {
        match self {
            Self::Sms => 1,
            Self::Mqtt => 2,
        }
    }
}

/// A set of channels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WakeChannels(u8);

impl WakeChannels {
    /// No channel: the vehicle can only come by itself.
    pub const NONE: Self = Self(0);

    /// The set as bits, between gateways and in the store.
    pub const fn bits(self) -> u8 {
        self.0
    }

    /// The set of these bits; those of a later version are kept.
    pub const fn from_bits(bits: u8) -> Self {
        Self(bits)
    }

    /// Whether there is no channel known here.
    pub fn is_empty(self) -> bool {
        self.iter().next().is_none()
    }

    /// Whether the channel is in it.
    pub const fn contains(self, channel: WakeChannel) -> bool {
        self.0 & channel.bit() != 0
    }

    /// The channels of the set that are known here.
    pub fn iter(self) -> impl Iterator<Item = WakeChannel> {
        WakeChannel::ALL.iter().copied().filter(move |channel| self.contains(*channel))
    }
}

impl FromIterator<WakeChannel> for WakeChannels {
    fn from_iter<I: IntoIterator<Item = WakeChannel>>(channels: I) -> Self {
        Self(channels.into_iter().fold(0, |bits, channel| bits | channel.bit()))
    }
}

#[cfg(test)]
#[path = "wake_tests.rs"]
mod tests;
