/**
 * Starts a NATS server on the loopback interface and waits until it answers.
 *
 * With `configFile` the server runs on that file; the file reads `$CM_NATS_PORT`, `$CM_NATS_NAME` (its
 * `server_name`, so that it can be reloaded), `$CM_NATS_STORE_DIR` and whatever is given in `env`. Without one it runs a plain server with
 * JetStream and no users. Its data lies in `dir`; started again there, it finds its streams.
 */
import { mkdirSync, writeFileSync } from "node:fs"
import { createConnection } from "node:net"
import { join } from "node:path"
import { startChild } from "./child.mjs"
import { findNatsServer } from "./find.mjs"
import { freePort } from "./freePort.mjs"
import { pause } from "./processes.mjs"

const readyLimitMs = 120_000
const portTries = 5

const plainConfig = `
listen: "127.0.0.1:$CM_NATS_PORT"
server_name: $CM_NATS_NAME
max_payload: 8MB
jetstream {
  store_dir: $CM_NATS_STORE_DIR
  sync_interval: always
}
`

/** The first line that a NATS server says (`INFO {…}`), parsed; undefined when nothing of the kind comes. */
const greeting = (port) =>
  new Promise((resolve) => {
    const socket = createConnection({ host: "127.0.0.1", port })
    let text = ""
    const done = (info) => {
      socket.destroy()
      resolve(info)
    }
    socket.setTimeout(1_000, () => done(undefined))
    socket.on("error", () => done(undefined))
    socket.on("close", () => done(undefined))
    socket.on("data", (chunk) => {
      text += chunk
      const end = text.indexOf("\r\n")
      if (end < 0) return
      try {
        done(JSON.parse(text.slice("INFO ".length, end)))
      } catch {
        done(undefined)
      }
    })
  })

/** Waits for the server of that name; false when it has ended before it answered. */
const isReady = async (server, port, name) => {
  const until = performance.now() + readyLimitMs
  while (!server.hasEnded()) {
    if ((await greeting(port))?.server_name === name) return true
    if (performance.now() > until) return false
    await pause(20)
  }
  return false
}

/**
 * @param options.dir where its data, its log and (without `configFile`) its configuration lie
 * @param options.port the port it must have; with `mayMove` only a wish
 * @param options.onStart told of each process that is started, also of one that does not get its port
 * @param options.name its server name (unique in a cluster); default `nats-<port>`
 */
export const startNats = async (options) => {
  const {
    dir,
    configFile,
    env = {},
    port: wanted,
    mayMove = false,
    args = [],
    onStart,
    binary = findNatsServer()
  } = options
  if (binary === undefined) throw new Error("there is no nats-server 2.12 or newer; run npm start, which builds one")
  mkdirSync(dir, { recursive: true })
  const config = configFile ?? join(dir, "nats.conf")
  for (let attempt = 1; ; attempt++) {
    const port = wanted !== undefined && (attempt === 1 || !mayMove) ? wanted : await freePort()
    if (configFile === undefined) writeFileSync(config, plainConfig.replaceAll("$CM_NATS_PORT", String(port)))
    const name = options.name ?? `nats-${port}`
    const server = startChild({
      name: "nats-server",
      command: binary,
      args: ["-c", config, ...args],
      env: {
        ...process.env,
        ...env,
        CM_NATS_PORT: String(port),
        CM_NATS_NAME: name,
        CM_NATS_STORE_DIR: join(dir, "jetstream")
      },
      logFile: options.logFile ?? join(dir, "nats-server.log")
    })
    onStart?.(server)
    if (await isReady(server, port, name)) return { ...server, port, url: `nats://127.0.0.1:${port}` }
    await server.stop()
    const lines = server.lastLogLines()
    const isTaken = lines.some((line) => line.includes("address already in use"))
    if (!isTaken || attempt >= portTries) throw new Error(`nats-server did not start:\n${lines.join("\n")}`)
    await pause(100)
  }
}
