// LINE's call_event on Node 20 with the AWS SDK for JavaScript v3, as a team would write it.
// It has the access checks, records and answers of Ringback's call-event, but no spool.
// It does not join calls: the newest event of a call wins.

import { createHash, timingSafeEqual } from "node:crypto";
import { ConditionalCheckFailedException, DynamoDBClient, PutItemCommand } from "@aws-sdk/client-dynamodb";
import { marshall } from "@aws-sdk/util-dynamodb";

const PATH = "/line/call_event";
const SERVICE_IDS = ["from_service_id", "to_service_id"];
const SESSION_ID_BYTES = 256;
// From this number on a time counts milliseconds: as seconds it would lie in the year 5138.
const FIRST_MILLISECONDS = 1e11;

// Newest family of release codes first.
// A code that says nothing without talk is `null`: the next family decides.
const OUTCOMES = [
  ["disconnect_reason", {
    1002: "rejected", 1201: "canceled", 1202: "busy", 1203: "missed", 1204: "busy", 1205: "busy",
    1206: "answered_elsewhere", 1207: "rejected", 1304: "canceled",
  }],
  ["terminate", { 16: null, 17: "busy", 18: "missed", 21: "rejected", 77: "canceled" }],
  ["call_end_reason", {
    1000: "canceled", 1001: "busy", 1002: "missed", 1003: "rejected", 1004: null, 1005: null, 1024: "busy",
  }],
  ["rel_code", {
    0: null, 1: null, 2: "canceled", 3: "rejected", 4: "busy", 5: "missed", 6: "busy",
    7: "answered_elsewhere", 8: "rejected",
  }],
];
const RELEASERS = { 1: "callee", 2: "caller", 3: "participant", 4: "cloud_server", 5: "app_server" };
const NUMERIC_REASONS = ["disconnect_reason", "releaser_type", "terminate", "call_end_reason", "rel_code"];
const WORDED_REASONS = ["rel_code_str", "releaser", "user_rel_code"];
const MEDIA = { A: "audio", V: "video" };
// `param` is the callee's secret; DynamoDB has no attributes without a name.
const LEFT_OUT = ["param", "cc_param", ""];

const digests = required("CALLBACK_TOKEN_SHA256").split(",").map((hex) => Buffer.from(hex.trim(), "hex"));
const ours = required("LINE_SERVICE_IDS").split(",").map((id) => id.trim());
const table = required("RECORDS_TABLE");
const retentionSeconds = Number(required("RETENTION_DAYS")) * 86_400;
const dynamodb = new DynamoDBClient();

export async function handler(event) {
  const { status, body, sid } = await answer(event, Date.now());
  const word = body?.result ?? body?.error ?? "unknown_url";
  console.log(JSON.stringify({ provider: "line", callback: "call_event", outcome: word, status, sid }));
  const headers = { "cache-control": "no-store", "content-type": "application/json" };
  return { statusCode: status, headers, body: body ? JSON.stringify(body) : "" };
}

async function answer(event, now) {
  if (!knowsTheToken(event.rawPath)) return { status: 404 };
  if (event.requestContext.http.method !== "GET") return { status: 405 };
  // A plus is a plus: the vendor percent-encodes, it does not send forms.
  const parameters = new URLSearchParams(event.rawQueryString.replaceAll("+", "%2B"));
  if (!isOurs(parameters)) return { status: 403, body: { error: "not_ours" } };
  const sid = text(parameters, "sid");
  if (!sid) return { status: 400, body: { error: "missing_field", field: "sid" } };
  const isTooLong = Buffer.byteLength(sid) > SESSION_ID_BYTES;
  if (isTooLong) return { status: 400, body: { error: "unusable_field", field: "sid" } };
  const isNew = await keep(sid, parameters, now);
  return { status: 200, body: { result: isNew ? "recorded" : "duplicate" }, sid };
}

function knowsTheToken(path) {
  if (!path.endsWith(PATH)) return false;
  const token = path.slice(0, -PATH.length).split("/").at(-1);
  const digest = createHash("sha256").update(token).digest();
  return token !== "" && digests.some((known) => timingSafeEqual(known, digest));
}

function isOurs(parameters) {
  if (ours.includes("any")) return true;
  return SERVICE_IDS.flatMap((name) => parameters.getAll(name)).every((id) => id === "" || ours.includes(id));
}

/** Puts both items at once and says whether the event is new. */
async function keep(sid, parameters, now) {
  const at = ["end_time", "start_time", "setup_time"].map((name) => moment(parameters, name)).find(Boolean);
  const expires_at = Math.floor(now / 1000) + retentionSeconds;
  const frame = { sid, provider: "line", received_at: now, expires_at };
  const vendor = verbatim(parameters);
  const key = `event#${String(at ?? 0).padStart(13, "0")}#${fingerprint(vendor)}`;
  const event = { ...frame, record: key, callback: "call_event", what: "ended", at, vendor };
  const whole = { ...frame, record: "call", ...call(parameters, at) };
  const [isNew] = await Promise.all([
    put(event, "attribute_not_exists(sid)"),
    put(whole, "attribute_not_exists(sid) OR last_event_at < :at", { ":at": at ?? 0 }),
  ]);
  return isNew;
}

async function put(item, condition, values) {
  try {
    await dynamodb.send(new PutItemCommand({
      TableName: table,
      Item: marshall(item, { removeUndefinedValues: true }),
      ConditionExpression: condition,
      ExpressionAttributeValues: values && marshall(values),
    }));
    return true;
  } catch (error) {
    if (error instanceof ConditionalCheckFailedException) return false;
    throw error;
  }
}

function call(parameters, at) {
  return {
    kind: "one-to-one",
    status: "ended",
    outcome: outcome(parameters),
    media: MEDIA[text(parameters, "type")?.toUpperCase()] ?? "unknown",
    caller: person(parameters, "from"),
    callee: person(parameters, "to"),
    setup_at: moment(parameters, "setup_time"),
    started_at: moment(parameters, "start_time"),
    ended_at: moment(parameters, "end_time"),
    last_event_at: at,
    duration_s: Math.max(number(parameters, "duration") ?? 0, 0),
    released_by: releasedBy(parameters),
    app_data: text(parameters, "app_svr_data") ?? text(parameters, "stid"),
    reason: reason(parameters),
  };
}

function outcome(parameters) {
  if (moment(parameters, "start_time") || number(parameters, "duration") > 0) return "answered";
  for (const [family, words] of OUTCOMES) {
    const code = number(parameters, family);
    const word = code === undefined ? null : words[code];
    if (word !== null) return word ?? "failed";
  }
  return "unknown";
}

function releasedBy(parameters) {
  const releaser = text(parameters, "releaser");
  const older = releaser && ({ initiator: "caller", responder: "callee" }[releaser] ?? "cloud_server");
  return RELEASERS[number(parameters, "releaser_type")] ?? older;
}

function reason(parameters) {
  const codes = [
    ...NUMERIC_REASONS.map((name) => [name, number(parameters, name)]),
    ...WORDED_REASONS.map((name) => [name, text(parameters, name)]),
  ].filter(([, code]) => code !== undefined);
  return codes.length > 0 ? Object.fromEntries(codes) : undefined;
}

function person(parameters, side) {
  const service_id = text(parameters, `${side}_service_id`);
  const user_id = text(parameters, `${side}_user_id`);
  return service_id || user_id ? { service_id, user_id } : undefined;
}

/** Every parameter as it came; one that came twice has a list. */
function verbatim(parameters) {
  const names = [...new Set(parameters.keys())].filter((name) => !LEFT_OUT.includes(name));
  return Object.fromEntries(names.map((name) => {
    const values = parameters.getAll(name);
    return [name, values.length > 1 ? values : values[0]];
  }));
}

/** The same for the same callback, in whatever order its parameters came. */
function fingerprint(vendor) {
  const sorted = Object.entries(vendor).sort(([a], [b]) => (a < b ? -1 : 1));
  return createHash("sha256").update(JSON.stringify(sorted)).digest("hex").slice(0, 32);
}

function moment(parameters, name) {
  const time = number(parameters, name);
  if (!(time > 0)) return undefined;
  return time < FIRST_MILLISECONDS ? time * 1000 : time;
}

function number(parameters, name) {
  const digits = text(parameters, name);
  return digits && /^-?\d{1,15}$/.test(digits) ? Number(digits) : undefined;
}

function text(parameters, name) {
  return parameters.getAll(name).find((value) => value !== "");
}

function required(name) {
  const value = process.env[name];
  if (!value) throw new Error(`environment variable ${name} is missing`);
  return value;
}
