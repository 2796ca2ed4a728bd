/**
 * The service as a process of its own, over servers of the test's.
 *
 * Everything it prints is kept: a test may look for what must never be there. Stopped by its own pid; and it ends with the
 * process of its test, however that one ends: at a time limit, or killed.
 */
import { type ChildProcess, spawn } from "node:child_process"
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join, resolve } from "node:path"
import { setTimeout as pause } from "node:timers/promises"
import { nodeArguments, watchOver } from "../../scripts/stack.mjs"
import { ownOriginators } from "./bus.ts"
import { compileCache } from "./compileCache.ts"
import { eventually } from "./eventually.ts"

const root = resolve(import.meta.dirname, "../..")

/** A test of a time limit gives its own. */
const patience = {
  CM_BARRIER_TIMEOUT: "30 seconds",
  CM_DB_CONNECT_TIMEOUT: "10 seconds",
  CM_DB_TIMEOUT: "30 seconds",
  CM_DRAIN_TIMEOUT: "2 minutes",
  CM_LOGIN_WAIT_MAX: "10 seconds",
  CM_MISS_TIMEOUT: "10 seconds",
  CM_NATS_DIAL_TIMEOUT: "3 seconds",
  CM_REQUEST_TIMEOUT: "1 minute",
  // Its ten sweeps a second are half of what a replica does that nobody asks anything, and there are dozens of replicas.
  CM_SWEEP_INTERVAL: "2 seconds"
}

/** The environment's name for a file that is the whole service; without it, and in another folder, the source is run. */
export const testedService = "CM_TEST_SERVICE_FILE"

export interface ServiceOptions {
  readonly natsUrl: string
  readonly databaseUrl: string
  readonly instance?: string
  readonly replica?: string
  /** Shared by the replicas of one database. */
  readonly keyFile?: string
  readonly env?: Record<string, string>
  /** The folder that holds `src`; default: this checkout. */
  readonly cwd?: string
  /** Do not wait until it answers. */
  readonly unready?: boolean
  /** With the time limits that it has by default, where they are what is looked at. */
  readonly asShipped?: boolean
  /** How long it may take until it answers; default: 120 s. */
  readonly readyLimitMs?: number
}

export interface Service {
  readonly pid: number
  readonly process: ChildProcess
  readonly keyFile: string
  readonly instance: string
  /** All it printed so far, both streams. */
  readonly output: () => string
  readonly exited: Promise<number | NodeJS.Signals>
  /** SIGTERM, and waits for its end. */
  readonly stop: () => Promise<number | NodeJS.Signals>
  readonly kill: (signal?: NodeJS.Signals) => void
}

export const startService = async (options: ServiceOptions): Promise<Service> => {
  const { instance = "cm", replica = "one" } = options
  const folder = mkdtempSync(join(tmpdir(), "cm-service-"))
  const readyFile = join(folder, "ready.json")
  const keyFile = options.keyFile ?? join(folder, "keys.json")
  mkdirSync(folder, { recursive: true })
  const file = options.cwd === undefined ? process.env[testedService] : undefined
  const started = file === undefined ? ["src/main.ts"] : [join(import.meta.dirname, "compiledService.mjs"), file]
  const child = spawn(process.execPath, [...nodeArguments, ...started], {
    cwd: options.cwd ?? root,
    stdio: ["ignore", "pipe", "pipe"],
    env: {
      PATH: process.env.PATH,
      NODE_COMPILE_CACHE: compileCache(options.cwd),
      CM_INSTANCE_NAME: instance,
      CM_REPLICA_ID: replica,
      NATS_URL: options.natsUrl,
      DATABASE_URL: options.databaseUrl,
      CM_KEY_FILE: keyFile,
      CM_KEY_FILE_CREATE: "true",
      CM_READY_FILE: readyFile,
      // A test does not wait for a day between two rotations.
      CM_KEYS_AGE_MIN: "0 seconds",
      CM_DEV_TENANTS: "demo",
      // What waits for a server waits longer on a machine that is busy with other suites.
      ...(options.asShipped === true ? {} : patience),
      // Suites ask many things of one tenant at once; what its share is by default is for `shares.test.ts`.
      CM_TENANT_REQUESTS_IN_FLIGHT: "4096",
      CM_EVENTS_BYTES_MAX: "67108864",
      CM_REVOCATIONS_BYTES_MAX: "67108864",
      CM_INBOX_BYTES_MAX: "67108864",
      CM_TOKENS_BYTES_MAX: "67108864",
      CM_METADATA_BYTES_MAX: "1048576",
      ...ownOriginators(instance),
      ...options.env
    }
  })
  watchOver(child)
  let printed = ""
  child.stdout.on("data", (chunk: Buffer) => {
    printed += chunk.toString()
  })
  child.stderr.on("data", (chunk: Buffer) => {
    printed += chunk.toString()
  })
  const exited = new Promise<number | NodeJS.Signals>((done) =>
    // Not "exit": what it printed last has come by then.
    child.once("close", (code, signal) => {
      rmSync(readyFile, { force: true })
      done(code ?? signal ?? 0)
    })
  )
  let ended = false
  // Never fails.
  void exited.then(() => {
    ended = true
  })
  if (options.unready !== true) {
    const ready = await eventually(
      () => (existsSync(readyFile) && readFileSync(readyFile, "utf8").length > 0 ? "ready" : ended ? "ended" : null),
      (seen) => seen !== null,
      { limitMs: options.readyLimitMs ?? 120_000, what: "the service being ready" }
    ).catch((error: unknown) => {
      child.kill("SIGKILL")
      throw new Error(`it printed:\n${printed.slice(-4_000)}`, { cause: error })
    })
    if (ready === "ended") throw new Error(`the service ended while starting:\n${printed.slice(-4_000)}`)
  }
  return {
    pid: child.pid!,
    process: child,
    keyFile,
    instance,
    output: () => printed,
    exited,
    stop: () => {
      child.kill("SIGTERM")
      return exited
    },
    kill: (signal = "SIGKILL") => {
      child.kill(signal)
    }
  }
}

/**
 * The answer to what was asked of a service that is killed meanwhile; null when it ended without one. What it had sent
 * before has arrived by then, and nobody waits out the limit of a request.
 */
export const answerOrEnd = <A>(asked: Promise<A>, { exited }: Service): Promise<A | null> =>
  Promise.race([asked, exited.then(() => pause(1_000, null))])
