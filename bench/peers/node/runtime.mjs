// The smallest correct loop over the Lambda Runtime API, for machines on which AWS's own client, aws-lambda-ric, cannot
// be compiled. It is started the same way: `_HANDLER` names module and function in `LAMBDA_TASK_ROOT`. One event after
// the other, on one connection.

import { Agent, request } from "node:http";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

const [host, port] = process.env.AWS_LAMBDA_RUNTIME_API.split(":");
const agent = new Agent({ keepAlive: true, maxSockets: 1 });

function call(method, path, value) {
  const body = value === undefined ? undefined : JSON.stringify(value);
  const headers = body === undefined ? {} : { "content-length": Buffer.byteLength(body) };
  return new Promise((answered, failed) => {
    const sent = request({ host, port, method, path: `/2018-06-01/runtime/${path}`, headers, agent }, (response) => {
      const chunks = [];
      response.on("data", (chunk) => chunks.push(chunk));
      response.on("error", failed);
      const id = response.headers["lambda-runtime-aws-request-id"];
      response.on("end", () => answered({ id, text: Buffer.concat(chunks).toString() }));
    });
    sent.on("error", failed);
    sent.end(body);
  });
}

function described(error) {
  return { errorType: error.name, errorMessage: error.message, stackTrace: (error.stack ?? "").split("\n") };
}

async function loaded() {
  try {
    const [module, name] = process.env._HANDLER.split(".");
    return (await import(pathToFileURL(join(process.env.LAMBDA_TASK_ROOT, `${module}.mjs`))))[name];
  } catch (error) {
    await call("POST", "init/error", described(error));
    throw error;
  }
}

const handler = await loaded();
for (;;) {
  const { id, text } = await call("GET", "invocation/next");
  try {
    await call("POST", `invocation/${id}/response`, await handler(JSON.parse(text)));
  } catch (error) {
    await call("POST", `invocation/${id}/error`, described(error));
  }
}
