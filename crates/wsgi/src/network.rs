//! Addresses and subnets as `WSGITrustedProxies` names them.
//!
//! `address`, `address/bits` and `address/mask`, and for IPv4 the first numbers alone (`10.1`), as
//! httpd's own `Require ip` takes them. An IPv4 address that comes in IPv6 clothes
//! (`::ffff:10.0.0.1`) is taken for what it is.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A set of addresses with the same first bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Network {
    /// Of IPv4: address and mask.
    V4(u32, u32),
    /// Of IPv6: address and mask.
    V6(u128, u128),
}

impl Network {
    /// Reads a word of the configuration; `None` if it is neither address nor subnet.
    #[must_use]
    pub fn parse(word: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(word).ok()?;
        match text.split_once('/') {
            None => address(word).map(Self::from).or_else(|| partial(text)),
            Some((base, size)) => match base.parse().ok()? {
                IpAddr::V4(base) => {
                    let mask = match size.parse::<Ipv4Addr>() {
                        Ok(mask) => mask.to_bits(),
                        Err(_) => mask(bits(size, 32)?, 32) as u32,
                    };
                    Some(Self::V4(base.to_bits() & mask, mask))
                }
                IpAddr::V6(base) => {
                    let mask = match size.parse::<Ipv6Addr>() {
                        Ok(mask) => mask.to_bits(),
                        Err(_) => mask(bits(size, 128)?, 128),
                    };
                    Some(Self::V6(base.to_bits() & mask, mask))
                }
            },
        }
    }

    /// Whether the address is one of it.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self, address) {
            (Self::V4(base, mask), IpAddr::V4(address)) => address.to_bits() & mask == *base,
            (Self::V6(base, mask), IpAddr::V6(address)) => address.to_bits() & mask == *base,
            _ => false,
        }
    }
}

impl From<IpAddr> for Network {
    fn from(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(address) => Self::V4(address.to_bits(), u32::MAX),
            IpAddr::V6(address) => Self::V6(address.to_bits(), u128::MAX),
        }
    }
}

/// An address as text, without port, brackets or blanks.
#[must_use]
pub fn address(text: &[u8]) -> Option<IpAddr> {
    let address: IpAddr = std::str::from_utf8(text).ok()?.parse().ok()?;
    Some(address.to_canonical())
}

fn bits(text: &str, most: u32) -> Option<u32> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|bits| digits && *bits <= most)
}

/// The mask of the first `bits` of `width` bits.
fn mask(bits: u32, width: u32) -> u128 {
    let ones = u128::MAX.checked_shr(128 - width).unwrap_or(0);
    ones & !ones.checked_shr(bits).unwrap_or(0)
}

/// The first one to three numbers of an IPv4 address, with or without a dot behind them.
fn partial(text: &str) -> Option<Network> {
    let numbers = text.strip_suffix('.').unwrap_or(text);
    let mut base = 0_u32;
    let mut count = 0;
    for number in numbers.split('.') {
        let number = bits(number, 255)?;
        base = base << 8 | number;
        count += 1;
    }
    (1..=3).contains(&count).then(|| {
        let rest = 32 - 8 * count;
        Network::V4(base << rest, u32::MAX << rest)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn holds(network: &str, ip: &str) -> bool {
        Network::parse(network.as_bytes()).unwrap().contains(address(ip.as_bytes()).unwrap())
    }

    #[test]
    fn an_address_is_itself_and_nothing_else() {
        assert!(holds("10.0.0.1", "10.0.0.1"));
        assert!(!holds("10.0.0.1", "10.0.0.2"));
        assert!(holds("::1", "::1"));
        assert!(!holds("::1", "127.0.0.1"));
    }

    #[test]
    fn a_subnet_is_given_by_bits_or_by_mask() {
        for network in ["10.1.0.0/16", "10.1.9.9/16", "10.1.0.0/255.255.0.0", "10.1", "10.1."] {
            assert!(holds(network, "10.1.255.3"), "{network}");
            assert!(!holds(network, "10.2.0.1"), "{network}");
        }
        assert!(holds("0.0.0.0/0", "1.2.3.4"));
        assert!(!holds("0.0.0.0/0", "::1"));
        assert!(holds("fd00::/8", "fd12::1"));
        assert!(!holds("fd00::/8", "fe80::1"));
        assert!(holds("::/0", "fe80::1"));
        assert!(holds("FD00::/8", "fd12::1"), "upper case is the same number");
    }

    #[test]
    fn an_ipv4_address_in_ipv6_clothes_is_itself() {
        assert!(holds("10.0.0.0/8", "::ffff:10.0.0.1"));
    }

    #[test]
    fn what_is_no_network_is_none() {
        for wrong in [
            "",
            "proxy",
            "10.0.0.1/33",
            "10.0.0.256",
            "1.2.3.4.5",
            "10.1/16",
            "::1/129",
            "/8",
            "10.0.0.1/",
            "10.0.0.1/+8",
            "a::b::c",
            "10..1",
            "*",
            "10.0.0.1 ",
        ] {
            assert_eq!(Network::parse(wrong.as_bytes()), None, "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_taken(word: Vec<u8>) {
            let _ = Network::parse(&word);
            let _ = address(&word);
        }

        #[test]
        fn a_network_holds_its_own_address(ip: IpAddr, bits in 0_u32..=32) {
            let network = Network::parse(format!("{ip}/{bits}").as_bytes()).unwrap();
            prop_assert!(network.contains(ip));
        }
    }
}
