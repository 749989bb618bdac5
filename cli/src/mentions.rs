//! Where a record can name a user. An id counts only where ids stand: the user `30` is not in every call of
//! 30 seconds.

use std::collections::BTreeSet;

use aws_sdk_dynamodb::types::AttributeValue;
use ringback::text::json::Json;

use crate::records::Item;

/// How names that carry user ids end, without case and underscores: `from_user_id` and `UserId`, `host_id`,
/// `User_Account` and `CalleeList_Account`, `UserList`. Tencent's lists hold users, or objects about one.
const USERS: [&str; 4] = ["userid", "hostid", "account", "userlist"];
const SERVICES: [&str; 3] = ["serviceid", "svcid", "sdkappid"];
/// LINE names each person's service beside the person; Tencent names one for all.
const SERVICE_BESIDE: [(&str, &str); 4] = [
    ("from_user_id", "from_service_id"),
    ("to_user_id", "to_service_id"),
    ("user_id", "user_svc_id"),
    ("host_id", "host_svc_id"),
];
/// The app's own data, in which apps keep user ids too.
const APP_DATA: [&str; 4] = ["appdata", "appsvrdata", "stid", "userdata"];
/// The attributes that hold a person or a list of them, in the item and in its facts.
const PERSONS: [&str; 5] = ["caller", "callee", "callees", "host", "who"];

type Services = BTreeSet<String>;

/// A text that stands where user ids stand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mention {
    pub(crate) place: String,
    user: String,
    /// The services that it may belong to; empty where none is given.
    services: Services,
}

impl Mention {
    pub(crate) fn has_service(&self) -> bool {
        !self.services.is_empty()
    }

    /// Whether it is the user. One without a service may be, and must not stay.
    pub(crate) fn is_of(&self, user: &str, service: Option<&str>) -> bool {
        self.user == user
            && service.is_none_or(|service| !self.has_service() || self.services.contains(service))
    }
}

/// Whether an item names the user.
pub(crate) fn names(item: &Item, user: &str, service: Option<&str>) -> bool {
    mentions(item).iter().any(|mention| mention.is_of(user, service))
}

/// Whatever stands in an item where user ids stand.
pub(crate) fn mentions(item: &Item) -> Vec<Mention> {
    let attributes = Json::Object(item.iter().map(|(name, value)| (name.clone(), lossless(value))).collect());
    let facts = exact(&attributes, "facts").and_then(Json::scalar).and_then(Json::read).unwrap_or(Json::Null);
    // A list of the last event's time and the facts; an earlier version stored the facts alone.
    let facts = facts.items().get(1).cloned().unwrap_or(facts);
    let claims =
        facts.members().iter().filter_map(|(name, claim)| Some((name.clone(), claimed_value(claim)?)));
    let claimed = Json::Object(claims.collect());
    let anywhere: Services = [&attributes, &claimed].into_iter().flat_map(services).collect();

    let mut found = Vec::new();
    for (holder, prefix) in [(&attributes, ""), (&claimed, "facts.")] {
        for name in PERSONS {
            let value = exact(holder, name).unwrap_or(&Json::Null);
            let people = if value.items().is_empty() { std::slice::from_ref(value) } else { value.items() };
            for person in people {
                let services: Services = exact(person, "service_id").map(scalars).unwrap_or_default();
                for user in exact(person, "user_id").map(scalars::<Vec<_>>).unwrap_or_default() {
                    found.push(Mention {
                        place: format!("{prefix}{name}"),
                        user,
                        services: services.clone(),
                    });
                }
            }
        }
        for user in exact(holder, "app_data").map(app_values).unwrap_or_default() {
            found.push(Mention { place: format!("{prefix}app_data"), user, services: anywhere.clone() });
        }
    }
    let service: Services = exact(&claimed, "service").map(scalars).unwrap_or_default();
    for (user, _) in exact(&facts, "people").map(Json::members).unwrap_or_default() {
        found.push(Mention { place: "facts.people".into(), user: user.clone(), services: service.clone() });
    }
    found.extend(exact(&attributes, "vendor").map(|sent| parameters(sent, &anywhere)).unwrap_or_default());
    found
}

/// The value of a claim: a list's first item, or in an earlier version a member.
fn claimed_value(claim: &Json) -> Option<Json> {
    claim.items().first().or_else(|| exact(claim, "v")).cloned()
}

/// Of what the vendor sent, the parameters that carry user ids, and the app's data.
fn parameters(sent: &Json, anywhere: &Services) -> Vec<Mention> {
    let mut found = Vec::new();
    for (name, value, holder) in members(sent) {
        let ending = letters(name);
        let place = format!("vendor.{name}");
        if APP_DATA.contains(&ending.as_str()) {
            for user in app_values(value) {
                found.push(Mention { place: place.clone(), user, services: anywhere.clone() });
            }
        } else if USERS.iter().any(|each| ending.ends_with(each)) {
            let beside = SERVICE_BESIDE.iter().find(|(user, _)| name.eq_ignore_ascii_case(user));
            let services = match beside {
                Some((_, service)) => exact(holder, service).map(scalars).unwrap_or_default(),
                None => anywhere.clone(),
            };
            for user in scalars::<Vec<_>>(value) {
                found.push(Mention { place: place.clone(), user, services: services.clone() });
            }
        }
    }
    found
}

/// Every service that is named, however deep.
fn services(value: &Json) -> Services {
    let named = |name: &str| name == "service" || SERVICES.iter().any(|each| letters(name).ends_with(each));
    members(value)
        .into_iter()
        .filter(|(name, ..)| named(name))
        .flat_map(|(_, value, _)| scalars::<Vec<_>>(value))
        .collect()
}

/// Every member of every object, with the object. The app's own data is not looked into.
fn members(value: &Json) -> Vec<(&str, &Json, &Json)> {
    let mut found = Vec::new();
    let mut waiting = vec![value];
    while let Some(holder) = waiting.pop() {
        waiting.extend(holder.items());
        for (name, value) in holder.members() {
            found.push((name.as_str(), value, holder));
            if !APP_DATA.contains(&letters(name).as_str()) {
                waiting.push(value);
            }
        }
    }
    found
}

/// A text or number, or those in lists; nothing of an object.
fn scalars<C: FromIterator<String>>(value: &Json) -> C {
    let mut found = Vec::new();
    let mut waiting = vec![value];
    while let Some(each) = waiting.pop() {
        waiting.extend(each.items());
        found.extend(each.scalar().filter(|text| !text.is_empty()).map(str::to_owned));
    }
    found.into_iter().collect()
}

/// The text of app data, and if it is JSON every value in it.
fn app_values(value: &Json) -> Vec<String> {
    let mut found = Vec::new();
    let mut waiting = vec![value.clone()];
    while let Some(each) = waiting.pop() {
        waiting.extend(each.items().iter().cloned());
        waiting.extend(each.members().iter().map(|(_, value)| value.clone()));
        if let Some(text) = each.scalar() {
            found.push(text.to_owned());
            if !matches!(each, Json::Number(_)) {
                waiting.extend(Json::read(text));
            }
        }
    }
    found
}

/// A member by its very name.
fn exact<'a>(value: &'a Json, name: &str) -> Option<&'a Json> {
    value.members().iter().find(|(candidate, _)| candidate == name).map(|(_, value)| value)
}

fn letters(name: &str) -> String {
    name.to_lowercase().replace('_', "")
}

fn lossless(value: &AttributeValue) -> Json {
    match value {
        AttributeValue::S(text) => Json::Text(text.clone()),
        AttributeValue::N(digits) => Json::Number(digits.clone()),
        AttributeValue::Bool(flag) => Json::Bool(*flag),
        AttributeValue::L(items) => Json::List(items.iter().map(lossless).collect()),
        AttributeValue::M(members) => {
            Json::Object(members.iter().map(|(name, value)| (name.clone(), lossless(value))).collect())
        }
        _ => Json::Null,
    }
}

#[cfg(test)]
mod tests {
    use ringback::call::record::ATTRIBUTES;
    use serde_json::{Value, json};

    use super::*;
    use crate::records::memory::item;

    fn found_in(user: &str, service: Option<&str>, attributes: &Value) -> BTreeSet<String> {
        let mentions = mentions(&item(attributes)).into_iter();
        mentions.filter(|mention| mention.is_of(user, service)).map(|mention| mention.place).collect()
    }

    #[test]
    fn a_user_is_found_wherever_a_record_can_name_one() {
        let inner = json!({ "inner": r#"["alice"]"# }).to_string();
        for (place, attributes) in [
            ("caller", json!({ "caller": { "service_id": "s", "user_id": "alice" } })),
            ("callee", json!({ "callee": { "user_id": "alice" } })),
            ("callees", json!({ "callees": [{ "user_id": "bob" }, { "user_id": "alice" }] })),
            ("host", json!({ "host": { "user_id": "alice" } })),
            ("who", json!({ "who": { "user_id": "alice" } })),
            ("facts.people", json!({ "facts": r#"[1,{"people":{"alice":{"c":true}}}]"# })),
            ("facts.caller", json!({ "facts": r#"[1,{"caller":[{"user_id":"alice"},0,"i"]}]"# })),
            ("facts.host", json!({ "facts": r#"[null,{"host":[{"user_id":"alice"},null]}]"# })),
            ("facts.app_data", json!({ "facts": r#"[1,{"app_data":["alice"]}]"# })),
            // As an earlier version stored them.
            ("facts.people", json!({ "facts": r#"{"people":{"alice":{"c":true}}}"# })),
            ("facts.caller", json!({ "facts": r#"{"caller":{"s":"f","t":1,"v":{"user_id":"alice"}}}"# })),
            ("facts.host", json!({ "facts": r#"{"host":{"s":"f","t":null,"v":{"user_id":"alice"}}}"# })),
            ("app_data", json!({ "app_data": "alice" })),
            ("app_data", json!({ "app_data": r#"{"display":{"id":"alice"}}"# })),
            ("app_data", json!({ "app_data": r#""alice""# })),
            ("app_data", json!({ "app_data": r#"{"id":"alice","id":"bob"}"# })),
            ("app_data", json!({ "app_data": inner })),
            ("app_data", json!({ "app_data": format!("{}\"alice\"{}", "[".repeat(90), "]".repeat(90)) })),
            ("vendor.from_user_id", json!({ "vendor": { "from_user_id": "alice" } })),
            ("vendor.to_user_id", json!({ "vendor": { "to_user_id": "alice" } })),
            ("vendor.user_id", json!({ "vendor": { "user_id": "alice" } })),
            ("vendor.host_id", json!({ "vendor": { "host_id": ["bob", "alice"] } })),
            ("vendor.UserId", json!({ "vendor": { "UserId": ["bob", "alice"] } })),
            ("vendor.Caller_Account", json!({ "vendor": { "Caller_Account": "alice" } })),
            ("vendor.CALLEELIST_ACCOUNT", json!({ "vendor": { "CALLEELIST_ACCOUNT": "alice" } })),
            ("vendor.User_Account", json!({ "vendor": { "UserList": [{ "User_Account": "alice" }] } })),
            (
                "vendor.User_Account",
                json!({ "vendor": { "CallInfo": { "L": [[{ "User_Account": "alice" }]] } } }),
            ),
            ("vendor.UserList", json!({ "vendor": { "UserList": ["alice"] } })),
            (
                "vendor.CalleeList_Account",
                json!({ "vendor": { "R": { "CalleeList_Account": ["bob", "alice"] } } }),
            ),
            ("vendor.stid", json!({ "vendor": { "stid": "alice" } })),
            ("vendor.app_svr_data", json!({ "vendor": { "app_svr_data": r#"{"id":"alice"}"# } })),
            ("vendor.UserData", json!({ "vendor": { "UserData": { "id": "alice" } } })),
        ] {
            assert_eq!(found_in("alice", None, &attributes), [place.to_owned()].into(), "{attributes}");
        }
    }

    #[test]
    fn a_number_is_an_id_as_well() {
        let long = "144115212345678901";
        let number = [("User_Account".into(), AttributeValue::N(long.into()))].into();
        let vendor: Item = [("vendor".to_owned(), AttributeValue::M(number))].into();
        assert!(names(&vendor, long, None));
        assert_eq!(found_in(long, None, &json!({ "app_data": format!("{{\"id\":{long}}}") })).len(), 1);
    }

    #[test]
    fn a_number_a_word_or_a_part_of_a_text_is_no_user() {
        let facts = json!({
            "people": { "bob": { "c": true, "i": 30 } },
            "k": ["group", 30],
            "du": [30, 1001],
            "rc": { "line": [1001, 1] },
            "caller": [{ "service_id": "call", "user_id": "bob" }, 30],
            "room": [{ "service_id": "s", "id": "30" }],
        });
        let others = json!({
            "sid": "30", "record": "call", "provider": "line", "what": "user_id", "duration_s": 30,
            "reason": { "disconnect_reason": 1001, "user_rel_code": "1001", "call_result": "line" },
            "caller": { "service_id": "call", "user_id": "bob" },
            "room": { "service_id": "line", "id": "1001" },
            "facts": json!([30, facts]).to_string(),
            "app_data": r#"{"user_id":true,"call":{"line":null}}"#,
            "vendor": {
                "duration": "30", "disconnect_reason": "1001", "from_service_id": "line", "id": "call",
                "user_id": "",
                "UserList": [{ "User_Account": "bob", "Status": "call", "1001": "30" }],
                "call": { "user_id": null }, "line": 30,
            },
        });
        for user in ["30", "1001", "line", "call", "user_id", "c", "true", "null", ""] {
            assert_eq!(found_in(user, None, &others), BTreeSet::new(), "{user}");
        }
        for part in [
            json!({ "who": { "user_id": "alice2" } }),
            json!({ "app_data": "from alice" }),
            json!({ "facts": "{broken alice" }),
        ] {
            assert_eq!(found_in("alice", None, &part), BTreeSet::new(), "{part}");
        }
    }

    #[test]
    fn a_service_is_the_persons_own_or_the_app_that_the_item_names() {
        let line = json!({ "from_service_id": "one", "from_user_id": "alice", "to_service_id": "two" });
        let tencent = json!({ "SdkAppid": "one", "CallInfo": { "UserList": [{ "User_Account": "alice" }] } });
        let facts = r#"[1,{"service":["one"],"people":{"alice":{"c":true}}}]"#;
        let earlier = r#"{"service":{"s":"f","t":1,"v":"one"},"people":{"alice":{"c":true}}}"#;
        for attributes in [
            json!({ "caller": { "service_id": "one", "user_id": "alice" }, "callee": { "user_id": "b" } }),
            json!({ "vendor": line }),
            json!({ "vendor": tencent }),
            json!({ "facts": facts, "room": { "service_id": "two", "id": "r" } }),
            json!({ "facts": earlier, "room": { "service_id": "two", "id": "r" } }),
        ] {
            assert_eq!(found_in("alice", Some("one"), &attributes).len(), 1, "{attributes}");
            assert_eq!(found_in("alice", Some("two"), &attributes).len(), 0, "{attributes}");
        }
    }

    #[test]
    fn a_user_without_a_service_is_included_whatever_it_is() {
        for attributes in [
            json!({ "caller": { "user_id": "alice" }, "callee": { "service_id": "two", "user_id": "bob" } }),
            json!({ "vendor": { "from_user_id": "alice", "from_service_id": "", "to_service_id": "two" } }),
            json!({ "vendor": { "UserId": "alice" } }),
            json!({ "facts": r#"{"people":{"alice":{}}}"# }),
            json!({ "app_data": "alice" }),
        ] {
            assert_eq!(found_in("alice", Some("one"), &attributes).len(), 1, "{attributes}");
        }
    }

    #[test]
    fn text_that_only_looks_like_json_is_text() {
        for text in ["[".repeat(5000), "NaN".into(), "1e999999".into(), "\u{feff}{}".into()] {
            assert!(found_in(&text, None, &json!({ "app_data": text })).contains("app_data"), "{text:.9}");
        }
    }

    #[test]
    fn the_attributes_that_are_looked_at_are_those_of_records() {
        for name in PERSONS.into_iter().chain(["app_data", "facts", "vendor"]) {
            assert!(ATTRIBUTES.contains(&name), "{name}");
        }
    }
}
