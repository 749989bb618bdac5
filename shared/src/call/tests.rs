//! The laws of joining, and of what a reader sees.

use proptest::prelude::*;

use std::cmp::Reverse;

use super::claim::{Claim, First, Source};
use super::facts::{CallFacts, End, Leaving, Part, People};
use super::view::CallEnd;
use crate::call::model::{Kind, Media, Moment, Outcome, Person, ReleaseCode, Status};
use crate::text::bounds;

fn moment(seconds: u64) -> Option<Moment> {
    Moment::from_seconds_or_milliseconds(seconds)
}

fn claim<T: std::fmt::Debug>(value: impl Strategy<Value = T>) -> impl Strategy<Value = Option<Claim<T>>> {
    let source = prop_oneof![Just(Source::Inferred), Just(Source::OneSide), Just(Source::Stated)];
    proptest::option::of(
        (source, 0_u64..4, value).prop_map(|(source, at, value)| Claim::new(source, moment(at), value)),
    )
}

fn person() -> impl Strategy<Value = Person> {
    "[ab]".prop_map(|user| Person::new(Some("s"), Some(&user)).unwrap())
}

prop_compose! {
    fn part()(
        (callee, caller, refused) in any::<(bool, bool, bool)>(),
        called in 0_u64..4, came in 0_u64..4, left in 0_u64..4, refused_at in 0_u64..4,
        leaving in proptest::option::of(prop_oneof![
            Just(Leaving::Missed), Just(Leaving::Busy), Just(Leaving::Declined),
            Just(Leaving::Dropped), Just(Leaving::HungUp),
        ]),
    ) -> Part {
        Part {
            callee, caller, refused, leaving, called: moment(called).map(Reverse), came: moment(came),
            left: moment(left), refused_at: moment(refused_at),
        }
    }
}

prop_compose! {
    fn times()(
        setup in claim((1_u64..9).prop_map(|at| Reverse(moment(at).unwrap()))),
        started in claim((1_u64..9).prop_map(|at| Reverse(moment(at).unwrap()))),
        ended in claim((1_u64..9).prop_map(|at| moment(at).unwrap())),
        duration in claim(0_u64..3),
        online in claim(0_u64..3),
        online_left in claim((0_u64..3).prop_map(Reverse)),
        ends in proptest::collection::btree_map(
            prop_oneof![
                Just(End::CallerLeft), Just(End::CalleeLeft),
                Just(End::CallerRefused), Just(End::CalleeRefused),
            ],
            (0_u64..9).prop_map(|at| moment(at).map(Reverse)),
            0..3,
        ),
        last_event in 0_u64..4,
    ) -> CallFacts {
        CallFacts {
            setup, started, ended, duration, online, online_left, ends, last_event: moment(last_event),
            ..CallFacts::default()
        }
    }
}

prop_compose! {
    fn facts()(
        times in times(),
        kind in claim(prop_oneof![Just(Kind::OneToOne), Just(Kind::Group)]),
        media in claim(prop_oneof![Just(Media::Audio), Just(Media::Video)]),
        caller in claim(person()).prop_map(|claim| claim.map(First)),
        people in proptest::collection::btree_map("[abcd]", part(), 0..4).prop_map(People),
        outcome in claim(prop_oneof![Just(Outcome::Missed), Just(Outcome::Canceled), Just(Outcome::Failed)]),
        code in claim((0_i64..3).prop_map(ReleaseCode::Number)),
        reached in proptest::option::of(prop_oneof![Just(Status::Ringing), Just(Status::Ongoing)]),
        (talked, caller_saw_answer, never_accepted) in any::<(bool, bool, bool)>(),
        (over, release_is_shown_by_results) in any::<(bool, bool)>(),
    ) -> CallFacts {
        let reason = code.into_iter().map(|code| ("terminate".to_owned(), code)).collect();
        CallFacts {
            kind, media, caller, people, outcome, reason, reached, talked, caller_saw_answer,
            never_accepted, over, release_is_shown_by_results, ..times
        }
    }
}

proptest! {
    #[test]
    fn the_order_of_two_makes_no_difference(a in facts(), b in facts()) {
        prop_assert_eq!(a.clone().join(b.clone()), b.join(a));
    }

    #[test]
    fn the_grouping_of_three_makes_no_difference(a in facts(), b in facts(), c in facts()) {
        prop_assert_eq!(a.clone().join(b.clone()).join(c.clone()), a.join(b.join(c)));
    }

    #[test]
    fn a_repeat_makes_no_difference(a in facts(), b in facts()) {
        let both = a.clone().join(b.clone());
        prop_assert_eq!(both.clone().join(a), both.clone());
        prop_assert_eq!(both.clone().join(b), both);
    }

    #[test]
    fn facts_survive_being_stored(a in facts()) {
        let stored = serde_json::to_string(&a).unwrap();
        prop_assert_eq!(serde_json::from_str::<CallFacts>(&stored).unwrap(), a);
    }

    #[test]
    fn an_ended_call_that_is_over_never_comes_back(a in facts(), b in facts()) {
        let ended = CallFacts { over: true, ..a };
        prop_assert_eq!(ended.join(b).view().status, Status::Ended);
    }

    #[test]
    fn a_call_is_answered_only_with_talk(a in facts()) {
        let counted = a.duration.as_ref().is_some_and(|claim| claim.value > 0);
        let talk = a.talked || a.started.is_some() || counted;
        let view = a.view();
        prop_assert!(talk || view.outcome != Some(Outcome::Answered));
        prop_assert_eq!(view.outcome.is_some(), view.status == Status::Ended);
    }

    #[test]
    fn no_call_starts_after_its_end(a in facts()) {
        let view = a.view();
        if let (Some(started_at), Some(ended_at)) = (view.started_at, view.ended_at) {
            prop_assert!(started_at <= ended_at);
        }
    }

    #[test]
    fn after_an_end_nobody_is_online(a in facts()) {
        let view = a.view();
        prop_assert!(view.status != Status::Ended || view.online.unwrap_or(0) == 0);
    }

    #[test]
    fn only_an_answered_call_has_a_start_or_talk(a in facts()) {
        let view = a.view();
        if view.outcome.is_some_and(|outcome| outcome != Outcome::Answered) {
            prop_assert_eq!(view.started_at, None);
            prop_assert_eq!(view.duration_s.unwrap_or(0), 0);
        }
    }

    #[test]
    fn who_called_does_not_change_with_a_later_claim(
        mut a in facts(), caller in "[abcd]", called in 1_u64..4, user in "[e-h]", later in 4_u64..9,
    ) {
        let first = a.people.0.entry(caller).or_default();
        *first = Part { caller: true, callee: false, called: moment(called).map(Reverse), ..*first };
        let part = Part { caller: true, called: moment(later).map(Reverse), ..Part::default() };
        let claim = CallFacts { people: People([(user, part)].into()), ..CallFacts::default() };
        let before = a.view().caller;
        prop_assert_eq!(a.join(claim).view().caller, before);
    }

    #[test]
    fn a_second_device_that_stops_ringing_does_not_end_an_answered_call(
        answered_at in 10_u64..20, refused_at in 0_u64..30,
        outcome in prop_oneof![Just(Outcome::Canceled), Just(Outcome::Missed)],
    ) {
        let people = |part| People([("bob".to_owned(), part)].into());
        let bob = |part| CallFacts { people: people(part), ..CallFacts::default() };
        let answers = CallFacts {
            talked: true,
            reached: Some(Status::Ongoing),
            ..bob(Part { callee: true, came: moment(answered_at), ..Part::default() })
        };
        let refuses = CallFacts {
            outcome: Some(Claim::new(Source::Inferred, moment(refused_at), outcome)),
            ends: [(End::CalleeRefused, moment(refused_at).map(Reverse))].into(),
            ..bob(Part { callee: true, refused: true, refused_at: moment(refused_at), ..Part::default() })
        };
        prop_assert_eq!(answers.join(refuses).view().status, Status::Ongoing);
    }
}

proptest! {
    #[test]
    fn an_end_is_reported_once_by_the_facts_that_bring_it(a in facts(), b in facts()) {
        let both = a.clone().join(b);
        let told = both.end_since(&a);
        let brought = both.view().outcome.filter(|_| a.view().status != Status::Ended);
        prop_assert_eq!(told.map(|end| end.outcome), brought);
        prop_assert_eq!(both.end_since(&both), None);
    }
}

#[test]
fn facts_that_an_earlier_version_stored_are_read() {
    let stored = r#"{"caller":{"s":"s","t":1795000000000,"v":{"user_id":"alice"}},
        "people":{"bob":{"c":true,"i":1795000005000}},
        "online":{"s":"f","t":1795000000000,"v":2},"talked":true,
        "caller_end":{"s":"i","t":1795000060000,"v":null},"activity":null}"#;
    let facts: CallFacts = serde_json::from_str(stored).unwrap();
    assert_eq!(facts.view().caller, Person::new(None, Some("alice")));
    assert!(facts.people.0["bob"].is_in() && facts.talked);
    assert_eq!(facts.view().status, Status::Ended);
    assert_eq!(facts.view().ended_at, moment(1_795_000_060));
}

/// With claims at the last event, before it, after it, at no time, and of each source.
#[test]
fn both_forms_of_stored_facts_say_the_same() {
    let earlier = r#"{"callee":{"s":"f","t":1793779668000,"v":{"service_id":"planetkit","user_id":"bob"}},
        "duration":{"s":"f","t":1793779668000,"v":42},"ended":{"s":"f","t":null,"v":1793779668000},
        "kind":{"s":"s","t":1793779668000,"v":"one-to-one"},"last_event":1793779668000,
        "media":{"s":"i","t":null,"v":"audio"},"outcome":{"s":"s","t":1793779660000,"v":"answered"},
        "online":{"s":"f","t":1793779668001,"v":0},"over":true,
        "people":{"bob":{"c":true,"f":1793779667000,"i":1793779668000}},
        "ends":{"cl":1793779667999,"dl":null},
        "reason":{"terminate":{"s":"f","t":1793779668000,"v":16}},
        "caller_end":{"s":"f","t":1793779668000,"v":null},
        "started":{"s":"f","t":null,"v":1793779626000}}"#;
    let stored = concat!(
        r#"[1793779668000,{"k":["one-to-one",0,"s"],"m":["audio",null,"i"],"#,
        r#""callee":[{"service_id":"planetkit","user_id":"bob"}],"#,
        r#""people":{"bob":{"c":true,"f":1000,"i":0}},"on":[0,18446744073709551615],"st":[42000,null],"en":[0,null],"du":[42],"#,
        r#""oc":["answered",8000,"s"],"rc":{"terminate":[16]},"ov":true,"es":{"cl":1,"dl":null},"#,
        r#""caller_end":[null]}]"#,
    );
    let facts: CallFacts = serde_json::from_str(earlier).unwrap();
    assert_eq!(serde_json::to_string(&facts).unwrap(), stored);
    assert_eq!(serde_json::from_str::<CallFacts>(stored).unwrap(), facts);
    // Without an event's time there is nothing to count back from.
    let facts = CallFacts { last_event: None, ..facts };
    let stored = serde_json::to_string(&facts).unwrap();
    assert!(stored.starts_with(r#"[null,{"k":["one-to-one",1793779668000,"s"]"#), "{stored}");
    assert_eq!(serde_json::from_str::<CallFacts>(&stored).unwrap(), facts);
}

#[test]
fn facts_that_are_neither_form_are_refused() {
    for text in
        ["null", "7", "[]", "[null]", "[{}]", r#"[null,{"du":[]}]"#, r#"[null,{"du":["x"]}]"#, r#"[1,{},2]"#]
    {
        assert!(serde_json::from_str::<CallFacts>(text).is_err(), "{text}");
    }
}

#[test]
fn only_talk_counts_and_no_more_than_a_week_of_it() {
    let ended = |talked, seconds| {
        let duration = Some(Claim::new(Source::Stated, None, seconds));
        CallFacts { over: true, talked, duration, ..CallFacts::default() }
            .end_since(&CallFacts::default())
            .unwrap()
    };
    assert_eq!(ended(true, 30), CallEnd { outcome: Outcome::Answered, talk_seconds: 30 });
    assert_eq!(ended(false, 0), CallEnd { outcome: Outcome::Unknown, talk_seconds: 0 });
    assert_eq!(ended(true, u64::MAX).talk_seconds, bounds::COUNTED_TALK_SECONDS);
}

#[test]
fn a_crowd_is_cut_to_the_same_people_whatever_the_order() {
    let crowd = |range: std::ops::Range<usize>| CallFacts {
        people: People(
            range.map(|number| (format!("{number:04}"), Part { callee: true, ..Part::default() })).collect(),
        ),
        ..CallFacts::default()
    };
    let (a, b, c) = (crowd(0..200), crowd(150..400), crowd(390..600));
    let forwards = a.clone().join(b.clone()).join(c.clone());
    assert_eq!(forwards, c.join(b).join(a));
    assert_eq!(forwards.people.0.len(), bounds::PEOPLE);
}
