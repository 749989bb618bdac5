//! Whatever is sent, no calls of another user are shown.

use super::*;

/// Three users whose keys would be one if their separators were not encoded.
fn neighbours(tables: &CallTables, now: u64) -> [(&'static str, Vec<String>); 4] {
    let users = ["a", "a#b", "a%23b", "a#call#9"];
    users.map(|id| {
        let calls: Vec<_> = (0..5).map(|number| (format!("{id}-{number}"), now - number * 60_000)).collect();
        let rows = calls.iter().map(|(sid, at)| tables.users_row(&user(id), &users_row(sid, *at, true)));
        put(&rows.collect::<Vec<_>>());
        (id, calls.into_iter().map(|(sid, _)| sid).collect())
    })
}

#[test]
fn no_cursor_and_no_claim_opens_the_calls_of_another_user() {
    let (tables, now) = (CallTables::create(), now());
    let users = neighbours(&tables, now);
    let function = tables.function();
    for (id, own) in &users {
        assert_eq!(&pages(&function, "/me/calls?limit=2", &token_of(&json!(id))), own);
        let (_, first) = ask(&function, "/me/calls?limit=2", &token_of(&json!(id)));
        let cursor = first["next"].as_str().unwrap();
        for (other, others) in &users {
            let (status, list) =
                ask(&function, &format!("/me/calls?cursor={cursor}"), &token_of(&json!(other)));
            assert_eq!(status, 200);
            assert!(sids(&list).iter().all(|sid| others.contains(sid)), "{id}'s cursor, asked by {other}");
        }
        for length in 0..cursor.len() {
            let cut = format!("/me/calls?cursor={}", &cursor[..length]);
            let (status, list) = ask(&function, &cut, &token_of(&json!(id)));
            let only_own = || sids(&list).iter().all(|sid| own.contains(sid));
            assert!(status == 400 || (status == 200 && only_own()), "{status}: {list}");
        }
    }
    for claim in [json!(null), json!(7), json!(["a"]), json!({ "sub": "a" }), json!("a\u{0}"), json!("")] {
        assert_eq!(ask(&function, "/me/calls", &token_of(&claim)).0, 403, "{claim}");
    }
    for unknown in ["a#", "#a", "a%", "A", "a "] {
        assert_eq!(ask(&function, "/me/calls", &token_of(&json!(unknown))).1, json!({ "calls": [] }));
    }
}

#[test]
fn an_encoded_id_in_a_path_is_one_user_and_no_other() {
    let (tables, now) = (CallTables::create(), now());
    let users = neighbours(&tables, now);
    let function = tables.function();
    for (path, number) in [("a", 0), ("a%23b", 1), ("a%2523b", 2), ("a%23call%239", 3)] {
        let list = pages(&function, &format!("/users/planetkit/{path}/calls?limit=2"), &app_server());
        assert_eq!(list, users[number].1, "{path}");
    }
    for path in ["a%2F..%2Fa", "..%2Fplanetkit%2Fa", "x%2Fusers%2Fplanetkit%2Fa"] {
        let (status, _) = ask(&function, &format!("/users/planetkit/{path}/calls"), &app_server());
        assert_eq!(status, 404, "{path}");
    }
    for path in [".", "..", "%2E"] {
        let (status, list) = ask(&function, &format!("/users/planetkit/{path}/calls"), &app_server());
        assert_eq!((status, list), (200, json!({ "calls": [] })), "{path}");
    }
}
