//! X-Ray's id of a request.

/// X-Ray's id of a trace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TraceId(String);

impl TraceId {
    /// Reads the `Root` of a trace header: `1-`, 8 hex digits of time, `-`, 24 hex digits (AWS
    /// X-Ray, "Concepts"). Callers can send a header of their own, so nothing else is accepted.
    pub fn from_header(header: &str) -> Option<Self> {
        let root = header.split(';').find_map(|part| part.trim().strip_prefix("Root="))?;
        let (time, rest) = root.strip_prefix("1-")?.split_once('-')?;
        let are_hex = |text: &str, digits: usize| {
            text.len() == digits && text.bytes().all(|byte| byte.is_ascii_hexdigit())
        };
        (are_hex(time, 8) && are_hex(rest, 24)).then(|| Self(root.to_owned()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_a_trace_id_is_taken_for_one() {
        let id = "1-5759e988-bd862e3fe1be46a994272793";
        for header in [
            format!("Root={id}"),
            format!("Parent=53995c3f42cd8ad8; Root={id} ;Sampled=1").replace(" ;", ";"),
        ] {
            assert_eq!(TraceId::from_header(&header), Some(TraceId(id.to_owned())), "{header}");
        }
        for header in [
            "",
            "Root=",
            "Root=planted",
            &format!("Self={id}"),
            &format!("Root={id}0"),
            "Root=1-5759e988-bd862e3fe1be46a99427279\u{e9}",
        ] {
            assert_eq!(TraceId::from_header(header), None, "{header}");
        }
    }
}
