//! Callees with phones: a table of devices, the stand-ins of APNs and FCM, and their keys in emulated SSM.
//! The built functions `devices` and `notify` work on them.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Mutex;

use serde_json::{Value, json};

use crate::control_plane::Function;
use crate::phones::Phones;
use crate::stack::{aws, function_variables, new_devices_table, variable};

/// The emulator serves SSM where it serves SNS.
const SSM: &str = "AWS_ENDPOINT_URL_SNS";

/// Callees of this test alone.
pub struct Ringing {
    pub phones: Phones,
    table: String,
    keys: [String; 2],
    folder: PathBuf,
    devices: Mutex<Function>,
}

/// A push that a provider took: it rings a phone.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ring {
    pub token: String,
    pub sid: String,
    /// What the phone knows the call by: `call_uuid` on an iPhone, `sid` on Android.
    pub call: String,
}

impl Ringing {
    pub fn start() -> Self {
        let name = format!("ringing-{:016x}", fastrand::u64(..));
        let folder = std::env::temp_dir().join(&name);
        let phones = Phones::start(&folder, 0, 0).unwrap();
        let table = new_devices_table();
        let mut variables = function_variables();
        variables.push(("DEVICES_TABLE", table.clone()));
        let devices = Mutex::new(Function::start("devices", &borrowed(&variables)));
        let keys = ["apns", "fcm"].map(|provider| format!("/{name}/{provider}"));
        let ringing = Self { phones, table, keys, folder, devices };
        ringing.set_keys(&ringing.phones.apns_key(), &ringing.phones.fcm_key());
        ringing
    }

    /// Stores the keys of both providers.
    pub fn set_keys(&self, apns: &str, fcm: &str) {
        for (name, value) in self.keys.iter().zip([apns, fcm]) {
            let parameter =
                json!({ "Name": name, "Value": value, "Type": "SecureString", "Overwrite": true });
            aws(SSM, "AmazonSSM.PutParameter", "1.1", &parameter);
        }
    }

    /// The variables of a `notify` that rings.
    pub fn variables(&self) -> Vec<(&'static str, String)> {
        let [apns, fcm] = self.keys.clone();
        let url = self.phones.url();
        let bundle = self.folder.join("ca.pem").display().to_string();
        let mut variables = function_variables();
        variables.extend([
            ("DEVICES_TABLE", self.table.clone()),
            ("AWS_ENDPOINT_URL_SSM", variable(SSM)),
            ("APNS_KEY_PARAMETER", apns),
            ("FCM_KEY_PARAMETER", fcm),
            ("APNS_ENDPOINT_URL", url.to_owned()),
            ("FCM_ENDPOINT_URL", url.to_owned()),
            ("PUSH_CA_BUNDLE", bundle),
        ]);
        variables
    }

    /// A `notify` that rings.
    pub fn notify(&self) -> Function {
        Function::start("notify", &borrowed(&self.variables()))
    }

    /// Registers a phone: an Android one if its token has a colon, as Google's have.
    pub fn register(&self, service: &str, user: &str, device: &str, token: &str) {
        let platform = if token.contains(':') { "fcm" } else { "apns_voip" };
        let body = json!({ "platform": platform, "token": token, "app": "com.example.calls" });
        let event = json!({
            "version": "2.0", "rawPath": format!("/users/{service}/{user}/devices/{device}"),
            "body": body.to_string(), "isBase64Encoded": false,
            "requestContext": {
                "http": { "method": "PUT" }, "authorizer": { "iam": { "accessKey": "local" } },
            },
        });
        let (response, _) = self.devices.lock().unwrap().invoke(&event.to_string());
        assert!(matches!(response["statusCode"].as_u64(), Some(200 | 201)), "{response}");
    }

    /// Where functions may write what they say.
    pub fn log(&self) -> PathBuf {
        self.folder.join("log")
    }

    /// The tokens of all devices that are registered.
    pub fn registered(&self) -> BTreeSet<String> {
        let scan = json!({
            "TableName": self.table, "ConsistentRead": true, "FilterExpression": "attribute_exists(#token)",
            "ProjectionExpression": "#token", "ExpressionAttributeNames": { "#token": "token" },
        });
        let answer = aws("AWS_ENDPOINT_URL_DYNAMODB", "DynamoDB_20120810.Scan", "1.0", &scan);
        let items = answer["Items"].as_array().unwrap();
        items.iter().filter_map(|item| Some(item["token"]["S"].as_str()?.to_owned())).collect()
    }

    /// What is known of the ringing of a call of the service `planetkit`.
    pub fn guard(&self, sid: &str) -> Option<String> {
        let key = json!({ "pk": { "S": format!("ring#planetkit#{sid}") }, "sk": { "S": "guard" } });
        let get = json!({ "TableName": self.table, "Key": key, "ConsistentRead": true });
        let answer = aws("AWS_ENDPOINT_URL_DYNAMODB", "DynamoDB_20120810.GetItem", "1.0", &get);
        answer["Item"]["state"]["S"].as_str().map(str::to_owned)
    }

    /// Every push that was taken, oldest first.
    pub fn rings(&self) -> Vec<Ring> {
        let taken = self.phones.pushes().into_iter().filter(|push| push["status"] == 200);
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        taken
            .map(|push| {
                let job = job(&push);
                let call = job.get("call_uuid").unwrap_or(&job["sid"]);
                Ring { token: text(&push["token"]), sid: text(&job["sid"]), call: text(call) }
            })
            .collect()
    }
}

impl Drop for Ringing {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// What an app reads of a push.
pub fn job(push: &Value) -> &Value {
    if push["provider"] == "fcm" { &push["body"]["message"]["data"] } else { &push["body"] }
}

/// The event of an incoming call of the service `planetkit`.
pub fn incoming(callee: &str, sid: &str) -> String {
    let url = variable("CALLBACK_URL");
    let token = url.rsplit_once('/').unwrap().1;
    let query = format!(
        "from_user_id=alice&from_service_id=planetkit&to_user_id={callee}&to_service_id=planetkit\
         &sid={sid}&type=A&param=ab%2B%2F%3D%3D"
    );
    json!({
        "version": "2.0", "rawPath": format!("/{token}/line/notify_cb"), "rawQueryString": query,
        "headers": {}, "isBase64Encoded": false,
        "requestContext": { "http": { "method": "GET", "sourceIp": "192.0.2.10" } },
    })
    .to_string()
}

/// As the control plane takes them.
pub fn borrowed<'a>(variables: &'a [(&'static str, String)]) -> Vec<(&'static str, &'a str)> {
    variables.iter().map(|(name, value)| (*name, value.as_str())).collect()
}
