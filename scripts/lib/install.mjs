/**
 * What a fresh clone lacks: packages, a NATS server, MariaDB. Each is looked for first, then fetched or
 * built, and where that is impossible one line says what a person has to install.
 *
 * What is built lies in `.local/bin` of the checkout and is built once. What the package managers say
 * goes into a file and is shown only when they fail.
 */
import { spawn } from "node:child_process"
import { closeSync, existsSync, mkdirSync, openSync, statSync } from "node:fs"
import { join } from "node:path"
import { lastLines } from "./child.mjs"
import { builtBinaries, checkout, findMariadb, findNatsServer, oldMariadbs, onPath } from "./find.mjs"
import { alone } from "./lock.mjs"
import { signal } from "./processes.mjs"
import { Refusal, step } from "./report.mjs"

const natsServerModule = "github.com/nats-io/nats-server/v2@v2.15.2"

const logs = join(checkout, ".local", "install")

/** Runs a program, and what it starts, to its end with its output in a file; a failure is one line that names the file. */
const run = (name, command, args, env = {}) =>
  new Promise((resolve, reject) => {
    mkdirSync(logs, { recursive: true })
    const logFile = join(logs, `${name}.log`)
    const log = openSync(logFile, "w")
    const child = spawn(command, args, {
      cwd: checkout,
      env: { ...process.env, ...env },
      stdio: ["ignore", log, log],
      detached: true
    })
    closeSync(log)
    const endWithUs = () => signal(-child.pid, "SIGTERM")
    process.once("exit", endWithUs)
    child.once("error", reject)
    child.once("exit", (code, signalName) => {
      process.off("exit", endWithUs)
      if (code === 0) resolve()
      else {
        const last = lastLines(logFile, 1)[0]?.trim() ?? "it said nothing"
        reject(new Refusal(`${command} failed (${signalName ?? code}): ${last} (all of it in ${logFile})`))
      }
    })
  })

const modified = (file) => (existsSync(file) ? statSync(file).mtimeMs : 0)

/** npm writes its own copy of the lock as the last thing of an installation. */
const packagesAreCurrent = () =>
  existsSync(join(checkout, "node_modules", ".bin", "node")) &&
  modified(join(checkout, "node_modules", ".package-lock.json")) >= modified(join(checkout, "package-lock.json"))

const installPackages = async () => {
  if (packagesAreCurrent()) return
  const npm = process.env.npm_execpath
  const [command, first] = npm?.endsWith(".js") ? [process.execPath, [npm]] : ["npm", []]
  await step("installing packages", () =>
    run("npm", command, [...first, "ci", "--loglevel=error", "--no-fund", "--no-audit"])
  )
}

const provideNatsServer = async () => {
  if (findNatsServer() !== undefined) return
  const go = onPath("go")[0] ?? onPath("go", { PATH: "/usr/local/go/bin" })[0]
  if (go === undefined) {
    throw new Refusal(
      "nats-server 2.12 or newer is needed: put one on the path, or install Go and it is built from source"
    )
  }
  mkdirSync(builtBinaries, { recursive: true })
  await step("building nats-server (once)", () =>
    run("nats-server", go, ["install", natsServerModule], { GOBIN: builtBinaries })
  )
}

/** MariaDB's programs, and nothing that starts a server of the machine's. */
const mariadbPackages = ["mariadb-server-core", "mariadb-client-core"]

/** What a person has to install, and what is there that will not do. */
export const mariadbIsNeeded = (env = process.env) => {
  const old = oldMariadbs(env)
  const there = old.length === 0 ? "" : ` (${old.join(", ")})`
  const how = `Debian, Ubuntu: sudo apt-get install ${mariadbPackages.join(" ")}`
  return new Refusal(`MariaDB 10.11 or newer is needed${there}: install it (${how})`)
}

const provideMariadb = async () => {
  if (findMariadb() !== undefined) return
  const apt = onPath("apt-get")[0]
  if (apt === undefined || process.getuid?.() !== 0) throw mariadbIsNeeded()
  const env = { DEBIAN_FRONTEND: "noninteractive" }
  await step(`installing the Debian packages ${mariadbPackages.join(" and ")}`, async () => {
    await run("apt-update", apt, ["update", "-q"], env)
    await run("mariadb", apt, ["install", "-q", "-y", "--no-install-recommends", ...mariadbPackages], env)
  })
  // An older Debian has an older one.
  if (findMariadb() === undefined) throw mariadbIsNeeded()
}

const nodeLowest = 20

/** Everything that the service and its tests need to run here. Servers that are given need not be had. */
export const provide = async ({ nats = true, mariadb = true } = {}) => {
  if (Number.parseInt(process.versions.node, 10) < nodeLowest) {
    throw new Refusal(`Node ${nodeLowest} or newer is needed to start with; this is ${process.versions.node}`)
  }
  await alone(join(checkout, ".local", "install.lock"), async () => {
    await installPackages()
    if (nats) await provideNatsServer()
    if (mariadb) await provideMariadb()
  })
}
