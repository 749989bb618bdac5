//! Where callbacks may come from: address ranges that an operator copies from the vendor's firewall page.
//!
//! The address is the one that API Gateway saw, never one from a header, since anyone can write a
//! header.

use std::net::IpAddr;

use ipnet::IpNet;

/// Address ranges that a vendor calls from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sources(Vec<IpNet>);

impl Sources {
    /// Reads ranges (`192.0.2.0/24`, `2001:db8::/32`) and single addresses, separated by commas.
    /// `None` if one is neither, or the list is empty.
    pub fn parse(text: &str) -> Option<Self> {
        let range = |text: &str| {
            text.parse().ok().or_else(|| text.parse().ok().map(|address: IpAddr| address.into()))
        };
        let pieces = text.split(',').map(str::trim).filter(|piece| !piece.is_empty());
        let ranges = pieces.map(range).collect::<Option<Vec<IpNet>>>()?;
        (!ranges.is_empty()).then_some(Self(ranges))
    }

    /// Whether an address lies in one of the ranges. An unknown one does not.
    pub fn include(&self, address: Option<IpAddr>) -> bool {
        address.is_some_and(|address| self.0.iter().any(|range| range.contains(&address.to_canonical())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn include(ranges: &str, address: &str) -> bool {
        Sources::parse(ranges).unwrap().include(address.parse().ok())
    }

    #[test]
    fn an_address_is_in_a_range_up_to_its_ends() {
        assert!(include("192.0.2.0/25, 203.0.113.7", "192.0.2.127"));
        assert!(!include("192.0.2.0/25, 203.0.113.7", "192.0.2.128"));
        assert!(include("192.0.2.0/25, 203.0.113.7", "203.0.113.7"));
        assert!(include("2001:db8::/32", "2001:db8:ffff::1"));
        assert!(include("192.0.2.0/24", "::ffff:192.0.2.9"), "the same address, written as IPv6");
    }

    #[test]
    fn an_unknown_address_is_in_no_range() {
        assert!(!include("0.0.0.0/0", "no address"));
    }

    #[test]
    fn a_list_with_anything_else_is_rejected() {
        for text in ["", " , ", "192.0.2.0/33", "192.0.2.0/24,example.com", "192.0.2"] {
            assert_eq!(Sources::parse(text), None, "{text}");
        }
    }
}
