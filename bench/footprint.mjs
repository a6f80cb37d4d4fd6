// What a server needs: time to be ready, memory when idle, memory with many idle streams.
//
//   node bench/footprint.mjs PROGRAM [STREAMS]
//
// Prints one JSON object; fails when a bound of docs/server.md is exceeded.
import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

const [program, count = "10000"] = process.argv.slice(2);
const streams = Number(count);
const bounds = { ready_ms: 200, idle_mb: 40, streams_mb: 300 };
const directory = mkdtempSync(join(tmpdir(), "tallyman-footprint-"));
const database = join(directory, "fleet.db");

function start() {
  const begun = process.hrtime.bigint();
  const server = spawn(program, ["server", "--db", `sqlite:${database}`, "--listen", "127.0.0.1:0"], {
    stdio: ["ignore", "ignore", "pipe"],
  });
  return new Promise((resolve, reject) => {
    let log = "";
    server.once("exit", () => reject(new Error(`the server ended: ${log}`)));
    server.stderr.on("data", (bytes) => {
      log += bytes;
      const serving = /serving on http:\/\/[^ ]*:(\d+)/.exec(log);
      if (!serving) return;
      const ready_ms = Number(process.hrtime.bigint() - begun) / 1e6;
      resolve({ server, port: Number(serving[1]), ready_ms });
    });
  });
}

function stop(server) {
  server.removeAllListeners("exit");
  return new Promise((resolve) => {
    server.once("exit", resolve);
    server.kill("SIGTERM");
  });
}

const residentMb = (pid) =>
  Number(/^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))[1]) / 1000;

// Resolves with the socket once the first message of the stream has come.
function openStream(port, token) {
  const body = Buffer.concat([Buffer.from([0, 0, 0, 0, 2]), Buffer.from("{}")]);
  return new Promise((resolve, reject) => {
    const socket = connect(port, "127.0.0.1");
    socket.once("error", reject);
    socket.write(
      `POST /tallyman.v1.EventService/WatchEvents HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${token}\r\n` +
        `Content-Type: application/connect+json\r\nContent-Length: ${body.length}\r\n\r\n`,
    );
    socket.write(body);
    let seen = "";
    socket.on("data", (bytes) => {
      seen += bytes.toString("latin1");
      if (seen.includes("cursor")) resolve(socket);
      if (seen.includes('"error"')) reject(new Error(seen));
    });
  });
}

await stop((await start()).server); // makes the database
const { server, port, ready_ms } = await start();
const idle_mb = residentMb(server.pid);
const token = readFileSync(`${database}.admin-token`, "utf8").trim();
const sockets = [];
for (let opened = 0; opened < streams; opened += 100) {
  const some = Array.from({ length: Math.min(100, streams - opened) }, () => openStream(port, token));
  sockets.push(...(await Promise.all(some)));
}
const streams_mb = residentMb(server.pid);
for (const socket of sockets) socket.destroy();
await stop(server);
rmSync(directory, { recursive: true });

const found = { ready_ms, idle_mb, streams_mb };
for (const key in found) found[key] = Math.round(found[key] * 10) / 10;
console.log(JSON.stringify({ ...found, streams: sockets.length }));
const exceeded = Object.keys(bounds).filter((key) => found[key] >= bounds[key]);
if (exceeded.length > 0) {
  console.error(`footprint: more than is allowed: ${exceeded.map((k) => `${k} ${found[k]}`).join(", ")}`);
  process.exitCode = 1;
}
