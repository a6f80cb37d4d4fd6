// A real server of its own for each test file, on a port that the kernel picked.
import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

export async function startServer(options = []) {
  const directory = mkdtempSync(join(tmpdir(), "tallyman-clients-"));
  const database = join(directory, "fleet.db");
  const child = spawn(
    process.env.TALLYMAN_PROGRAM,
    ["server", "--db", `sqlite:${database}`, "--listen", "127.0.0.1:0", ...options],
    { stdio: ["ignore", "ignore", "pipe"] },
  );
  let log = "";
  const ended = new Promise((resolve) => child.once("exit", resolve));
  const port = await new Promise((resolve, reject) => {
    child.stderr.on("data", (bytes) => {
      log += bytes;
      const serving = /serving on https?:\/\/[^ ]*:(\d+)/.exec(log);
      if (serving) resolve(Number(serving[1]));
    });
    ended.then(() => reject(new Error(`the server ended: ${log}`)));
  });
  return {
    url: `http://127.0.0.1:${port}`,
    token: readFileSync(`${database}.admin-token`, "utf8").trim(),
    signal: (name) => child.kill(name),
    ended,
    async stop() {
      child.kill("SIGTERM");
      const status = await ended;
      rmSync(directory, { recursive: true });
      return status;
    },
  };
}
