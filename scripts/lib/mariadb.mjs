/**
 * Starts a MariaDB of our own on the loopback interface and waits until it answers.
 *
 * Its data lies in `dir/data` and is made at the first start. No option file of the machine is read.
 * A user with the given password is made (or its password set anew) at every start, before the first
 * connection is taken; it may do everything in its database, and everywhere with `mayCreateDatabases`.
 * The file that says so holds the password and is removed when the server has read it.
 * A commit is on the disk before it is answered (`innodb_flush_log_at_trx_commit=1`).
 */
import { execFile } from "node:child_process"
import { randomBytes } from "node:crypto"
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs"
import { createConnection } from "node:net"
import { join } from "node:path"
import { promisify } from "node:util"
import { startChild } from "./child.mjs"
import { findMariadb } from "./find.mjs"
import { freePort } from "./freePort.mjs"
import { pause } from "./processes.mjs"

const readyLimitMs = 180_000
const portTries = 5

const isRoot = () => process.getuid?.() === 0

/** Makes the data folder whole or not at all: a half-made one would be taken for a made one. */
const install = async (binary, data, env) => {
  const unfinished = `${data}.unfinished`
  rmSync(unfinished, { recursive: true, force: true })
  mkdirSync(unfinished, { mode: 0o700 })
  const user = isRoot() ? ["--user=root"] : []
  const args = ["--no-defaults", `--datadir=${unfinished}`, "--skip-test-db", ...user]
  await promisify(execFile)(binary, args, { env }).catch((error) => {
    throw new Error(`mariadb-install-db failed:\n${error.stdout ?? ""}${error.stderr ?? error.message}`)
  })
  renameSync(unfinished, data)
}

const noServer = () => new Error("there is no mariadbd 10.11 or newer; run npm start, which says what to install")

/** The data of a server that was never started, to be copied as the `data` of others. */
export const makeMariadbData = async (data, binaries = findMariadb()) => {
  if (binaries === undefined) throw noServer()
  await install(binaries.install, data, process.env)
}

const initStatements = ({ user, password, database, mayCreateDatabases }) =>
  [
    `CREATE DATABASE IF NOT EXISTS \`${database}\` CHARACTER SET utf8mb4;`,
    `CREATE USER IF NOT EXISTS '${user}'@'127.0.0.1' IDENTIFIED BY '${password}';`,
    `ALTER USER '${user}'@'127.0.0.1' IDENTIFIED BY '${password}';`,
    mayCreateDatabases
      ? `GRANT ALL PRIVILEGES ON *.* TO '${user}'@'127.0.0.1';`
      : `GRANT ALL PRIVILEGES ON \`${database}\`.* TO '${user}'@'127.0.0.1';`
  ].join("\n")

/** True when something that speaks MariaDB's protocol greets on the port. */
const greets = (port) =>
  new Promise((resolve) => {
    const socket = createConnection({ host: "127.0.0.1", port })
    const done = (answer) => {
      socket.destroy()
      resolve(answer)
    }
    socket.setTimeout(1_000, () => done(false))
    socket.on("error", () => done(false))
    socket.on("close", () => done(false))
    // Packet header of four bytes, then the protocol version, 10.
    socket.on("data", (chunk) => done(chunk[4] === 10))
  })

const isReady = async (server, port, pidFile) => {
  const until = performance.now() + readyLimitMs
  while (!server.hasEnded()) {
    // The file is written when the port is bound: with it, whoever greets is this server.
    if (existsSync(pidFile) && Number(readFileSync(pidFile, "utf8")) === server.pid && (await greets(port))) return true
    if (performance.now() > until) return false
    await pause(20)
  }
  return false
}

/** Starts the server, on another port when it is taken and it may move. */
const serve = async ({ binary, data, env, initFile, dir, port: wanted, mayMove, args, logFile, onStart }) => {
  for (let attempt = 1; ; attempt++) {
    const port = wanted !== undefined && (attempt === 1 || !mayMove) ? wanted : await freePort()
    const pidFile = join(dir, "mariadb.pid")
    rmSync(pidFile, { force: true })
    const server = startChild({
      name: "mariadbd",
      command: binary,
      env,
      args: [
        "--no-defaults",
        ...(isRoot() ? ["--user=root"] : []),
        `--datadir=${data}`,
        // Relative to the data folder, because the path of a socket may not be longer than 107 bytes.
        "--socket=mariadb.sock",
        `--port=${port}`,
        "--bind-address=127.0.0.1",
        "--skip-name-resolve",
        `--pid-file=${pidFile}`,
        `--init-file=${initFile}`,
        "--character-set-server=utf8mb4",
        "--innodb-flush-log-at-trx-commit=1",
        "--max-connections=400",
        ...args
      ],
      logFile,
      graceMs: 30_000
    })
    onStart?.(server)
    if (await isReady(server, port, pidFile)) return { ...server, port }
    await server.stop()
    const lines = server.lastLogLines(40)
    const isTaken = lines.some((line) => line.includes("Address already in use"))
    if (!isTaken || attempt >= portTries) throw new Error(`mariadbd did not start:\n${lines.join("\n")}`)
    await pause(100)
  }
}

/**
 * @param options.port the port it must have; with `mayMove` only a wish
 * @param options.onStart told of each process that is started, also of one that does not get its port
 * @param options.password default: a random one
 */
export const startMariadb = async (options) => {
  const { dir, port, mayMove = false, user = "cm", database = "cm", args = [], onStart } = options
  const { password = randomBytes(18).toString("hex"), mayCreateDatabases = false, binaries = findMariadb() } = options
  if (binaries === undefined) throw noServer()
  mkdirSync(dir, { recursive: true })
  const data = join(dir, "data")
  // Its temporary files are named by pid: in a shared folder they can meet those of a server that was killed.
  const temporary = join(dir, "tmp")
  rmSync(temporary, { recursive: true, force: true })
  mkdirSync(temporary)
  const env = { ...process.env, TMPDIR: temporary }
  if (!existsSync(data)) await install(binaries.install, data, env)
  const initFile = join(dir, "init.sql")
  const logFile = options.logFile ?? join(dir, "mariadb.log")
  try {
    writeFileSync(initFile, initStatements({ user, password, database, mayCreateDatabases }), { mode: 0o600 })
    const server = await serve({
      binary: binaries.server,
      data,
      env,
      initFile,
      dir,
      port,
      mayMove,
      args,
      logFile,
      onStart
    })
    return { ...server, url: `mariadb://${user}:${password}@127.0.0.1:${server.port}/${database}` }
  } finally {
    // It has been read before the server answered.
    rmSync(initFile, { force: true })
  }
}
