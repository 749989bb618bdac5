//! Numbers in every notation that arrives: encoders between a vendor and us also write `30.0` and
//! `1.795e12`.

/// 2^53: beyond it `f64` skips whole numbers.
const MAX_EXACT: f64 = 9_007_199_254_740_992.0;

/// A non-negative number, as exactly as `f64` holds it.
pub fn decimal(text: &str) -> Option<f64> {
    text.trim().parse().ok().filter(|number| (0.0..=MAX_EXACT).contains(number))
}

/// A whole number. Digits alone are read exactly; a fraction is cut off.
pub fn whole(text: &str) -> Option<u64> {
    text.trim().parse().ok().or_else(|| decimal(text).map(truncated))
}

/// A code: a whole number with either sign. `None` if it has a fraction.
pub fn integer(text: &str) -> Option<i64> {
    let digits = text.trim().parse().ok();
    digits.or_else(|| {
        decimal(text).filter(|number| number.fract() == 0.0).and_then(|code| truncated(code).try_into().ok())
    })
}

/// The whole part of what [`decimal`] read.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "decimal() reads 0 to 2^53")]
pub fn truncated(number: f64) -> u64 {
    number as u64
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_number_means_the_same_in_every_notation() {
        for text in ["1795000000000", "1795000000000.0", "1.795e12", "1.795E+12", " 1795000000000 "] {
            assert_eq!(whole(text), Some(1_795_000_000_000), "{text}");
            assert_eq!(integer(text), Some(1_795_000_000_000), "{text}");
        }
        assert_eq!(whole("30.9"), Some(30));
        assert_eq!(integer("-1"), Some(-1));
    }

    #[test]
    fn what_is_no_number_or_no_code_is_nothing() {
        for text in ["", "x", "1,5", "0x10", "NaN", "inf", "-1", "-1.5", "1e400", "1e30", "1 2"] {
            assert_eq!(whole(text), None, "{text}");
        }
        assert_eq!(integer("1203.5"), None);
    }

    proptest! {
        #[test]
        fn digits_alone_are_exact(number: u64) {
            prop_assert_eq!(whole(&number.to_string()), Some(number));
        }

        #[test]
        fn any_text_is_read_without_panic(text in "[0-9eE.+-]{0,24}") {
            let _ = (whole(&text), integer(&text));
        }
    }
}
