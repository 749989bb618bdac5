//! `call-event` with the AWS SDK as it comes: default features, clients as its documentation makes them,
//! tokio's default runtime, cargo's release profile. The handler is Ringback's own, so that nothing else
//! differs.

use std::process::ExitCode;

use aws_config::BehaviorVersion;
use ringback::aws::budget;
use ringback::aws::dynamodb::DynamoDb;
use ringback::aws::store::RecordStore;
use ringback::aws::topic::Topic;
use ringback::lambda;
use ringback::lambda::handler::Recorder;
use ringback::lambda::settings::RecorderSettings;
use ringback::line::call_event;

#[tokio::main]
async fn main() -> ExitCode {
    let config = aws_config::load_defaults(BehaviorVersion::latest()).await;
    let dynamodb = aws_sdk_dynamodb::Client::new(&config);
    let sns = aws_sdk_sns::Client::new(&config);
    let connect = async |settings: RecorderSettings| {
        let table = DynamoDb::new(dynamodb, settings.table);
        let records = RecordStore::new(table, settings.retention, budget::STORE);
        Recorder::new(
            settings.gate,
            settings.callback,
            records,
            Topic::new(sns, settings.spool, budget::SPOOL),
        )
    };
    lambda::run(|environment| RecorderSettings::from_env(environment, call_event::CALLBACK), connect).await
}
