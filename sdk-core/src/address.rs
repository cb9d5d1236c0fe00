//! IP addresses as people write them: which of them `http` may go to. The standard library's parser is 4 KB in every player's browser,
//! for one question in a client's life; what both read they read alike.

/// Loopback, private or link-local, so that what goes there stays near.
pub(crate) fn is_private(host: &str) -> bool {
    if let Some(ip) = v4(host) {
        return match ip {
            [10 | 127, ..] | [192, 168, ..] | [169, 254, ..] | [0, 0, 0, 0] => true,
            [172, second, ..] => second & 0xf0 == 16,
            _ => false,
        };
    }
    v6(host).is_some_and(|ip| {
        let loopback = ip == [0, 0, 0, 0, 0, 0, 0, 1];
        loopback || ip[0] & 0xfe00 == 0xfc00 || ip[0] & 0xffc0 == 0xfe80
    })
}

/// Four decimal numbers, without leading zeros.
fn v4(text: &str) -> Option<[u8; 4]> {
    let mut ip = [0_u32; 4];
    let mut at = 0;
    let mut digits = 0;
    for byte in text.bytes() {
        match byte {
            b'.' if digits > 0 && at < 3 => (at, digits) = (at + 1, 0),
            b'0'..=b'9' if digits == 0 || ip[at] > 0 => {
                ip[at] = (ip[at] * 10 + u32::from(byte - b'0')).min(256);
                digits += 1;
            }
            _ => return None,
        }
    }
    let ip = ip.map(|number| u8::try_from(number).ok());
    match ip {
        [Some(a), Some(b), Some(c), Some(d)] if at == 3 && digits > 0 => Some([a, b, c, d]),
        _ => None,
    }
}

/// Eight groups of up to four hex digits; `::` stands for zeros once, and the last two may be written as [`v4`].
pub(crate) fn v6(text: &str) -> Option<[u16; 8]> {
    let mut ip = [0; 8];
    let mut count = 0;
    // Where `::` stands.
    let mut gap = None;
    let mut rest = text;
    if let Some(after) = rest.strip_prefix("::") {
        (gap, rest) = (Some(0), after);
    }
    while !rest.is_empty() {
        let end = rest.find(':').unwrap_or(rest.len());
        let (group, after) = rest.split_at(end);
        if let Some([a, b, c, d]) = v4(group).filter(|_| after.is_empty()) {
            *ip.get_mut(count)? = u16::from_be_bytes([a, b]);
            *ip.get_mut(count + 1)? = u16::from_be_bytes([c, d]);
            count += 2;
            break;
        }
        let hex = matches!(group.len(), 1..=4) && group.bytes().all(|b| b.is_ascii_hexdigit());
        *ip.get_mut(count)? = u16::from_str_radix(group, 16).ok().filter(|_| hex)?;
        count += 1;
        rest = match after.strip_prefix("::") {
            Some(_) if gap.is_some() => return None,
            Some(after) => {
                gap = Some(count);
                after
            }
            None if after == ":" => return None,
            None => after.strip_prefix(':').unwrap_or_default(),
        };
    }
    match gap {
        Some(gap) if count < 8 => ip[gap..].rotate_right(8 - count),
        Some(_) => return None,
        None if count < 8 => return None,
        None => {}
    }
    Some(ip)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Rng;
    use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

    fn same(text: &str) {
        assert_eq!(v4(text), text.parse::<Ipv4Addr>().ok().map(|ip| ip.octets()), "{text}");
        assert_eq!(v6(text), text.parse::<Ipv6Addr>().ok().map(|ip| ip.segments()), "{text}");
        let private = match text.parse() {
            Ok(IpAddr::V4(ip)) => {
                ip.is_loopback() || ip.is_private() || ip.is_link_local() || ip == Ipv4Addr::UNSPECIFIED
            }
            Ok(IpAddr::V6(ip)) => ip.is_loopback() || ip.is_unique_local() || ip.is_unicast_link_local(),
            Err(_) => false,
        };
        assert_eq!(is_private(text), private, "{text}");
    }

    #[test]
    fn what_is_an_address_the_standard_library_says_too() {
        for text in [
            "",
            ":",
            "::",
            ":::",
            "::1",
            "1::",
            "1::2",
            "1:2",
            ":1",
            "1:",
            "::1:",
            ":1::",
            "1::2::3",
            "1:2:3:4:5:6:7:8",
            "1:2:3:4:5:6:7::",
            "::2:3:4:5:6:7:8",
            "1:2:3:4::5:6:7:8",
            "1:2:3:4:5:6:7:8:9",
            "::ffff:1.2.3.4",
            "1.2.3.4::",
            "1:2:3:4:5:6:1.2.3.4",
            "1:2:3:4:5:6:7:1.2.3.4",
            "::1.2.3.4:5",
            "12345::",
            "::g",
            "::+1",
            "fc00::1",
            "fdff::",
            "fe80::1",
            "febf::",
            "fec0::",
            "1.2.3.4",
            "01.2.3.4",
            "0.0.0.0",
            "00.0.0.0",
            "1.2.3",
            "1.2.3.4.5",
            "1.2.3.",
            ".1.2.3",
            "256.1.1.1",
            "1.1.1.1000",
            "1..2.3",
            "+1.2.3.4",
            "127.0.0.1",
            "10.1.2.3",
            "172.15.0.1",
            "172.16.0.1",
            "172.31.9.9",
            "172.32.0.1",
            "192.168.1.20",
            "192.169.0.1",
            "169.254.0.1",
            "8.8.8.8",
            "localhost",
            "1.2.3.4 ",
        ] {
            same(text);
        }
        const PIECES: &[&str] =
            &[":", "::", "1", "0", "ffff", "fe80", "10.0.0.1", "255", ".", "12345", "fc00", "g"];
        let mut rng = Rng::new(9);
        for _ in 0..60_000 {
            let count = 1 + rng.below(17);
            let colons = rng.below(2);
            same(
                &(0..count)
                    .map(|at| if colons == 1 && at % 2 == 1 { ":" } else { PIECES[rng.below(12) as usize] })
                    .collect::<String>(),
            );
        }
    }
}
