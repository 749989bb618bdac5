//! What a message may hold: its body, which is JSON, and its attributes.

use serde::Serialize;

/// JSON in characters that SQS takes. SNS accepts U+FFFE and U+FFFF, but then cannot deliver the
/// message to a queue, and it would be lost.
pub fn deliverable(message: &impl Serialize) -> String {
    // Every name is text, so this cannot fail.
    let json = serde_json::to_string(message).unwrap_or_default();
    json.replace('\u{fffe}', "\\ufffe").replace('\u{ffff}', "\\uffff")
}

/// SNS takes no empty attribute and no characters outside XML. Such an attribute is to be left out: SNS
/// would refuse the whole message for it.
pub fn is_attribute_value(text: &str) -> bool {
    let in_xml = |character: char| {
        matches!(character, '\t' | '\n' | '\r')
            || (character >= ' ' && !matches!(character, '\u{fffe}' | '\u{ffff}'))
    };
    !text.is_empty() && text.chars().all(in_xml)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_holds_only_characters_that_a_queue_takes_and_means_the_same() {
        let odd = serde_json::json!({ "a": "\u{fffe}\u{ffff}\u{1}\u{fffd}é" });
        let message = deliverable(&odd);
        let takes = |c: char| {
            let plain = matches!(c, '\t' | '\n' | '\r' | '\u{20}'..='\u{d7ff}');
            plain || matches!(c, '\u{e000}'..='\u{fffd}' | '\u{10000}'..)
        };
        assert!(message.chars().all(takes), "{message:?}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&message).unwrap(), odd);
    }
}
