//! Sample callbacks through the handler, with the topic in memory.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use ringback::aws::topic::Publish;
use ringback::lambda::handler::{Handler, Notifier};
use ringback::lambda::http::{answer, status};
use ringback::line::NOTIFY;
use ringback::testing::{self, ARRIVAL, DeadTopic, MemoryTopic, block_on, environment};
use serde_json::{Value, json};

fn notifier<P: Publish>(push_jobs: P) -> Notifier<P> {
    Notifier::new(environment().gate(&NOTIFY).unwrap(), push_jobs)
}

#[test]
fn every_sample_event_becomes_what_is_expected_of_it() {
    let mut wrong = Vec::new();
    for sample in testing::samples("notify") {
        let topic = MemoryTopic::default();
        let handler = notifier(&topic);
        let handled = block_on(handler.handle(sample.request(), ARRIVAL));
        wrong.extend(testing::compare_answer(&sample, &answer(handler.gate().route(), &handled.outcome)));
        let jobs = topic.bodies();
        assert_eq!(jobs.len(), usize::from(sample.expected["effect"] == "job"), "{}: jobs", sample.name);
        for job in jobs {
            let body: Value = serde_json::from_str(&job).unwrap();
            let expected = sample.expected.get("job").cloned().unwrap_or_else(|| json!({}));
            wrong.extend(testing::differences(&expected, &body, &format!("{} job", sample.name)));
            assert!(body.as_object().unwrap().values().all(Value::is_string), "{}: {body}", sample.name);
        }
    }
    assert!(wrong.is_empty(), "{} differences:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn a_notify_that_sns_will_not_take_fails_at_once_so_that_the_caller_is_released() {
    let handler = notifier(DeadTopic);
    let path = format!("/{}/line/notify_cb", testing::TOKEN);
    let handled = testing::send(&handler, "GET", &path, "sid=a&param=b", "");
    assert_eq!(status(&handled.outcome), 503);
}

#[test]
fn param_leaves_as_it_came_whether_encoded_or_raw() {
    let path = format!("/{}/line/notify_cb", testing::TOKEN);
    for param in ["a+b/c==", "a%2Bb%2Fc%3D%3D", "a%2bb/c%3d="] {
        let topic = MemoryTopic::default();
        let handler = notifier(&topic);
        testing::send(&handler, "GET", &path, &format!("sid=s&param={param}&stid=x"), "");
        let body: Value = serde_json::from_str(&topic.bodies()[0]).unwrap();
        assert_eq!(body["cc_param"], "a+b/c==", "{param}");
    }
}
