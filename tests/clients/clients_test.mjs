// Clients that nobody here wrote: @connectrpc/connect-node and connect-web, in JSON and binary, and buf curl.
import assert from "node:assert/strict";
import { execFile, spawn } from "node:child_process";
import { after, before, test } from "node:test";
import { promisify } from "node:util";
import { Code, ConnectError, createClient } from "@connectrpc/connect";
import * as connectNode from "@connectrpc/connect-node";
import * as connectWeb from "@connectrpc/connect-web";
import { ErrorDetailSchema } from "../../build/clients/gen/tallyman/v1/error_pb.js";
import { EventService } from "../../build/clients/gen/tallyman/v1/event_pb.js";
import { OrgService } from "../../build/clients/gen/tallyman/v1/org_pb.js";
import { startServer } from "./server.mjs";

let server;
before(async () => {
  server = await startServer();
});
after(async () => {
  assert.equal(await server.stop(), 0);
});

const withToken = (token) => (next) => (request) => {
  request.header.set("Authorization", `Bearer ${token}`);
  return next(request);
};

function transports() {
  const options = (useBinaryFormat) => ({
    baseUrl: server.url,
    useBinaryFormat,
    interceptors: [withToken(server.token)],
  });
  const node = (binary) =>
    connectNode.createConnectTransport({ ...options(binary), httpVersion: "1.1" });
  return {
    "node-json": node(false),
    "node-proto": node(true),
    "web-json": connectWeb.createConnectTransport(options(false)),
    "web-proto": connectWeb.createConnectTransport(options(true)),
  };
}

async function refusal(call) {
  try {
    await call;
  } catch (error) {
    assert.ok(error instanceof ConnectError, String(error));
    return error;
  }
  assert.fail("it was to be refused");
}

// The first message with an event; the stream is ended afterwards, which leaving the loop does not do.
async function firstEvent(client, request, onGreeting = () => {}) {
  const stop = new AbortController();
  try {
    for await (const message of client.watchEvents(request, { signal: stop.signal })) {
      if (message.event !== undefined) return message;
      await onGreeting();
    }
  } finally {
    stop.abort();
  }
  assert.fail("the stream ended without an event");
}

const kinds = ["node-json", "node-proto", "web-json", "web-proto"];

for (const kind of kinds) {
  test(`${kind}: a call is answered`, async () => {
    const client = createClient(OrgService, transports()[kind]);
    const created = await client.createOrg({ name: kind });
    assert.equal(created.org.name, kind);
    assert.ok(created.org.createdAt.seconds > 1_700_000_000n);
    const listed = await client.listOrgs({ pageSize: 1000 });
    assert.ok(listed.orgs.some((org) => org.id === created.org.id));
  });

  test(`${kind}: an error has its code and its detail`, async () => {
    const client = createClient(OrgService, transports()[kind]);
    const error = await refusal(client.getOrg({ org: "nobody" }));
    assert.equal(error.code, Code.NotFound);
    const [detail] = error.findDetails(ErrorDetailSchema);
    assert.equal(detail.reason, "ORG_NOT_FOUND");
    assert.match(error.rawMessage, /nobody/);
  });

  test(`${kind}: a large answer arrives, packed or not`, async () => {
    const client = createClient(OrgService, transports()[kind]);
    for (let i = 0; i < 60; ++i) await client.createOrg({ name: `${kind}-${i}` });
    const listed = await client.listOrgs({ pageSize: 1000 });
    assert.ok(listed.orgs.length >= 60);
  });

  test(`${kind}: a wrong token is refused`, async () => {
    const make = kind.startsWith("node")
      ? (o) => connectNode.createConnectTransport({ ...o, httpVersion: "1.1" })
      : connectWeb.createConnectTransport;
    const transport = make({ baseUrl: server.url, interceptors: [withToken("wrong")] });
    const error = await refusal(createClient(OrgService, transport).listOrgs({}));
    assert.equal(error.code, Code.Unauthenticated);
  });

  test(`${kind}: a deadline is kept`, async () => {
    const client = createClient(EventService, transports()[kind]);
    const error = await refusal(
      (async () => {
        for await (const message of client.watchEvents({}, { timeoutMs: 300 })) {
          assert.equal(message.event, undefined);
        }
      })(),
    );
    assert.equal(error.code, Code.DeadlineExceeded);
  });

  test(`${kind}: a stream shows events, and goes on behind its cursor`, async () => {
    const transport = transports()[kind];
    const events = createClient(EventService, transport);
    const orgs = createClient(OrgService, transport);
    const watched = await firstEvent(events, {}, () => orgs.createOrg({ name: `${kind}-watched` }));
    assert.equal(watched.event.kind, "org_created");
    assert.equal(watched.event.org, `${kind}-watched`);
    await orgs.createOrg({ name: `${kind}-missed` });
    const missed = await firstEvent(events, { after: watched.cursor });
    assert.equal(missed.event.org, `${kind}-missed`);
  });

  test(`${kind}: a stream that is refused says why`, async () => {
    const client = createClient(EventService, transports()[kind]);
    const error = await refusal(
      (async () => {
        for await (const message of client.watchEvents({ filter: "colour=red" })) assert.ok(message);
      })(),
    );
    assert.equal(error.code, Code.InvalidArgument);
    assert.equal(error.findDetails(ErrorDetailSchema)[0].reason, "INVALID_FILTER");
  });
}

const run = promisify(execFile);
const bufArguments = (method, data) => [
  "curl", "--schema", "proto", "--protocol", "connect",
  "-H", `Authorization: Bearer ${server.token}`, "-d", data, `${server.url}/tallyman.v1.${method}`,
];
const bufCurl = (method, data) => run("node_modules/.bin/buf", bufArguments(method, data));

test("buf curl: a call is answered", async () => {
  const { stdout } = await bufCurl("OrgService/CreateOrg", '{"name": "by-buf"}');
  assert.equal(JSON.parse(stdout).org.name, "by-buf");
});

test("buf curl: an error has its code and its detail", async () => {
  await assert.rejects(bufCurl("OrgService/GetOrg", '{"org": "nobody"}'), (error) => {
    assert.match(error.stderr, /not_found/);
    assert.match(error.stderr, /ORG_NOT_FOUND/);
    return true;
  });
});

test("buf curl: a stream is shown as it comes", async () => {
  const curl = spawn("node_modules/.bin/buf", bufArguments("EventService/WatchEvents", '{"after": "0"}'));
  let shown = "";
  const ended = new Promise((resolve) => curl.once("exit", resolve));
  const seen = new Promise((resolve) => {
    curl.stdout.on("data", (bytes) => {
      shown += bytes;
      if (shown.includes('"org": "by-buf"')) resolve(true);
    });
  });
  assert.ok(await Promise.race([seen, ended.then(() => false)]), shown);
  curl.kill("SIGTERM");
  await ended;
});

test("streams are told when the server stops", async () => {
  const other = await startServer();
  const transport = connectNode.createConnectTransport({
    baseUrl: other.url, httpVersion: "1.1", interceptors: [withToken(other.token)],
  });
  let cursor;
  const error = await refusal(
    (async () => {
      for await (const message of createClient(EventService, transport).watchEvents({})) {
        cursor = message.cursor;
        other.signal("SIGTERM");
      }
    })(),
  );
  assert.equal(error.code, Code.Unavailable);
  assert.equal(error.findDetails(ErrorDetailSchema)[0].facts.cursor, cursor);
  assert.equal(await other.stop(), 0);
});
