//! One call of each kind, sent as the vendor would, each record twice; what must be refused; and what became
//! of it all.

use std::collections::BTreeSet;
use std::time::Duration;

use aws_sdk_sns::Client as Sns;
use aws_sdk_sqs::Client as Sqs;
use aws_sdk_sqs::types::QueueAttributeName;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::{Finding, Findings};
use crate::aim::Aimed;
use crate::call::{recorded, session};
use crate::error::Stop;
use crate::output::{call_line, now};
use crate::phones;
use crate::place::{Kind, Place};
use crate::records::Table;
use crate::scenario::{self, Scenario, Session, Step};
use crate::target::{Answer, NO_DEVICE, Token};

/// Together they send every callback there is, of both of Tencent's generations.
const SCENARIOS: [&str; 4] = ["agent", "late-join", "tencent-older", "tencent-current"];
/// Tencent's signature is good for a minute.
const CLOCK_SECONDS: u64 = 10;
const JOB_SECONDS: u64 = 10;

pub(super) async fn look(
    aimed: &Aimed,
    found: &mut Findings,
    no_notify: bool,
    watch: bool,
) -> Result<(), Stop> {
    let chosen = chosen(aimed, found)?;
    if chosen.is_empty() {
        return Err(Stop::new("whose callbacks? Give --service-id, --sdk-app-id or both, or --stack"));
    }
    let jobs = match JobQueue::open(aimed, no_notify, watch).await {
        Ok(jobs) => jobs,
        Err(why) => {
            found.add(Finding::of("push job", Err(why)));
            None
        }
    };
    // Ctrl-C ends the sending, not the tidying up.
    let outcome = tokio::select! {
        outcome = send_all(aimed, &chosen, jobs.as_ref(), found, no_notify) => outcome,
        _ = tokio::signal::ctrl_c() => Err(Stop::new("interrupted")),
    };
    if let Some(place) = &aimed.place {
        found.add(remove(place, &chosen).await);
    }
    if let Some(jobs) = jobs {
        jobs.close().await?;
    }
    outcome
}

fn chosen(aimed: &Aimed, found: &mut Findings) -> Result<Vec<(Scenario, Session)>, Stop> {
    let mut chosen = Vec::new();
    for scenario in scenario::all()?.into_iter().filter(|each| SCENARIOS.contains(&each.name.as_str())) {
        if aimed.service(scenario.vendor).is_none() {
            found.add(Finding::skipped(&scenario.name, "this vendor is not served, or its id is not known"));
            continue;
        }
        let began = now().saturating_sub(Duration::try_from_secs_f64(scenario.length()).unwrap_or_default());
        let session = session(&scenario, aimed, began)?;
        chosen.push((scenario, session));
    }
    Ok(chosen)
}

async fn send_all(
    aimed: &Aimed,
    chosen: &[(Scenario, Session)],
    jobs: Option<&JobQueue>,
    found: &mut Findings,
    no_notify: bool,
) -> Result<(), Stop> {
    let (mut refused, mut rings) = (BTreeSet::new(), None);
    let mut apart = None;
    for (scenario, session) in chosen {
        if let Some(place) = &aimed.place {
            for callee in scenario.rings(session) {
                phones::register(place, &session.service, &callee).await?;
            }
        }
        let mut taken = 0;
        for step in scenario.steps.iter().filter(|step| step.is_recorded() || !no_notify) {
            let callback = step.callback(session);
            let check = format!("{}: {}", scenario.name, step.what);
            let answer = aimed.send(&callback).await;
            apart = apart.or(answer.clocks_apart);
            if answer.status == Some(200) {
                taken += usize::from(step.is_recorded());
                rings = rings.or_else(|| (!step.is_recorded()).then_some(&session.sid));
            }
            let rung = ["published", "rung", NO_DEVICE].into_iter().find(|word| *word == answer.word());
            let first = if step.is_recorded() { "recorded" } else { rung.unwrap_or("published") };
            found.add(Finding::new(&check, answer.shown(&aimed.target), problem(&answer, step, first)));
            // A push job is not repeated: it would ring again.
            if step.is_recorded() && answer.status == Some(200) {
                let answer = aimed.send(&callback).await;
                let advice = problem(&answer, step, "duplicate");
                found.add(Finding::new(format!("{check}, again"), answer.shown(&aimed.target), advice));
            }
            // Once for each vendor: more would look like unauthorized traffic, and there is an alarm for
            // that.
            if refused.insert(step.route.method) {
                let other = if step.route.method == "GET" { "POST" } else { "GET" };
                let (wrong, by) = (
                    aimed.send_with(&callback, Token::random()?).await,
                    aimed.send_by(&callback, other).await,
                );
                for (what, answer, status) in [("a wrong token", wrong, 404), (other, by, 405)] {
                    let check = format!("{} with {what}", step.route.callback);
                    found.add(Finding::new(check, answer.shown(&aimed.target), not_refused(&answer, status)));
                }
            }
        }
        match &aimed.place {
            Some(place) if taken > 0 => {
                found.add(Finding::of(&scenario.name, look_at_record(place, scenario, session).await));
            }
            Some(_) => {
                found.add(Finding::skipped(&scenario.name, "no record: none of its callbacks was taken"))
            }
            None => {}
        }
    }
    found.add(clock(apart));
    match (jobs, rings) {
        (Some(jobs), Some(sid)) => found.add(Finding::of("push job", jobs.arrives(sid).await)),
        (Some(_), None) => found.add(Finding::skipped("push job", "no notify callback was taken")),
        (None, _) => {
            found.add(Finding::skipped("push job", "--watch-jobs sees one arrive, in a queue made for it"));
        }
    }
    Ok(())
}

/// What is wrong with an answer to a callback that must be taken.
fn problem(answer: &Answer, step: &Step, result: &str) -> String {
    let word = answer.word();
    let of_tencent = step.route.vendor.name == "tencent";
    let wanted = if of_tencent { "Success" } else { result };
    let problem = match answer.status {
        None => "nothing answered: check the address, the API and the network",
        Some(200) if word == "deferred" => {
            "it waits in the spool, see the log's error: docs/first-deployment.md, Rights to write records"
        }
        Some(200) if word == wanted => return not_storable(answer),
        Some(404) if word == NO_DEVICE => return not_storable(answer),
        Some(404) => "the token or the path is wrong: compare the digest, and the URL that is registered",
        Some(403) if word.contains("wrong_signature") => {
            "set TENCENT_CALLBACK_TOKEN to the token of Tencent's console"
        }
        Some(403) => {
            "the id is not on the list: give another one, or add it to LineServiceIds or TencentSdkAppIds"
        }
        Some(429) => "the API's own limit: raise RequestsPerSecond and RequestBurst",
        Some(500..) => "see the function's log: docs/runbook.md explains each outcome",
        Some(_) => return format!("it should be 200 {wanted}"),
    };
    problem.to_owned()
}

/// What is wrong with an answer to what must be refused without a word.
fn not_refused(answer: &Answer, status: u16) -> String {
    match answer.status {
        Some(found) if found == status && answer.body.is_empty() => not_storable(answer),
        Some(found) if found == status => {
            "it should have no body: a stranger must not learn what is here".to_owned()
        }
        Some(403) => {
            "the API refuses it, not the function: docs/deploy-with-cargo-lambda.md, Access".to_owned()
        }
        Some(500..) => "the function does not run: docs/first-deployment.md, The processor".to_owned(),
        _ => format!("it should be {status}: does something else answer at this address?"),
    }
}

fn not_storable(answer: &Answer) -> String {
    let right = answer.cache_control.contains("no-store");
    (if right { "" } else { "it should have Cache-Control: no-store: does something else answer here?" })
        .to_owned()
}

/// Whether the clock there is the one here. A signature is refused when they differ by a minute.
fn clock(apart: Option<u64>) -> Finding {
    let Some(apart) = apart else { return Finding::skipped("clock", "the answers have no date") };
    let wrong = "set this machine's clock: vendors' times and signatures need it";
    Finding::new("clock", format!("{apart} s apart"), if apart > CLOCK_SECONDS { wrong } else { "" })
}

async fn look_at_record(place: &Place, scenario: &Scenario, session: &Session) -> Result<Finding, Stop> {
    let (items, differences) = recorded(scenario, session, &Table::of(place)).await?;
    let events = scenario.steps.iter().filter(|step| step.is_recorded()).count();
    let check = format!("{}: records", scenario.name);
    let seen = items.first().map_or_else(|| "nothing".to_owned(), call_line);
    let advice = match items.len() {
        0 => "nothing is in the table: the record is in the spool, or in another stack's table".to_owned(),
        count if count != events + 1 => {
            format!("there are {count} items: it should be one of the call and {events} events")
        }
        _ if differences.is_empty() => String::new(),
        _ => format!("{}: does an older release answer?", differences.join("; ")),
    };
    Ok(Finding::new(check, seen, advice))
}

/// Removes what was recorded. One removal that fails does not stop the others.
async fn remove(place: &Place, chosen: &[(Scenario, Session)]) -> Finding {
    let (records, mut gone, mut left) = (Table::of(place), 0, Vec::new());
    for (_, session) in chosen {
        match records.remove(&session.sid).await {
            Ok(count) => gone += count,
            Err(why) => left.push(format!("{} ({why})", session.sid)),
        }
    }
    let advice = if left.is_empty() { String::new() } else { format!("delete by hand: {}", left.join("; ")) };
    Finding::new("records removed", format!("{gone} items"), advice)
}

/// A queue that gets every push job: the local stack's, or one that is made for a moment.
struct JobQueue {
    sqs: Sqs,
    sns: Sns,
    url: String,
    /// Nothing for a queue that stays.
    subscription: Option<String>,
}

impl JobQueue {
    async fn open(aimed: &Aimed, no_notify: bool, watch: bool) -> Result<Option<Self>, Stop> {
        let Some(place) = aimed.place.as_ref().filter(|_| !no_notify) else { return Ok(None) };
        let (sqs, sns) = (Sqs::new(&place.config("SQS")), Sns::new(&place.config("SNS")));
        match &place.kind {
            Kind::Local(local) if !watch => {
                Ok(Some(Self { sqs, sns, url: local.push_jobs_queue.clone(), subscription: None }))
            }
            Kind::Deployed(_) if !watch => Ok(None),
            _ => Self::make(sqs, sns, &place.push_jobs_topic).await.map(Some),
        }
    }

    async fn make(sqs: Sqs, sns: Sns, topic: &str) -> Result<Self, Stop> {
        let name = format!("ringback-doctor-{:016x}", fastrand::u64(..));
        let made = sqs.create_queue().queue_name(&name).send().await.map_err(Stop::aws("make a queue"))?;
        let mut queue = Self { sqs, sns, url: made.queue_url.unwrap_or_default(), subscription: None };
        let subscribed = queue.subscribe(topic).await;
        if let Err(why) = subscribed {
            queue.subscription = Some(String::new());
            queue.close().await?;
            return Err(why);
        }
        Ok(queue)
    }

    async fn subscribe(&mut self, topic: &str) -> Result<(), Stop> {
        let name = QueueAttributeName::QueueArn;
        let asked =
            self.sqs.get_queue_attributes().queue_url(&self.url).attribute_names(name.clone()).send().await;
        let asked = asked.map_err(Stop::aws("read the queue's ARN"))?;
        let arn = asked.attributes().and_then(|all| all.get(&name)).cloned().unwrap_or_default();
        let policy = json!({ "Version": "2012-10-17", "Statement": [{
            "Effect": "Allow", "Principal": { "Service": "sns.amazonaws.com" }, "Action": "sqs:SendMessage",
            "Resource": arn, "Condition": { "ArnEquals": { "aws:SourceArn": topic } },
        }]});
        let set = self.sqs.set_queue_attributes().queue_url(&self.url);
        let set = set.attributes(QueueAttributeName::Policy, policy.to_string()).send().await;
        set.map_err(Stop::aws("let the topic into the queue"))?;
        let subscribe = self.sns.subscribe().topic_arn(topic).protocol("sqs").endpoint(arn);
        let subscribe =
            subscribe.attributes("RawMessageDelivery", "true").return_subscription_arn(true).send().await;
        self.subscription = subscribe.map_err(Stop::aws("subscribe to the push jobs"))?.subscription_arn;
        Ok(())
    }

    /// Waits for the session's job, takes it out, and leaves the others.
    async fn arrives(&self, sid: &str) -> Result<Finding, Stop> {
        let patience = Instant::now() + Duration::from_secs(JOB_SECONDS);
        while Instant::now() < patience {
            let receive = self.sqs.receive_message().queue_url(&self.url).max_number_of_messages(10);
            // What is not ours is back for others after two seconds.
            let received = receive.visibility_timeout(2).wait_time_seconds(1).send().await;
            for message in received.map_err(Stop::aws("read the push jobs"))?.messages() {
                let job: Value = serde_json::from_str(message.body().unwrap_or_default()).unwrap_or_default();
                if job.get("sid").and_then(Value::as_str) == Some(sid) {
                    let delete = self.sqs.delete_message().queue_url(&self.url);
                    let delete = delete.set_receipt_handle(message.receipt_handle.clone()).send().await;
                    delete.map_err(Stop::aws("remove the push job"))?;
                    return Ok(Finding::new("push job", "arrived, and is removed again", ""));
                }
            }
        }
        let advice =
            "SNS took it and did not deliver it: look at the topic's policy, its key, and its delivery alarm";
        Ok(Finding::new("push job", format!("none within {JOB_SECONDS} s"), advice))
    }

    async fn close(self) -> Result<(), Stop> {
        let Some(subscription) = self.subscription else { return Ok(()) };
        if !subscription.is_empty() {
            let ended = self.sns.unsubscribe().subscription_arn(&subscription).send().await;
            ended.map_err(Stop::aws(&format!("end the subscription {subscription}: do it by hand")))?;
        }
        let deleted = self.sqs.delete_queue().queue_url(&self.url).send().await;
        deleted.map(drop).map_err(Stop::aws(&format!("delete the queue {}: do it by hand", self.url)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, body: &str) -> Answer {
        Answer {
            status: Some(status),
            body: body.into(),
            cache_control: "no-store".into(),
            ..Answer::default()
        }
    }

    fn step(of: &str) -> Step {
        scenario::all().unwrap().into_iter().find(|each| each.name == of).unwrap().steps.remove(0)
    }

    #[test]
    fn the_calls_send_every_callback() {
        let all = scenario::all().unwrap();
        let sent: BTreeSet<_> = all
            .iter()
            .filter(|each| SCENARIOS.contains(&each.name.as_str()))
            .flat_map(|each| each.steps.iter().map(|step| step.route.callback))
            .collect();
        assert_eq!(sent.len(), ringback::door::route::Route::ALL.len());
    }

    #[test]
    fn only_the_very_answer_is_right() {
        let (line, tencent) = (step("late-join"), step("tencent-older"));
        assert_eq!(problem(&answer(200, r#"{"result":"recorded"}"#), &line, "recorded"), "");
        assert_eq!(problem(&answer(200, r#"{"ErrorMessage":"Success"}"#), &tencent, "recorded"), "");
        let stored = Answer { cache_control: String::new(), ..answer(200, r#"{"result":"recorded"}"#) };
        for (answer, advice) in [
            (answer(200, r#"{"result":"duplicate"}"#), "it should be 200 recorded"),
            (answer(200, r#"{"result":"deferred"}"#), "waits in the spool"),
            (answer(404, ""), "the token or the path is wrong"),
            (answer(403, r#"{"error":"not_ours"}"#), "not on the list"),
            (answer(403, r#"{"error":"wrong_signature"}"#), "TENCENT_CALLBACK_TOKEN"),
            (answer(503, ""), "runbook"),
            (Answer::default(), "nothing answered"),
            (stored, "no-store"),
        ] {
            let said = problem(&answer, &line, "recorded");
            assert!(said.contains(advice), "{answer:?}: {said}");
        }
    }

    #[test]
    fn a_refusal_says_nothing() {
        assert_eq!(not_refused(&answer(404, ""), 404), "");
        assert!(not_refused(&answer(404, "hello"), 404).contains("no body"));
        assert!(not_refused(&answer(502, ""), 404).contains("The processor"));
        assert!(not_refused(&answer(200, ""), 404).contains("it should be 404"));
    }

    #[test]
    fn a_clock_that_is_wrong_is_found() {
        assert_eq!(clock(Some(1)).advice, "");
        assert!(clock(Some(100)).advice.contains("clock"));
        assert_eq!(clock(None).verdict, super::super::Verdict::Skipped);
    }
}
