//! Long values in short: `<16384 x v>` for 16,384 letters, `<110 x &extra_###=#>` for numbered ones,
//! `<v up to 32768>` to make the whole text that long, `<bytes ff fe>` for what is not UTF-8.

/// A text with its notation written out. Any other text in angle brackets stays as it is.
pub(crate) fn expand(text: &str) -> Vec<u8> {
    let mut expanded = Vec::new();
    let mut fill = None;
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('<') {
        expanded.extend(before.as_bytes());
        let Some((notation, after_notation)) = after.split_once('>') else {
            rest = after;
            expanded.push(b'<');
            continue;
        };
        rest = after_notation;
        if let Some((times, what)) =
            notation.split_once(" x ").and_then(|(n, what)| Some((n.parse().ok()?, what)))
        {
            (0..times).for_each(|number| expanded.extend(numbered(what, number).bytes()));
        } else if let Some((what, length)) =
            notation.split_once(" up to ").and_then(|(what, n)| Some((what, n.parse::<usize>().ok()?)))
        {
            fill = Some((expanded.len(), what, length));
        } else if let Some(bytes) = notation.strip_prefix("bytes ").and_then(hexadecimal) {
            expanded.extend(bytes);
        } else {
            expanded.push(b'<');
            rest = after;
        }
    }
    expanded.extend(rest.as_bytes());
    if let Some((position, what, length)) = fill {
        let missing = length.saturating_sub(expanded.len()) / what.len().max(1);
        expanded.splice(position..position, what.repeat(missing).into_bytes());
    }
    expanded
}

/// The same, of a text that stays a text.
pub(crate) fn expand_text(text: &str) -> String {
    String::from_utf8_lossy(&expand(text)).into_owned()
}

/// `###` becomes the number with three digits.
fn numbered(what: &str, number: usize) -> String {
    let mut text = String::new();
    let mut rest = what;
    while let Some(position) = rest.find('#') {
        let (before, from) = rest.split_at(position);
        let after = from.trim_start_matches('#');
        text.push_str(before);
        text.push_str(&format!("{number:0width$}", width = from.len() - after.len()));
        rest = after;
    }
    text + rest
}

fn hexadecimal(bytes: &str) -> Option<Vec<u8>> {
    bytes.split(' ').map(|byte| u8::from_str_radix(byte, 16).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notation_is_written_out() {
        for (short, long) in [
            ("a<3 x bc>d", "abcbcbcd"),
            ("<2 x &n_##=#>", "&n_00=0&n_01=1"),
            ("ab<c up to 6>de", "abccde"),
            ("<call id=\"1\"/> <", "<call id=\"1\"/> <"),
        ] {
            assert_eq!(expand_text(short), long);
        }
        assert_eq!(expand("a<bytes ff 00>"), [b'a', 0xff, 0]);
    }
}
