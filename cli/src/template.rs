//! The parameters of template.yaml: which there are, and which values CloudFormation would refuse.

use fancy_regex::Regex;
use saphyr::{LoadableYamlNode, Scalar, Yaml};

use crate::error::Stop;

/// Refuses a value before a build of many minutes does. The value of a secret is not repeated: it may be the
/// token itself.
pub(crate) fn refuse_bad_values<'a>(
    template: &str,
    values: impl IntoIterator<Item = (&'a String, &'a String)>,
) -> Result<(), Stop> {
    let documents =
        Yaml::load_from_str(template).map_err(|error| Stop::new(format!("template.yaml: {error}")))?;
    let declared = documents.first().and_then(|root| root.as_mapping_get("Parameters"));
    let declared = declared.ok_or_else(|| Stop::new("template.yaml has no parameters"))?;
    for (name, value) in values {
        let parameter = declared
            .as_mapping_get(name)
            .ok_or_else(|| Stop::new(format!("template.yaml has no parameter {name}")))?;
        if let Some(reason) = out_of_bounds(name, parameter, value)? {
            let makes = if name.contains("Token") { ". `ringback token` makes one" } else { "" };
            return Err(Stop::new(format!("{reason}{makes}")));
        }
    }
    Ok(())
}

/// Why a parameter may not have a value.
fn out_of_bounds(name: &str, declared: &Yaml<'_>, value: &str) -> Result<Option<String>, Stop> {
    let get = |key: &str| declared.as_mapping_get(key).and_then(text);
    let shown =
        if get("NoEcho").as_deref() == Some("true") { name.to_owned() } else { format!("{name}={value}") };
    if let Some(allowed) = declared.as_mapping_get("AllowedValues").and_then(|list| list.as_sequence()) {
        let allowed: Vec<String> = allowed.iter().filter_map(text).collect();
        if !allowed.iter().any(|each| each == value) {
            return Ok(Some(format!("{shown} is not one of {}", allowed.join(", "))));
        }
    }
    if let Some(pattern) = get("AllowedPattern") {
        let matches = Regex::new(&pattern).and_then(|regex| regex.is_match(value));
        if !matches.map_err(|error| Stop::new(format!("template.yaml: {name}'s pattern: {error}")))? {
            let must = get("ConstraintDescription").unwrap_or_else(|| format!("does not match {pattern}"));
            return Ok(Some(format!("{shown} {}", must.trim_end_matches('.'))));
        }
    }
    let (size, kind) = if get("Type").as_deref() == Some("Number") {
        let number = value.parse::<f64>().ok().filter(|number| number.is_finite());
        (number.ok_or_else(|| Stop::new(format!("{shown} is no number")))?, "Value")
    } else {
        #[expect(clippy::cast_precision_loss, reason = "a parameter has at most 4,096 letters")]
        let length = value.chars().count() as f64;
        (length, "Length")
    };
    let bound = |which: &str| get(&format!("{which}{kind}")).and_then(|bound| bound.parse::<f64>().ok());
    let outside =
        bound("Min").is_some_and(|least| size < least) || bound("Max").is_some_and(|most| size > most);
    Ok(outside.then(|| format!("{shown} is out of bounds")))
}

/// A scalar as CloudFormation reads it: all of them are texts.
fn text(value: &Yaml<'_>) -> Option<String> {
    match value {
        Yaml::Value(Scalar::String(text)) => Some(text.to_string()),
        Yaml::Value(Scalar::Integer(number)) => Some(number.to_string()),
        Yaml::Value(Scalar::FloatingPoint(number)) => Some(number.to_string()),
        Yaml::Value(Scalar::Boolean(flag)) => Some(flag.to_string()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIGEST: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

    fn refused(name: &str, value: &str) -> String {
        let value = (name.to_owned(), value.to_owned());
        let judged = refuse_bad_values(include_str!("../../template.yaml"), [(&value.0, &value.1)]);
        judged.err().map(|why| why.to_string()).unwrap_or_default()
    }

    #[test]
    fn what_cloudformation_would_take_is_taken() {
        for (name, value) in [
            ("CallbackTokenSha256", DIGEST),
            ("CallbackTokenSha256", &format!("{DIGEST},{DIGEST}")),
            ("LineServiceIds", ""),
            ("LineServiceIds", "one,two"),
            ("TencentSdkAppIds", "any"),
            ("Release", "20261128T021000Z-abc1234-dirty"),
            ("RetentionDays", "3650"),
            ("LogRetentionDays", "14"),
        ] {
            assert_eq!(refused(name, value), "", "{name}={value}");
        }
    }

    #[test]
    fn what_cloudformation_would_refuse_is_refused_and_secrets_are_not_repeated() {
        let local = crate::target::Token::parse(ringback::testing::TOKEN).unwrap().digest();
        for (name, value, said) in [
            ("CallbackTokenSha256", "my-secret-token", "64 lower-case hex digits"),
            ("CallbackTokenSha256", "my-secret-token", "`ringback token` makes one"),
            ("CallbackTokenSha256", &format!("{DIGEST},"), "64 lower-case hex digits"),
            ("CallbackTokenSha256", &format!("{DIGEST},{local}"), "not that of the local stack's token"),
            ("TencentCallbackToken", &"x".repeat(129), "TencentCallbackToken is out of bounds"),
            ("LineServiceIds", "a b", "LineServiceIds=a b must be service ids"),
            ("Architecture", "mips", "Architecture=mips is not one of arm64, x86_64"),
            ("RetentionDays", "0", "RetentionDays=0 is out of bounds"),
            ("RetentionDays", "3651", "out of bounds"),
            ("RetentionDays", "soon", "RetentionDays=soon is no number"),
            ("LogRetentionDays", "2", "is not one of 1, 3, 5"),
            ("Release", "a b", "does not match ^[A-Za-z0-9._-]+$"),
            ("Retention", "3", "template.yaml has no parameter Retention"),
        ] {
            let why = refused(name, value);
            assert!(why.contains(said), "{name}={value}: {why}");
            assert!(!name.contains("Token") || !why.contains(value), "{why}");
        }
    }
}
