// Verifies R-RUN-1.
/** What the watchdog ends when whoever started it is gone: the latest first, each when it is itself, and for certain. */
import { type ChildProcess, spawn } from "node:child_process"
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { assert, it } from "vitest"
import { temporaryFolder } from "../support/servers.ts"

const script = join(import.meta.dirname, "../../scripts/lib/watchdog.sh")

interface Victim {
  readonly child: ChildProcess
  readonly pid: number
  readonly ended: Promise<NodeJS.Signals | null>
}

/** A process that ends at SIGTERM after so long, or not at all. */
const victim = async (ends: string): Promise<Victim> => {
  const child = spawn("/bin/sh", ["-c", `${ends}; echo up; while :; do sleep 0.05; done`], {
    stdio: ["ignore", "pipe", "ignore"]
  })
  const ended = new Promise<NodeJS.Signals | null>((done) => child.once("exit", (_, signal) => done(signal)))
  await new Promise((up) => child.stdout.once("data", up))
  return { child, pid: child.pid!, ended }
}
const obedient = (last = "true") => victim(`trap '${last}; exit 0' TERM`)
const deaf = () => victim("trap '' TERM")
/** Field 22 of its line in /proc: a number that is used again has another one. */
const startTimeOf = (pid: number): string => {
  const stat = readFileSync(`/proc/${pid}/stat`, "utf8")
  return stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19]!
}
const lineOf = (sign: string, pid: number) => `${sign} ${pid} ${startTimeOf(pid)}\n`

const watch = () => {
  const child = spawn("/bin/sh", [script], { stdio: ["pipe", "ignore", "ignore"] })
  return { say: (line: string) => child.stdin.write(line), letGo: () => child.stdin.end() }
}

it("the service, which was started last, ends before the servers that it needs", async () => {
  // Each says so itself: of several that ended while nobody looked, Node does not tell which was first.
  const folder = temporaryFolder()
  const file = join(folder.path, "ended")
  const victims: Array<Victim> = []
  for (const at of [0, 1, 2]) victims.push(await obedient(`echo ${at} >> ${file}`))
  const { letGo, say } = watch()
  for (const { pid } of victims) say(lineOf("+", pid))
  letGo()
  await Promise.all(victims.map(({ ended }) => ended))
  assert.strictEqual(readFileSync(file, "utf8"), "2\n1\n0\n")
  folder.remove()
})

it("what has ended, or is another process by now, is left alone; the rest is ended", async () => {
  const [gone, stranger, ours] = [await obedient(), await obedient(), await obedient()]
  const { letGo, say } = watch()
  say(lineOf("+", ours.pid))
  say(lineOf("+", gone.pid))
  say(`+ ${stranger.pid} 1\n`)
  say(`- ${gone.pid}\n`)
  letGo()
  // The latest first: had they been meant, they would have ended before it.
  assert.isNull(await ours.ended)
  assert.isNull(stranger.child.exitCode)
  assert.isNull(gone.child.exitCode)
  for (const { child, ended } of [gone, stranger]) {
    child.kill("SIGKILL")
    assert.strictEqual(await ended, "SIGKILL")
  }
})

it("what does not end by itself is killed", { timeout: 300_000 }, async () => {
  const stubborn = await deaf()
  const { letGo, say } = watch()
  say(lineOf("+", stubborn.pid))
  letGo()
  assert.strictEqual(await stubborn.ended, "SIGKILL")
})
