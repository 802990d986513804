//! Which addresses may be reached: public ones, and private ones only where the plane's owner allows them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Which addresses may be reached.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct AddressRules {
    /// Whether loopback and private networks may be reached too, as a developer needs. What nobody needs to call stays
    /// forbidden: above all link-local addresses, where clouds keep the credentials of their machines.
    pub allow_private: bool,
}

/// An address that must not be reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the address {address} is {kind}, which must not be called from here")]
pub struct ForbiddenAddress {
    /// The address.
    pub address: IpAddr,
    /// What kind of address it is.
    pub kind: &'static str,
}

/// What an address is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Public,
    Private(&'static str),
    Never(&'static str),
}

impl AddressRules {
    /// Refuses an address that must not be reached.
    pub fn check(self, address: IpAddr) -> Result<(), ForbiddenAddress> {
        match kind_of(address) {
            Kind::Public => Ok(()),
            Kind::Private(_) if self.allow_private => Ok(()),
            Kind::Private(kind) | Kind::Never(kind) => Err(ForbiddenAddress { address, kind }),
        }
    }
}

fn kind_of(address: IpAddr) -> Kind {
    match address {
        IpAddr::V4(address) => kind_of_v4(address),
        IpAddr::V6(address) => kind_of_v6(address),
    }
}

fn kind_of_v4(address: Ipv4Addr) -> Kind {
    const LOOPBACK: Kind = Kind::Private("loopback");
    const PRIVATE: Kind = Kind::Private("of a private network");
    const RESERVED: Kind = Kind::Never("reserved");
    match address.octets() {
        [127, ..] => LOOPBACK,
        [10, ..] | [192, 168, ..] => PRIVATE,
        [172, second, ..] if (16..32).contains(&second) => PRIVATE,
        // Shared by carriers and overlay networks.
        [100, second, ..] if (64..128).contains(&second) => PRIVATE,
        [169, 254, ..] => Kind::Never("link-local"),
        [224..=239, ..] => Kind::Never("multicast"),
        // This host, and 255.255.255.255 with everything that is kept for later.
        [0, ..] | [240..=255, ..] => RESERVED,
        // Protocol assignments, documentation, 6to4 relays and benchmarks.
        [192, 0, 0 | 2, _] | [192, 88, 99, _] | [198, 18..=19, ..] | [198, 51, 100, _] | [203, 0, 113, _] => RESERVED,
        // Azure's platform answers here, credentials included.
        [168, 63, 129, 16] => Kind::Never("a cloud's metadata service"),
        _ => Kind::Public,
    }
}

fn kind_of_v6(address: Ipv6Addr) -> Kind {
    if address == Ipv6Addr::LOCALHOST {
        return Kind::Private("loopback");
    }
    if let Some(inside) = address.to_ipv4_mapped() {
        return kind_of_v4(inside);
    }
    let [first, second, third, fourth, fifth, sixth, seventh, eighth] = address.segments();
    match first {
        // NAT64 by its well-known prefix: where a network has no IPv4, every IPv4 host has such an address.
        0x64 if (second, third, fourth, fifth, sixth) == (0xff9b, 0, 0, 0, 0) => {
            kind_of_v4(Ipv4Addr::from((u32::from(seventh) << 16) | u32::from(eighth)))
        }
        0xfc00..=0xfdff => Kind::Private("of a private network"),
        0xfe80..=0xfebf => Kind::Never("link-local"),
        0xfec0..=0xfeff => Kind::Never("site-local"),
        0xff00..=0xffff => Kind::Never("multicast"),
        // Each hides an IPv4 address, and no public host has only such a one.
        0x2001 if second == 0 => Kind::Never("a Teredo tunnel"),
        0x2002 => Kind::Never("a 6to4 tunnel"),
        // Protocol assignments, benchmarks and overlay identifiers, and documentation.
        0x2001 if second < 0x0200 || second == 0x0db8 => Kind::Never("reserved"),
        0x3fff if second < 0x1000 => Kind::Never("reserved"),
        // All that is given out for hosts. Everything else, `::` and the forms that embed IPv4 included, is not.
        0x2000..=0x3fff => Kind::Public,
        _ => Kind::Never("reserved"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Addresses with what they are: `+` is public, `-` is private, and `x` is what nobody calls.
    const TABLE: &[(&str, char)] = &[
        ("1.1.1.1", '+'),
        ("8.8.8.8", '+'),
        ("93.184.216.34", '+'),
        ("9.255.255.255", '+'),
        ("11.0.0.0", '+'),
        ("100.63.255.255", '+'),
        ("100.128.0.0", '+'),
        ("126.255.255.255", '+'),
        ("128.0.0.0", '+'),
        ("168.63.129.15", '+'),
        ("169.253.255.255", '+'),
        ("169.255.0.0", '+'),
        ("172.15.255.255", '+'),
        ("172.32.0.0", '+'),
        ("192.0.1.0", '+'),
        ("192.167.255.255", '+'),
        ("192.169.0.0", '+'),
        ("198.17.255.255", '+'),
        ("198.20.0.0", '+'),
        ("223.255.255.255", '+'),
        ("10.0.0.0", '-'),
        ("10.255.255.255", '-'),
        ("100.64.0.0", '-'),
        ("100.100.100.200", '-'),
        ("100.127.255.255", '-'),
        ("127.0.0.0", '-'),
        ("127.0.0.1", '-'),
        ("127.255.255.255", '-'),
        ("172.16.0.0", '-'),
        ("172.31.255.255", '-'),
        ("192.168.0.0", '-'),
        ("192.168.255.255", '-'),
        ("0.0.0.0", 'x'),
        ("0.0.0.1", 'x'),
        ("0.255.255.255", 'x'),
        ("168.63.129.16", 'x'),
        ("169.254.0.0", 'x'),
        ("169.254.169.254", 'x'),
        ("169.254.170.2", 'x'),
        ("169.254.255.255", 'x'),
        ("192.0.0.0", 'x'),
        ("192.0.0.170", 'x'),
        ("192.0.2.1", 'x'),
        ("192.88.99.1", 'x'),
        ("198.18.0.0", 'x'),
        ("198.19.255.255", 'x'),
        ("198.51.100.1", 'x'),
        ("203.0.113.1", 'x'),
        ("224.0.0.1", 'x'),
        ("239.255.255.250", 'x'),
        ("240.0.0.1", 'x'),
        ("255.255.255.255", 'x'),
        ("2606:4700:4700::1111", '+'),
        ("2001:4860:4860::8888", '+'),
        ("2a00:1450:4001:81b::200e", '+'),
        ("2001:0200::1", '+'),
        ("3ffe::1", '+'),
        ("::ffff:8.8.8.8", '+'),
        ("64:ff9b::8.8.8.8", '+'),
        ("::1", '-'),
        ("::ffff:127.0.0.1", '-'),
        ("::ffff:10.0.0.1", '-'),
        ("::ffff:c0a8:1", '-'),
        ("64:ff9b::127.0.0.1", '-'),
        ("64:ff9b::10.1.2.3", '-'),
        ("fc00::1", '-'),
        ("fd00:ec2::254", '-'),
        ("fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", '-'),
        ("::", 'x'),
        ("::2", 'x'),
        ("::127.0.0.1", 'x'),
        ("::8.8.8.8", 'x'),
        ("::ffff:0:127.0.0.1", 'x'),
        ("::ffff:169.254.169.254", 'x'),
        ("::ffff:0.0.0.0", 'x'),
        ("::ffff:224.0.0.1", 'x'),
        ("64:ff9b::169.254.169.254", 'x'),
        ("64:ff9b:1::1.1.1.1", 'x'),
        ("100::1", 'x'),
        ("2001::1", 'x'),
        ("2001:0:4136:e378:8000:63bf:3fff:fdd2", 'x'),
        ("2001:2::1", 'x'),
        ("2001:10::1", 'x'),
        ("2001:20::1", 'x'),
        ("2001:db8::1", 'x'),
        ("2002:7f00:1::", 'x'),
        ("2002:a9fe:a9fe::1", 'x'),
        ("2002:808:808::1", 'x'),
        ("3fff::1", 'x'),
        ("4000::1", 'x'),
        ("5f00::1", 'x'),
        ("e000::1", 'x'),
        ("fe80::1", 'x'),
        ("febf::1", 'x'),
        ("fec0::1", 'x'),
        ("ff02::1", 'x'),
        ("ff0e::1", 'x'),
    ];

    #[test]
    fn row_29_only_public_addresses_are_reached_and_private_ones_where_they_are_allowed() {
        for (text, kind) in TABLE {
            let address: IpAddr = text.parse().expect(text);
            let strict = AddressRules::default().check(address).is_ok();
            let lenient = AddressRules { allow_private: true }.check(address).is_ok();
            assert_eq!((strict, lenient), (*kind == '+', *kind != 'x'), "{text}");
        }
    }

    #[test]
    fn a_refusal_says_which_address_and_why() {
        let refusal = AddressRules::default().check("169.254.169.254".parse().unwrap()).unwrap_err();
        assert_eq!(
            refusal.to_string(),
            "the address 169.254.169.254 is link-local, which must not be called from here"
        );
    }
}
