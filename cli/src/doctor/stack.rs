//! What is deployed: the stack, the token's digest, the functions, queues, alarms, subscribers, the table.

use std::collections::BTreeMap;

use aws_sdk_cloudwatch::types::StateValue;
use ringback::door::access::TokenDigests;

use super::{Finding, Findings};
use crate::error::Stop;
use crate::functions::{Function, functions};
use crate::place::{Deployed, Kind, Place, Queue};
use crate::replay::waiting;
use crate::target::Token;

pub(super) const ONLY_ON_AWS: &str = "the local stack has none; --stack looks at a deployment's";

pub(super) async fn look(place: &Place, token: &Token, found: &mut Findings) {
    for (check, queue, advice) in [
        ("spool", &place.spool, "records wait: see docs/runbook.md, Spool age and Replay in vain"),
        ("dead letters", &place.dead_letters, "see docs/runbook.md, Dead letters; then `ringback replay`"),
    ] {
        found.add(Finding::of(check, empty(place, check, queue, advice).await));
    }
    found.add(Finding::of(
        "subscribers of push jobs",
        subscribers(place, "PushJobsTopicArn", &place.push_jobs_topic).await,
    ));
    match &place.kind {
        Kind::Local(local) => {
            found.add(digest(&[("the functions".to_owned(), local.token_digests.clone())].into(), token));
            for check in ["stack", "functions", "alarms", "metrics", "table's protection", "replay's trigger"]
            {
                found.add(Finding::skipped(check, ONLY_ON_AWS));
            }
        }
        Kind::Deployed(stack) => deployed(place, stack, token, found).await,
    }
}

async fn deployed(place: &Place, stack: &Deployed, token: &Token, found: &mut Findings) {
    found.add(status(&stack.status));
    match functions(place, stack).await {
        Ok(functions) => {
            let by_sam = stack.outputs.contains_key("ApiUrl");
            let release =
                stack.parameters.get("Release").filter(|_| by_sam).map(String::as_str).unwrap_or_default();
            for function in &functions {
                found.add(finding(function, release));
            }
            let digests = functions.into_iter().filter_map(|each| Some((each.name, each.token_digests?)));
            found.add(digest(&digests.collect(), token));
        }
        Err(why) => found.add(Finding::of("functions", Err(why))),
    }
    found.add(Finding::of("alarms", alarms(place, stack).await));
    found.add(Finding::of("metrics", metrics(place, stack).await));
    found.add(Finding::of("replay's trigger", trigger(place, stack).await));
    found.add(Finding::of("table's protection", protection(place, stack).await));
    let alarms_topic = stack.outputs.get("AlarmsTopicArn").map(String::as_str).unwrap_or_default();
    found.add(Finding::of("subscribers of alarms", subscribers(place, "AlarmsTopicArn", alarms_topic).await));
}

fn status(status: &str) -> Finding {
    let advice = match status {
        "CREATE_COMPLETE" | "UPDATE_COMPLETE" => "",
        "UPDATE_ROLLBACK_COMPLETE" => {
            "the last deployment was taken back: see the stack's events, and deploy again"
        }
        status if status.ends_with("_IN_PROGRESS") => {
            "a deployment is under way: run this again when it is done"
        }
        _ => "see docs/runbook.md, A deployment that fails",
    };
    Finding::new("stack", status, advice)
}

async fn empty(place: &Place, check: &str, queue: &Queue, advice: &str) -> Result<Finding, Stop> {
    let client = aws_sdk_sqs::Client::new(&place.config("SQS"));
    let count = waiting(&client, &queue.url(&client).await?).await?;
    Ok(Finding::new(check, format!("{count} messages"), if count == 0 { "" } else { advice }))
}

async fn subscribers(place: &Place, output: &str, topic: &str) -> Result<Finding, Stop> {
    let client = aws_sdk_sns::Client::new(&place.config("SNS"));
    let listed = client.list_subscriptions_by_topic().topic_arn(topic).send().await;
    let listed = listed.map_err(Stop::aws(&format!("list who subscribes to {output}")))?;
    let confirmed = |arn: &str| arn.starts_with("arn:");
    let subscriptions: Vec<_> = listed.subscriptions().iter().map(|each| each.subscription_arn()).collect();
    let count = subscriptions.iter().flatten().filter(|arn| confirmed(arn)).count();
    let advice = match (count, subscriptions.len()) {
        (0, 0) if output == "PushJobsTopicArn" && !place.push_keys.is_empty() => String::new(),
        (0, 0) => format!("it has no subscriber: subscribe to {output}"),
        (0, _) => format!("a subscription to {output} waits to be confirmed: look into its inbox"),
        _ => String::new(),
    };
    let check = if output == "AlarmsTopicArn" { "subscribers of alarms" } else { "subscribers of push jobs" };
    Ok(Finding::new(check, format!("{count} of {} confirmed", subscriptions.len()), advice))
}

/// Whether the token in hand opens every function.
fn digest(functions: &BTreeMap<String, String>, token: &Token) -> Finding {
    let knows = |digests: &&String| {
        TokenDigests::parse(digests).is_some()
            && digests.split(',').any(|each| each.trim().eq_ignore_ascii_case(&token.digest()))
    };
    let others: Vec<&str> =
        functions.iter().filter(|(_, digests)| !knows(digests)).map(|(name, _)| name.as_str()).collect();
    if functions.is_empty() {
        return Finding::skipped("token", "no function says which digests it knows");
    }
    if others.is_empty() {
        return Finding::new("token", "its digest is the functions' own", "");
    }
    let advice =
        format!("another token's digest: deploy with TOKEN_SHA256={} or use the other token", token.digest());
    Finding::new("token", others.join(", "), advice)
}

fn finding(function: &Function, release: &str) -> Finding {
    let Function { name, release: live, differs, state, .. } = function;
    // cargo-lambda deploys without a release's name.
    let advice = if live != release && !release.is_empty() {
        format!("it should be {release}: docs/first-deployment.md, A release without new code")
    } else if !differs.is_empty() {
        format!("what callbacks reach differs from what was deployed in {}: deploy again", differs.join(", "))
    } else if state != "Active" {
        format!("the function is {state}: see its reason with `aws lambda get-function-configuration`")
    } else {
        String::new()
    };
    Finding::new(format!("function {name}"), format!("release {live}, {state}"), advice)
}

async fn alarms(place: &Place, stack: &Deployed) -> Result<Finding, Stop> {
    let client = aws_sdk_cloudwatch::Client::new(&place.config("CLOUDWATCH"));
    // Another stack's name may begin with this one's.
    let own: Vec<String> = stack.resources(place, "AWS::CloudWatch::Alarm").await?.into_values().collect();
    let asked = client.describe_alarms().alarm_name_prefix(format!("{}-", stack.name));
    let mut pages = asked.into_paginator().send();
    let (mut total, mut ringing, mut silent, mut blind) = (0, Vec::new(), Vec::new(), Vec::new());
    while let Some(page) = pages.next().await {
        let page = page.map_err(Stop::aws("read the alarms"))?;
        for alarm in page.metric_alarms() {
            let Some(name) = own.iter().find(|own| alarm.alarm_name() == Some(own)).cloned() else {
                continue;
            };
            total += 1;
            if alarm.actions_enabled() == Some(false) {
                silent.push(name.clone());
            }
            match alarm.state_value() {
                Some(StateValue::Alarm) => ringing.push(name),
                Some(StateValue::InsufficientData) => blind.push(name),
                _ => {}
            }
        }
    }
    Ok(judge_alarms(total, &ringing, &silent, &blind))
}

/// Whether CloudWatch reads the metrics out of the log.
async fn metrics(place: &Place, stack: &Deployed) -> Result<Finding, Stop> {
    let client = aws_sdk_cloudwatch::Client::new(&place.config("CLOUDWATCH"));
    let listed = client.list_metrics().namespace(format!("Ringback/{}", stack.name)).send().await;
    let count = listed.map_err(Stop::aws("list the metrics"))?.metrics().len();
    let advice = "some minutes after the first call: docs/first-deployment.md, Metrics from the log";
    Ok(Finding::new("metrics", format!("{count} series"), if count > 0 { "" } else { advice }))
}

fn judge_alarms(total: usize, ringing: &[String], silent: &[String], blind: &[String]) -> Finding {
    let advice = if total == 0 {
        "the stack has no alarms: deploy the template whole".to_owned()
    } else if !ringing.is_empty() {
        format!("docs/runbook.md says what to do about each: {}", ringing.join(", "))
    } else if !silent.is_empty() {
        format!(
            "their actions are switched off: aws cloudwatch enable-alarm-actions --alarm-names {}",
            silent.join(" ")
        )
    } else if !blind.is_empty() {
        format!("no data: docs/first-deployment.md, Alarms without data: {}", blind.join(", "))
    } else {
        String::new()
    };
    Finding::new("alarms", format!("{total} alarms, {} of them on", ringing.len()), advice)
}

/// Whether replay is fed from the spool.
async fn trigger(place: &Place, stack: &Deployed) -> Result<Finding, Stop> {
    let client = aws_sdk_lambda::Client::new(&place.config("LAMBDA"));
    let spool = stack.outputs.get("SpoolQueueArn").map(String::as_str).unwrap_or_default();
    let listed = client.list_event_source_mappings().event_source_arn(spool).send().await;
    let listed = listed.map_err(Stop::aws("read what feeds replay"))?;
    let states: Vec<&str> = listed.event_source_mappings().iter().filter_map(|each| each.state()).collect();
    let right = states == ["Enabled"];
    let advice = if right {
        ""
    } else {
        "aws lambda update-event-source-mapping --uuid … --enabled, or deploy again"
    };
    Ok(Finding::new(
        "replay's trigger",
        if states.is_empty() { "none".to_owned() } else { states.join(", ") },
        advice,
    ))
}

/// Whether records expire, can be restored, and in production cannot be deleted with the table.
async fn protection(place: &Place, stack: &Deployed) -> Result<Finding, Stop> {
    let client = aws_sdk_dynamodb::Client::new(&place.config("DYNAMODB"));
    let doing = format!("read the settings of {}", place.table);
    let expiry =
        client.describe_time_to_live().table_name(&place.table).send().await.map_err(Stop::aws(&doing))?;
    let expires = expiry.time_to_live_description().and_then(|each| each.time_to_live_status());
    let backups = client.describe_continuous_backups().table_name(&place.table).send().await;
    let backups = backups.map_err(Stop::aws(&doing))?;
    let restorable =
        backups.continuous_backups_description().and_then(|each| each.point_in_time_recovery_description());
    let restorable = restorable.and_then(|each| each.point_in_time_recovery_status());
    let table = client.describe_table().table_name(&place.table).send().await.map_err(Stop::aws(&doing))?;
    let protected = table.table.and_then(|table| table.deletion_protection_enabled).unwrap_or_default();
    let missing: Vec<&str> = [
        (expires.is_none_or(|status| status.as_str() != "ENABLED"), "time to live"),
        (restorable.is_none_or(|status| status.as_str() != "ENABLED"), "point-in-time recovery"),
        (stack.is_production() && !protected, "deletion protection"),
    ]
    .into_iter()
    .filter_map(|(missing, what)| missing.then_some(what))
    .collect();
    let advice =
        if missing.is_empty() { String::new() } else { format!("switch on: {}", missing.join(", ")) };
    Ok(Finding::new("table's protection", if missing.is_empty() { "all on" } else { "not all on" }, advice))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_token_in_hand_must_be_known_to_every_function() {
        let token = Token::parse("in-hand").unwrap();
        let (ours, other) = (token.digest(), Token::parse("other").unwrap().digest());
        let known = |digests: [&str; 2]| {
            let functions = ["notify", "call"].map(str::to_owned).into_iter().zip(digests.map(str::to_owned));
            digest(&functions.collect(), &token)
        };
        assert_eq!(known([&ours, &format!("{other},{}", ours.to_uppercase())]).advice, "");
        let finding = known([&ours, &other]);
        assert_eq!(finding.seen, "call");
        assert!(finding.advice.contains(&ours) && !finding.advice.contains("in-hand"));
    }

    #[test]
    fn a_function_must_run_the_release_and_be_what_was_deployed() {
        let function = Function {
            name: "Notify".into(),
            release: "r2".into(),
            state: "Active".into(),
            ..Function::default()
        };
        assert_eq!(finding(&function, "r2").advice, "");
        assert!(finding(&function, "r3").advice.contains("it should be r3"));
        let behind = Function { differs: vec!["code".into()], ..function.clone() };
        assert!(finding(&behind, "r2").advice.contains("in code"));
        assert!(finding(&Function { state: "Failed".into(), ..function }, "r2").advice.contains("Failed"));
    }

    #[test]
    fn an_alarm_that_is_on_or_silenced_is_a_finding() {
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        assert_eq!(judge_alarms(35, &[], &[], &[]).advice, "");
        assert!(judge_alarms(0, &[], &[], &[]).advice.contains("no alarms"));
        assert!(judge_alarms(35, &names(&["s-api-5xx"]), &[], &[]).advice.ends_with("s-api-5xx"));
        assert!(judge_alarms(35, &[], &names(&["s-panics"]), &[]).advice.contains("s-panics"));
        assert!(judge_alarms(35, &[], &[], &names(&["s-spool"])).advice.contains("no data"));
    }

    #[test]
    fn a_stack_is_well_when_its_last_deployment_was() {
        for (text, well) in [
            ("CREATE_COMPLETE", true),
            ("UPDATE_COMPLETE", true),
            ("UPDATE_ROLLBACK_COMPLETE", false),
            ("", false),
        ] {
            assert_eq!(status(text).advice.is_empty(), well, "{text}");
        }
    }
}
