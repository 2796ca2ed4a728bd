/**
 * `npm start` as a person uses it: in a folder of its own, watched from outside.
 *
 * What it prints is kept; `ready` waits for the line that says so. `everything` lists the processes
 * that it started, from the notes in its folder, so that a test can see that none is left.
 */
import { type ChildProcess, spawn } from "node:child_process"
import { existsSync, readdirSync, readFileSync } from "node:fs"
import { join, resolve } from "node:path"
import { watchOver } from "../../scripts/stack.mjs"
import { eventually } from "./eventually.ts"

const checkout = resolve(import.meta.dirname, "../..")

export interface BusUser {
  readonly user: string
  readonly password: string
  readonly inboxPrefix: string
}

/** `run.json`, contract section 6. */
export interface RunFile {
  readonly instance: string
  readonly replica: string
  readonly pid: number
  readonly natsUrl: string
  readonly databaseUrl: string
  readonly keyFile: string
  readonly users: Readonly<Record<string, BusUser>>
}

export interface Noted {
  readonly name: string
  readonly pid: number
}

export interface Started {
  readonly dir: string
  readonly pid: number
  readonly output: () => string
  /** Waits for the line that begins with `ready`; fails at once when the process ends before. */
  readonly ready: () => Promise<RunFile>
  readonly exitCode: Promise<number | null>
  readonly kill: (signal: NodeJS.Signals) => void
  /** The processes under it that run now. */
  readonly everything: () => ReadonlyArray<Noted>
}

export interface NpmStartOptions {
  readonly dir: string
  readonly env?: Readonly<Record<string, string>>
  /** `["npm", "start"]` by default; the script itself, when its own pid is wanted. */
  readonly command?: ReadonlyArray<string>
}

/** The script that `npm start` runs, without npm and the shell around it. */
export const startScript: ReadonlyArray<string> = [process.execPath, "scripts/start.mjs"]

export const isRunning = (pid: number): boolean => {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8")
    return stat[stat.lastIndexOf(")") + 2] !== "Z"
  } catch {
    return false
  }
}

export const notedIn = (dir: string): ReadonlyArray<Noted> => {
  const folder = join(dir, "pids")
  return existsSync(folder)
    ? readdirSync(folder).map((file) => JSON.parse(readFileSync(join(folder, file), "utf8")) as Noted)
    : []
}

const exitOf = (child: ChildProcess): Promise<number | null> =>
  new Promise((done, fail) => {
    child.once("error", fail)
    child.once("close", (code) => done(code))
  })

/** The variables that decide what a start does come from the test alone. */
const cleanEnvironment = (): Record<string, string | undefined> =>
  Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^(?:CM_|NATS_|DATABASE_URL)/u.test(name)))

export const npmStart = (options: NpmStartOptions): Started => {
  const { dir, env = {}, command = ["npm", "start"] } = options
  const child = spawn(command[0]!, command.slice(1), {
    cwd: checkout,
    env: { ...cleanEnvironment(), ...env, CM_LOCAL_DIR: dir },
    stdio: ["ignore", "pipe", "pipe"]
  })
  watchOver(child)
  let output = ""
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk) => (output += String(chunk)))
  const exitCode = exitOf(child)
  return {
    dir,
    pid: child.pid!,
    output: () => output,
    exitCode,
    kill: (signal) => void child.kill(signal),
    ready: async () => {
      await eventually(
        () => ({ output, hasEnded: child.exitCode !== null || child.signalCode !== null }),
        (seen) => seen.hasEnded || /^ready\b/mu.test(seen.output),
        { limitMs: 180_000, what: "the ready line" }
      )
      if (!/^ready\b/mu.test(output)) throw new Error(`it ended without being ready:\n${output}`)
      return JSON.parse(readFileSync(join(dir, "run.json"), "utf8")) as RunFile
    },
    everything: () => notedIn(dir).filter(({ pid }) => isRunning(pid))
  }
}
