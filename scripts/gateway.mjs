/**
 * `npm run gateway`: the HTTP gateway, in the foreground, over a bus that is there already.
 *
 * Runs on Node 20 and starts the checkout's own Node. NATS_URL, NATS_USER and NATS_PASSWORD (or NATS_CREDS) say which
 * bus; without NATS_URL it is that of the `npm start` in CM_LOCAL_DIR, as the user `gateway`. SIGTERM and Ctrl-C reach the
 * gateway, which answers what it has in hand and ends with exit code 0.
 */
import { spawn } from "node:child_process"
import { join } from "node:path"
import { argumentsOf } from "./lib/arguments.mjs"
import { checkout } from "./lib/find.mjs"
import { localDirOf, runningIn } from "./lib/localDir.mjs"

argumentsOf(import.meta.filename, { call: "npm run gateway" })

const ofRunning = () => {
  if (process.env.NATS_URL !== undefined) return {}
  const running = runningIn(localDirOf(process.env))
  if (running === undefined) {
    process.stderr.write("NATS_URL is not given and nothing runs here: start it with `npm start`\n")
    process.exit(1)
  }
  const { instance, natsCa, natsUrl, users } = running
  const { password, user } = users.gateway ?? {}
  return {
    CM_INSTANCE_NAME: instance,
    NATS_URL: natsUrl,
    NATS_USER: user,
    NATS_PASSWORD: password,
    ...(natsCa && { NATS_CA: natsCa })
  }
}

const child = spawn(join(checkout, "node_modules", ".bin", "node"), [join("src", "gatewayMain.ts")], {
  cwd: checkout,
  env: { ...process.env, ...ofRunning() },
  stdio: "inherit"
})
for (const name of ["SIGTERM", "SIGINT", "SIGHUP"]) process.on(name, () => child.kill("SIGTERM"))
child.once("error", ({ message }) => {
  process.stderr.write(`${message}\n`)
  process.exit(1)
})
child.once("exit", (code, signal) => process.exit(signal === null ? (code ?? 1) : 1))
