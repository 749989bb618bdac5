//! Whatever is sent, no calls of another user are shown.

use proptest::prelude::*;

use super::*;

proptest! {
    #[test]
    fn whatever_a_user_sends_the_calls_of_another_stay_closed(
        claim in prop_oneof![
            Just("bob".to_owned()), "bob[#%/]{1,2}(call|carol)?", "[#%/.]{0,3}carol#?", "\\PC{1,20}",
        ].prop_filter("Carol herself", |claim| claim != "carol"),
        cursor in prop_oneof![
            Just(String::new()), Just("OTk5OTk5OTk5OTk5OSN6".to_owned()), "[A-Za-z0-9_-]{0,60}", "\\PC{0,30}",
        ],
        address in prop_oneof![
            Just("/me/calls"), Just("/me/calls/../carol"), Just("/users/planetkit/carol/calls"),
            Just("/me/calls/users/planetkit/carol/calls"), Just("/me%2Fcalls"), Just("//me/calls"),
            Just("/calls/carols"), Just("/me/../users/planetkit/carol/calls"),
        ],
        csv: bool,
    ) {
        let api = api(calls());
        let query = if cursor.is_empty() { String::new() } else { format!("?cursor={cursor}") };
        let mut event = with_token("GET", &format!("{address}{query}"), &json!({ "sub": claim }));
        if csv {
            event["headers"] = json!({ "accept": "text/csv" });
        }
        let answer = send(&api, &event);
        prop_assert!(answer.status < 500, "{}", answer.text);
        prop_assert!(!answer.text.contains("carols"), "{}", answer.text);
        prop_assert!(!answer.line.contains("carol"), "{}", answer.line);
    }

    #[test]
    fn an_address_inside_an_id_is_not_taken_for_one(
        inner in "users/[a-z]{1,6}/[a-z]{1,6}/calls|calls/one|x/me/calls",
    ) {
        let api = api(calls());
        // As API Gateway passes on `/users/planetkit/<inner, with %2F>`, which a policy may allow.
        let answer = send(&api, &signed(&format!("/users/planetkit/{inner}")));
        prop_assert_eq!(answer.status, 404);
    }

    #[test]
    fn any_query_is_answered_without_a_5xx(
        address in "/(calls|stats|me/calls|rooms/live|calls/one/events|users/planetkit/bob/calls)",
        name in prop::sample::select(vec!["from", "to", "limit", "cursor", "by", "kind", "missed", "x"]),
        value in "\\PC{0,15}|[0-9]{0,14}|[0-9]{13}[A-Za-z0-9_-]{0,30}",
        rest in "(&[a-z]{1,6}=[a-z0-9]{0,4}){0,3}",
    ) {
        let api = api(calls());
        let address = format!("{address}?{name}={value}{rest}");
        for event in [signed(&address), bobs("GET", &address)] {
            let answer = send(&api, &event);
            prop_assert!(answer.status < 500, "{}", answer.text);
        }
    }
}
