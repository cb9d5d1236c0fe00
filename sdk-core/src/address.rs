//! IP addresses as people write them: which of them `http` may go to. The standard library's parser is 4 KB in every player's browser,
//! for one question in a client's life; what both read they read alike.

/// Loopback, private or link-local, so that what goes there stays near.
pub(crate) fn is_private(host: &[u8]) -> bool {
    if let Some(ip) = v4(host) {
        return matches!(ip >> 24, 10 | 127)
            || matches!(ip >> 16, 0xc0a8 | 0xa9fe)
            || ip >> 20 == 0xac1
            || ip == 0;
    }
    v6(host).is_some_and(|ip| ip.is_loopback || ip.first & 0xfe00 == 0xfc00 || ip.first & 0xffc0 == 0xfe80)
}

/// Four decimal numbers, without leading zeros.
fn v4(text: &[u8]) -> Option<u32> {
    let (mut ip, mut parts) = (0, 0);
    for part in text.split(|byte| *byte == b'.') {
        let number =
            number(part, 10).filter(|number| *number < 256 && (part.len() == 1 || part[0] != b'0'))?;
        ip = ip << 8 | number;
        parts += 1;
    }
    (parts == 4).then_some(ip)
}

/// One to four digits.
fn number(digits: &[u8], radix: u32) -> Option<u32> {
    if !matches!(digits.len(), 1..=4) {
        return None;
    }
    let mut number = 0;
    for digit in digits {
        number = number * radix + char::from(*digit).to_digit(radix)?;
    }
    Some(number)
}

/// What the rule asks of an IPv6 address.
#[derive(Debug, PartialEq)]
pub(crate) struct V6 {
    first: u32,
    is_loopback: bool,
}

/// Eight groups of up to four hex digits; `::` stands for zeros once, and the last two may be written as [`v4`].
pub(crate) fn v6(text: &[u8]) -> Option<V6> {
    let (mut count, mut sum, mut first) = (0, 0, 0);
    let mut last;
    let mut gap = false;
    let mut rest = text;
    loop {
        if let [b':', b':', after @ ..] = rest {
            if gap {
                return None;
            }
            (gap, last, rest) = (true, 0, after);
            if rest.is_empty() {
                break;
            }
        } else if count > 0 {
            rest = rest.strip_prefix(b":")?;
        }
        let (group, after) = cut(rest, b':');
        let pair = v4(group).filter(|_| after.is_empty());
        if let Some(ip) = pair {
            sum += ip >> 16;
            count += 1;
        }
        last = pair.map_or_else(|| number(group, 16), |ip| Some(ip & 0xffff))?;
        sum += last;
        count += 1;
        if count == 1 && !gap {
            first = last;
        }
        rest = after;
        if rest.is_empty() {
            break;
        }
    }
    let whole = if gap { count < 8 } else { count == 8 };
    // Nothing but zeros before the last.
    whole.then_some(V6 { first, is_loopback: sum == 1 && last == 1 })
}

/// What is before the first of these bytes, and the rest with it.
pub(crate) fn cut(text: &[u8], at: u8) -> (&[u8], &[u8]) {
    text.split_at(text.iter().position(|byte| *byte == at).unwrap_or(text.len()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Rng;
    use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

    fn same(text: &str) {
        let bytes = text.as_bytes();
        assert_eq!(v4(bytes), text.parse::<Ipv4Addr>().ok().map(u32::from), "{text}");
        let theirs = text.parse::<Ipv6Addr>().ok();
        let theirs = theirs.map(|ip| V6 { first: ip.segments()[0].into(), is_loopback: ip.is_loopback() });
        assert_eq!(v6(bytes), theirs, "{text}");
        let private = match text.parse() {
            Ok(IpAddr::V4(ip)) => {
                ip.is_loopback() || ip.is_private() || ip.is_link_local() || ip == Ipv4Addr::UNSPECIFIED
            }
            Ok(IpAddr::V6(ip)) => ip.is_loopback() || ip.is_unique_local() || ip.is_unicast_link_local(),
            Err(_) => false,
        };
        assert_eq!(is_private(bytes), private, "{text}");
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
            "::0.0.0.1",
            "::0.1.0.0",
            "0:0::0:1",
            "0:1::",
            "1.2.3.4::1",
            "::1.2.3.4::",
            "1:2:3:4:5:6:7:8::",
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
