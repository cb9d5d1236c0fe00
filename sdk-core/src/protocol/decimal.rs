//! The nearest double of a decimal number, without tables. It decides nothing.
//!
//! The standard library's way is faster, and brings 16 KB of tables and code to every player; a browser's module reads a handful of
//! fractions in its life. Here the digits are doubled or halved until 53 bits stand before the point, and what is behind it rounds.

/// A number between two doubles has at most 767 digits; of those that follow it only counts whether they are all 0.
const MAX_DIGITS: usize = 800;
/// Far beyond the exponents of a double either way, and far from where sums overflow.
const MAX_POINT: i64 = 2_000;

/// Digits, and where the point is: `0.digits × 10^point`. The first digit is not 0, nor is the last.
struct Decimal {
    digits: Vec<u8>,
    point: i64,
}

/// Of a text of JSON's grammar; infinite beyond what a double holds.
pub(super) fn nearest(text: &str) -> f64 {
    let bytes = text.as_bytes();
    let negative = bytes.first() == Some(&b'-');
    let magnitude = f64::from_bits(read(&bytes[usize::from(negative)..]).into_bits());
    if negative { -magnitude } else { magnitude }
}

fn read(bytes: &[u8]) -> Decimal {
    let mut number = Decimal { digits: Vec::new(), point: 0 };
    let mut fraction = false;
    let mut cut = false;
    for (at, byte) in bytes.iter().enumerate() {
        match byte {
            b'.' => fraction = true,
            b'0'..=b'9' => {
                let digit = byte - b'0';
                let leads = number.digits.is_empty() && digit == 0;
                // Before the point every digit but a leading 0 moves it, behind it only the leading ones do.
                number.point += i64::from(!leads) * i64::from(!fraction) - i64::from(leads && fraction);
                if number.digits.len() < MAX_DIGITS {
                    number.digits.extend((!leads).then_some(digit));
                } else {
                    cut |= digit != 0;
                }
            }
            _ => {
                number.point += exponent(&bytes[at + 1..]);
                break;
            }
        }
    }
    if cut {
        number.digits.push(1);
    }
    number.trim();
    number
}

fn exponent(bytes: &[u8]) -> i64 {
    let mut exponent = 0;
    for byte in bytes.iter().filter(|byte| byte.is_ascii_digit()) {
        exponent = (exponent * 10 + i64::from(byte - b'0')).min(1 << 32);
    }
    if bytes.first() == Some(&b'-') { -exponent } else { exponent }
}

impl Decimal {
    fn into_bits(mut self) -> u64 {
        const INFINITE: u64 = 0x7ff << 52;
        if self.digits.is_empty() || self.point < -MAX_POINT {
            return 0;
        }
        if self.point > MAX_POINT {
            return INFINITE;
        }
        let mut exponent = 0;
        // Three bits are a little less than a digit, so no step goes too far.
        loop {
            let (whole, _) = self.split();
            let up = match self.point {
                ..15 => (15 - self.point) * 3,
                18.. => (17 - self.point) * 3,
                _ if whole < 1 << 52 => 1,
                _ if whole >= 1 << 53 => -1,
                _ => break,
            };
            exponent -= self.shift(up);
        }
        // The smallest doubles have fewer bits.
        while exponent < -1074 {
            exponent -= self.shift(exponent + 1074);
        }
        let (whole, up) = self.split();
        // Whatever carries carries into the exponent, as it should.
        let bits = ((exponent + 1074) as u64).saturating_mul(1 << 52).saturating_add(whole + u64::from(up));
        bits.min(INFINITE)
    }

    /// What is before the point, if that is less than 2^64, and whether what is behind it rounds up.
    fn split(&self) -> (u64, bool) {
        let digit =
            |at: i64| usize::try_from(at).ok().and_then(|at| self.digits.get(at)).copied().unwrap_or(0);
        let mut whole = 0_u64;
        for at in 0..self.point.min(19) {
            whole = whole * 10 + u64::from(digit(at));
        }
        let exactly_half = self.point + 1 == self.digits.len() as i64 && digit(self.point) == 5;
        let up = if exactly_half { whole % 2 == 1 } else { digit(self.point) >= 5 };
        (whole, up)
    }

    /// Times 2^`up`, which may be negative, for at most 32 of them at once. Returns for how many.
    fn shift(&mut self, up: i64) -> i64 {
        let by = up.clamp(-32, 32);
        let mut carry = 0_u64;
        if by > 0 {
            for digit in self.digits.iter_mut().rev() {
                carry += u64::from(*digit) << by;
                *digit = (carry % 10) as u8;
                carry /= 10;
            }
            while carry > 0 {
                self.digits.insert(0, (carry % 10) as u8);
                carry /= 10;
                self.point += 1;
            }
        } else {
            let take = |carry: &mut u64, digit: u64| {
                let all = *carry * 10 + digit;
                *carry = all & ((1 << -by) - 1);
                (all >> -by) as u8
            };
            for digit in &mut self.digits {
                *digit = take(&mut carry, u64::from(*digit));
            }
            while carry > 0 {
                let digit = take(&mut carry, 0);
                self.digits.push(digit);
            }
        }
        self.trim();
        by
    }

    fn trim(&mut self) {
        let leading = self.digits.iter().take_while(|digit| **digit == 0).count();
        self.digits.drain(..leading);
        if leading > 0 && !self.digits.is_empty() {
            self.point -= leading as i64;
        }
        while self.digits.last() == Some(&0) {
            self.digits.pop();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Rng;

    fn same(text: &str) {
        let theirs: f64 = text.parse().unwrap();
        let ours = nearest(text);
        assert_eq!(ours.to_bits(), theirs.to_bits(), "{text}: {ours:e} and not {theirs:e}");
    }

    #[test]
    fn the_edges_are_those_of_the_standard_library() {
        for text in [
            "0",
            "-0",
            "0.0",
            "0e5",
            "-0.000e-7",
            "1",
            "-1",
            "10",
            "0.1",
            "0.3",
            "123456789.125",
            "1e22",
            "1e23",
            "9007199254740991",
            "9007199254740992",
            "9007199254740993",
            "9007199254740995",
            "9007199254740993.0001",
            "18446744073709551615",
            "18446744073709551616",
            "4503599627370496.5",
            "4503599627370497.5",
            "1.7976931348623157e308",
            "1.7976931348623158e308",
            "1.7976931348623159e308",
            "2e308",
            "1e309",
            "1e99999999999",
            "2.2250738585072014e-308",
            "2.2250738585072011e-308",
            "4.9406564584124654e-324",
            "2.4703282292062327e-324",
            "2.4703282292062328e-324",
            "5e-324",
            "3e-324",
            "2e-324",
            "1e-400",
            "1e-99999999999",
            "0e99999999999",
            "0.000000000000000000000000000000000000001e40",
            "100000000000000000000000000000000000000000000e-40",
            "8.5e15",
            "9.5e15",
            "1E+3",
            "1.5E-3",
        ] {
            same(text);
        }
        // Half-way between two doubles, and beside it, a thousand digits further on.
        let half = "9007199254740993.".to_owned() + &"0".repeat(1_000);
        same(&half);
        same(&(half.clone() + "1"));
        same(&(half + "000e-300"));
        same(&"7".repeat(2_000));
        same(&("0.".to_owned() + &"0".repeat(400) + &"3".repeat(1_500) + "e420"));
        assert!(nearest("1e309").is_infinite());
    }

    #[test]
    fn random_numbers_are_those_of_the_standard_library() {
        let mut rng = Rng::new(11);
        for _ in 0..5_000 {
            // Every double comes back from its shortest text, and from its exact one.
            let number = f64::from_bits(rng.below(0x7ff << 52));
            same(&format!("{number:e}"));
            let near = rng.below(1 << 40) as f64 / 1024.0;
            same(&format!("{near:?}"));
            // Texts that are no double's own.
            let (whole, part) = (rng.below(u64::MAX), rng.below(u64::MAX));
            same(&format!("{}.{part}e{}", whole >> rng.below(63), rng.below(660) as i64 - 345));
        }
        for _ in 0..100 {
            // Exactly between a double and the next: 54 bits, written out.
            let odd = (1_u128 << 53 | u128::from(rng.below(1 << 53))) | 1;
            same(&format!("{}", odd << rng.below(70)));
            same(&format!("{:.1100}", f64::from_bits(rng.below(0x7ff << 52))));
        }
    }
}
