// Verifies R-RUN-6.
/** The lock of a folder: one process at a time, also when many find that its holder is dead. */
import { type ChildProcess, fork } from "node:child_process"
import { mkdirSync, readdirSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { setTimeout as pause } from "node:timers/promises"
import { afterAll, assert, it, vi } from "vitest"
import { seededRandom } from "../support/seededRandom.ts"
import { temporaryFolder } from "../support/servers.ts"

vi.setConfig({ testTimeout: 300_000 })

const contendersMax = 20
/** Long enough for the word to reach all of them. */
const leadMs = 40
const folder = temporaryFolder()
const running = new Set<ChildProcess>()
afterAll(() => {
  for (const child of running) child.kill("SIGKILL")
  folder.remove()
})

interface Answer {
  readonly has?: boolean
  /** Who the lock says has it, for one that has not. */
  readonly holder?: number
  /** Another living process that had the lock at the same time. */
  readonly other?: number
}

interface Contender {
  readonly pid: number
  readonly tell: (what: unknown) => Promise<Answer>
  readonly kill: () => Promise<void>
  readonly exited: Promise<"exited">
}

const { random } = seededRandom("contenders for a lock")

const contender = async (): Promise<Contender> => {
  const child = fork("test/support/lockContender.mjs", [String(Math.floor(random() * 2 ** 32))])
  running.add(child)
  const exited = new Promise<"exited">((done) =>
    child.once("exit", () => {
      running.delete(child)
      done("exited")
    })
  )
  const answer = () => new Promise<Answer>((done) => child.once("message", (said) => done(said as Answer)))
  await answer()
  return {
    pid: child.pid!,
    tell: (what) => {
      const answered = answer()
      child.send(what as object)
      return answered
    },
    kill: async () => {
      child.kill("SIGKILL")
      await exited
    },
    exited
  }
}

/** All of them at the same moment. */
const race = async (file: string, all: ReadonlyArray<Contender>): Promise<ReadonlyArray<Answer>> => {
  const at = Date.now() + leadMs
  return Promise.all(all.map(({ tell }) => tell({ file, at })))
}

const lockIn = (name: string, content?: string): string => {
  const dir = join(folder.path, name)
  mkdirSync(dir)
  const file = join(dir, "start.lock")
  if (content !== undefined) writeFileSync(file, content)
  return file
}

const dead = JSON.stringify({ pid: 2 ** 22 + 1, startTime: "1" })

it(`of ${contendersMax} processes that find a dead holder's lock at once, exactly one has it`, async () => {
  const file = lockIn("race", dead)
  let all = await Promise.all(Array.from({ length: contendersMax }, contender))
  // The one that has it is killed, and the others find its lock.
  while (all.length > 1) {
    const answers = await race(file, all)
    const holders = all.filter((_, at) => answers[at]?.has)
    assert.lengthOf(holders, 1, `${all.length} raced`)
    const [holder] = holders
    const index = all.indexOf(holder!)
    assert.isUndefined(answers[index]?.other)
    await holder!.kill()
    all = all.filter((one) => one !== holder)
  }
  const last = all[0]!
  assert.isTrue((await last.tell({ file, at: 0 })).has)
  await last.tell("release")
  await last.kill()
  rmSync(`${file}.owner`)
  assert.deepStrictEqual(readdirSync(join(folder.path, "race")), [])
})

it("the same when some are killed while they take it over", async () => {
  const file = lockIn("kills", dead)
  let all = await Promise.all(Array.from({ length: 10 }, contender))
  for (let round = 0; round < 12; round++) {
    const at = Date.now() + leadMs
    // Somebody is left who has it at the end.
    const victims = all.slice(1).filter(() => random() < 0.3)
    const survivors = all.filter((one) => !victims.includes(one))
    const told = survivors.map(({ tell }) => tell({ file, at }))
    // Never fails: who is killed does not answer.
    for (const victim of victims) void victim.tell({ file, at })
    // Around the moment at which all of them try.
    const killAt = at + random() * 60 - 5
    await pause(Math.max(0, killAt - Date.now() - 4))
    while (Date.now() < killAt) {}
    await Promise.all(victims.map(({ kill }) => kill()))
    const answers = await Promise.all(told)
    const holders = answers.filter(({ has }) => has)
    // None when a victim held it or was at it; then the next try finds a dead one.
    assert.isAtMost(holders.length, 1)
    assert.isUndefined(holders[0]?.other)
    const again = holders.length === 1 ? answers : await race(file, survivors)
    const again1 = again.filter(({ has }) => has)
    assert.lengthOf(again1, 1)
    assert.isUndefined(again1[0]?.other)
    const holder = survivors[again.indexOf(again1[0]!)]!
    await holder.kill()
    const fresh = await Promise.all(Array.from({ length: victims.length + 1 }, contender))
    all = [...survivors.filter((one) => one !== holder), ...fresh]
  }
})

it("whatever step it dies at that takes a lock over, and dies at again, the next one can have it", async () => {
  let died = 0
  const next = await contender()
  for (let step = 1, isThrough = false; !isThrough; step++) {
    const file = lockIn(`step-${step}`, dead)
    for (let deaths = 0; deaths < 2; deaths++) {
      const doomed = await contender()
      const outcome = await Promise.race([doomed.tell({ file, at: 0, diesAt: step }), doomed.exited])
      isThrough = outcome !== "exited"
      if (isThrough) await doomed.kill()
      else died++
    }
    assert.isTrue((await next.tell({ file, at: 0 })).has, `after deaths at step ${step}`)
    await next.tell("release")
  }
  await next.kill()
  assert.isAbove(died, 8)
})

it("a lock that cannot be read, as a machine that lost its power leaves it, is a dead one's", async () => {
  for (const [name, content] of [
    ["empty", ""],
    ["half", '{"pid":1'],
    ["other", "[]"]
  ] as const) {
    const one = await contender()
    assert.isTrue((await one.tell({ file: lockIn(name, content), at: 0 })).has, name)
    await one.kill()
  }
})

it("who has it is told, and nobody has it after its release", async () => {
  const file = lockIn("told")
  const [one, two] = await Promise.all([contender(), contender()])
  assert.isTrue((await one.tell({ file, at: 0 })).has)
  assert.deepStrictEqual(await two.tell({ file, at: 0 }), { has: false, holder: one.pid })
  await one.tell("release")
  assert.isTrue((await two.tell({ file, at: 0 })).has)
  await Promise.all([one.kill(), two.kill()])
})
