//! `call-event` as it would be with the AWS SDK as it comes: default features, clients made as the SDK's documentation shows, tokio's default runtime,
//! cargo's release profile. The handler is Ringback's own, so that nothing else differs.

use std::process::ExitCode;

use aws_config::BehaviorVersion;
use ringback::function;
use ringback::handler::{Recorded, Recorder};
use ringback::spool::SpoolTopic;
use ringback::store::RecordsTable;

#[tokio::main]
async fn main() -> ExitCode {
    let config = aws_config::load_defaults(BehaviorVersion::latest()).await;
    let dynamodb = aws_sdk_dynamodb::Client::new(&config);
    let sns = aws_sdk_sns::Client::new(&config);
    function::run(async |environment| {
        let store = RecordsTable::new(dynamodb, environment.records_table()?);
        let spool = SpoolTopic::new(sns, environment.topic_arn("SPOOL_TOPIC_ARN")?);
        Recorder::into(store, spool, Recorded::CALL_EVENT, environment)
    })
    .await
}
