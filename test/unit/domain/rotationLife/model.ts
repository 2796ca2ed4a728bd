/**
 * A model of rotating one secret, small enough to be walked completely: two processes, one database, one system
 * with two users. Every decision is made by the functions of `domain/RotationLife.ts`; a mutant exchanges one of
 * them, or takes a safeguard out of what is done with them.
 *
 * A process that takes no step is a paused one. Passwords are numbers: 1 is the first, 10 and more are those of
 * the generations, 100 is a person's; 0 is one that nobody knows.
 */
import * as Life from "../../../../src/domain/RotationLife.ts"

export interface Protocol {
  readonly decideStep: typeof Life.decideStep
  readonly decideSettle: typeof Life.decideSettle
  readonly afterHand: typeof Life.afterHand
  readonly takingAway: typeof Life.takingAway
  readonly mayForget: typeof Life.mayForget
  readonly giveBack: typeof Life.giveBack
  /** The new secret is durable before it is set. */
  readonly keepsPending: boolean
  /** It is used at the system before it is handed out. */
  readonly tests: boolean
  /** The system does nothing that comes after the claim's end. */
  readonly fencesSystem: boolean
  /** The holder looks once more, just before it goes to the system. */
  readonly looksOnceMore: boolean
  /** An old secret counts as dead when the system was seen to refuse it. */
  readonly confirms: boolean
}

export const production: Protocol = {
  decideStep: Life.decideStep,
  decideSettle: Life.decideSettle,
  afterHand: Life.afterHand,
  takingAway: Life.takingAway,
  mayForget: Life.mayForget,
  giveBack: Life.giveBack,
  keepsPending: true,
  tests: true,
  fencesSystem: true,
  looksOnceMore: true,
  confirms: true
}

/** What may happen, and how often. */
export interface Scenario {
  readonly name: string
  readonly ticks: number
  readonly rotations: number
  readonly crashes: number
  /** The system does it, and its answer is lost. */
  readonly lost: number
  /** The system refuses for good. */
  readonly refusals: number
  /** The system says that it did and did not. */
  readonly deaf: number
  readonly hands: number
  /** Nothing is rotated by this rotator any more. */
  readonly forgets: number
  /** Something, as a stop of the process, stands in the way of a step that was claimed and has not begun. */
  readonly hindrances: number
}

/** What the two processes are called; nothing else is called so. */
export const names = ["process 1", "process 2"] as const

const claimMs = 2
const overlapMs = 1

interface Login {
  readonly user: "a" | "b"
  readonly password: number
}
type Result = "done" | "transient" | "permanent"
type Process =
  | { readonly at: "idle" }
  | {
      readonly at: "claimed" | "looked"
      readonly claim: Life.StepClaim
      readonly work: Life.Work
      readonly keep: string
    }
  /** Its step will not begin: what is left to do is to give the claim back. */
  | { readonly at: "leaves"; readonly claim: Life.StepClaim }
  | { readonly at: "acted"; readonly claim: Life.StepClaim; readonly work: Life.Work; readonly result: Result }

export interface State {
  readonly now: number
  readonly left: Omit<Scenario, "name">
  readonly users: { readonly a: number; readonly b: number }
  readonly rotating: Life.Rotating
  readonly current: Login & { readonly version: number }
  readonly kept: Readonly<Record<number, Login>>
  readonly processes: readonly [Process, Process]
  readonly switched: number
  /** A reader took it and is promised it until then. */
  readonly promised: { readonly login: Login; readonly until: number } | null
}

export const initial = ({ name: _, ...left }: Scenario): State => ({
  now: 0,
  left,
  users: { a: 1, b: 0 },
  rotating: { ...Life.newRotating("db", 1_000, 0), nextRotationAt: 1_000 },
  current: { user: "a", password: 1, version: 1 },
  kept: {},
  processes: [{ at: "idle" }, { at: "idle" }],
  switched: 0,
  promised: null
})

const idle: Process = { at: "idle" }
const other = (user: "a" | "b"): "a" | "b" => (user === "a" ? "b" : "a")
const without = (kept: State["kept"], version: number): State["kept"] =>
  Object.fromEntries(Object.entries(kept).filter(([place]) => Number(place) !== version))

const pendingOf = ({ current, kept, rotating }: State, generation: number): Login =>
  kept[Life.pendingVersion(generation)] ?? { user: other(current.user), password: 10 + rotating.generation }

const inUse = ({ current, kept, rotating }: State): ReadonlySet<string> => {
  const { underWay } = rotating
  const pending = underWay === null ? undefined : kept[Life.pendingVersion(underWay.generation)]
  return new Set([current.user, ...(pending === undefined ? [] : [pending.user])])
}

/** What the system does; `isDeaf`: says that it did. */
const atSystem = (protocol: Protocol, state: State, work: Life.Work, keep: ReadonlySet<string>, isDeaf: boolean) => {
  const { users } = state
  const set = (user: "a" | "b", password: number) => (isDeaf ? users : { ...users, [user]: password })
  if (work.kind === "step") {
    const { password, user } = pendingOf(state, work.generation)
    switch (work.step) {
      case "prepare":
        return { users, result: "done" as const }
      case "set":
        return { users: set(user, password), result: "done" as const }
      case "test": {
        const works = !protocol.tests || users[user] === password
        // A new secret that the system does not take is nothing that waiting mends.
        return { users, result: works ? ("done" as const) : ("permanent" as const) }
      }
    }
  }
  const login = state.kept[work.version]
  if (login === undefined) throw new Error("a secret is to be taken away that nobody has")
  if (protocol.takingAway(login.user, keep) === "lock") {
    const after = set(login.user, 0)
    const dead = after[login.user] !== login.password
    return { users: after, result: dead || !protocol.confirms ? ("done" as const) : ("transient" as const) }
  }
  return { users, result: users[login.user] === login.password ? ("transient" as const) : ("done" as const) }
}

const put = (state: State, at: 0 | 1, process: Process): State => ({
  ...state,
  processes: at === 0 ? [process, state.processes[1]] : [state.processes[0], process]
})

const used = (state: State, what: Exclude<keyof State["left"], "name">): State => ({
  ...state,
  left: { ...state.left, [what]: state.left[what] - 1 }
})

const hindered = (state: State, at: 0 | 1, claim: Life.StepClaim): State =>
  put(used(state, "hindrances"), at, { at: "leaves", claim })

const settle = (protocol: Protocol, state: State, process: Extract<Process, { at: "acted" }>): State => {
  const { result, work } = process
  const decided = protocol.decideSettle({
    state: state.rotating,
    term: process.claim.term,
    work,
    outcome:
      result === "done"
        ? { kind: "done" }
        : { kind: "failed", permanent: result === "permanent", reason: "unknown", retryAt: state.now + 1 },
    currentVersion: state.current.version,
    now: state.now
  })
  if (decided._tag === "Fenced") return state
  const next = { ...state, rotating: decided.state }
  switch (decided.effect) {
    case "none":
      return next
    case "keep_pending": {
      const place = Life.pendingVersion(work.generation)
      return protocol.keepsPending
        ? { ...next, kept: { ...next.kept, [place]: pendingOf(state, work.generation) } }
        : next
    }
    case "wipe":
      return work.kind === "cleanup" ? { ...next, kept: without(next.kept, work.version) } : next
    case "switch": {
      const place = Life.pendingVersion(work.generation)
      const { version, ...before } = state.current
      const kept = { ...without(next.kept, place), [version]: before }
      const current = { ...pendingOf(state, work.generation), version: version + 1 }
      const promised = { login: before, until: state.now + overlapMs }
      return { ...next, kept, current, switched: state.switched + 1, promised }
    }
  }
}

export const stepsOf = (protocol: Protocol, state: State): ReadonlyArray<readonly [string, State]> => {
  const found: Array<readonly [string, State]> = []
  const { left, now, rotating } = state
  if (left.ticks > 0) found.push(["a tick", { ...used(state, "ticks"), now: now + 1 }])
  if (left.rotations > 0 && rotating.nextRotationAt > now) {
    found.push(["a rotation is due", { ...used(state, "rotations"), rotating: { ...rotating, nextRotationAt: now } }])
  }
  // At the system and here, while nobody is at work there.
  if (left.hands > 0 && (rotating.claim === null || rotating.claim.until <= now)) {
    const user = other(state.current.user)
    const kept = { ...state.kept }
    found.push([
      "a person sets another secret and stores it",
      {
        ...used(state, "hands"),
        users: { ...state.users, [user]: 100 },
        current: { user, password: 100, version: state.current.version + 1 },
        // The one before is the person's to take away.
        kept: { ...kept, 0: { user: state.current.user, password: state.current.password } },
        rotating: protocol.afterHand(rotating, now),
        promised: null
      }
    ])
  }
  if (left.forgets > 0 && protocol.mayForget(rotating, now)) {
    // What is told to be left is the person's to take away.
    const told = rotating.cleanups.filter(({ attempts, step }) => step === "retire" || attempts > 0)
    const mine = new Set([Life.pendingVersion(rotating.generation), ...rotating.cleanups.map(({ version }) => version)])
    const others = Object.entries(state.kept).filter(([place]) => !mine.has(Number(place)))
    const theirs = told.flatMap(({ version }) => {
      const login = state.kept[version]
      return login === undefined ? [] : [[String(-version), login] as const]
    })
    const { generation, term } = rotating
    found.push([
      "a person ends the rotations",
      {
        ...used(state, "forgets"),
        kept: Object.fromEntries([...others, ...theirs]),
        rotating: { ...Life.newRotating("db", 1_000, now), generation, term }
      }
    ])
  }
  for (const at of [0, 1] as const) {
    const process = state.processes[at]
    const who = names[at]
    if (process.at !== "idle" && left.crashes > 0) found.push([`${who} dies`, put(used(state, "crashes"), at, idle)])
    switch (process.at) {
      case "idle": {
        const options = { state: rotating, now, holder: who, claimMs, overlapMs, asked: null, isPaused: false }
        const decided = protocol.decideStep(options)
        if (decided._tag !== "Claim") break
        const next = put({ ...state, rotating: decided.state }, at, {
          at: "claimed",
          claim: decided.claim,
          work: decided.work,
          keep: ""
        })
        found.push([`${who} claims ${decided.work.step} ${decided.work.generation}`, next])
        break
      }
      case "claimed": {
        if (protocol.looksOnceMore && !Life.mayBegin(rotating, process.claim, now)) {
          found.push([`${who} gives up`, put(state, at, idle)])
          break
        }
        const { work } = process
        if (work.kind === "cleanup" && state.kept[work.version] === undefined) {
          found.push([`${who} finds nothing to take away`, put(state, at, idle)])
          break
        }
        if (left.hindrances > 0) found.push([`${who} cannot begin`, hindered(state, at, process.claim)])
        const keep = Array.from(inUse(state)).join("")
        found.push([`${who} looks`, put(state, at, { ...process, at: "looked", keep })])
        break
      }
      case "looked": {
        const { claim, work } = process
        const acted = (result: Result): Process => ({ at: "acted", claim, work, result })
        if (work.kind === "cleanup" && state.kept[work.version] === undefined) {
          found.push([`${who} is late`, put(state, at, idle)])
          break
        }
        if (protocol.fencesSystem && now >= claim.until) {
          found.push([`${who} is late`, put(state, at, acted("transient"))])
          break
        }
        if (left.hindrances > 0) found.push([`${who} cannot begin at the system`, hindered(state, at, claim)])
        const keep = new Set(process.keep)
        const { result, users } = atSystem(protocol, state, work, keep, false)
        found.push([`${who} does ${work.step} ${work.generation}`, put({ ...state, users }, at, acted(result))])
        if (left.lost > 0) {
          found.push([
            `${who} does ${work.step} ${work.generation}, unheard`,
            put({ ...used(state, "lost"), users }, at, acted("transient"))
          ])
        }
        if (left.refusals > 0 && work.step !== "prepare") {
          found.push([`${who} is refused ${work.step}`, put(used(state, "refusals"), at, acted("permanent"))])
        }
        if (left.deaf > 0 && (work.step === "set" || work.kind === "cleanup")) {
          const deaf = atSystem(protocol, state, work, keep, true)
          found.push([`${who} only seems to do ${work.step}`, put(used(state, "deaf"), at, acted(deaf.result))])
        }
        break
      }
      case "leaves": {
        const given = protocol.giveBack(rotating, process.claim.term)
        const isOver = given === undefined ? ", which is over," : ""
        found.push([`${who} gives its claim${isOver} back`, put({ ...state, rotating: given ?? rotating }, at, idle)])
        break
      }
      case "acted":
        found.push([`${who} writes down ${process.work.step}`, put(settle(protocol, state, process), at, idle)])
    }
  }
  return found
}

/** A claim in force that no process has: nobody died with it, and all wait for its end. */
const isOrphan = (scenario: Scenario, { left, now, processes, rotating: { claim } }: State): boolean =>
  claim !== null &&
  now < claim.until &&
  left.crashes === scenario.crashes &&
  processes.every((process) => process.at === "idle" || process.claim.term !== claim.term)

/** What must never be: null when all is well. */
export const violationOf = (scenario: Scenario, state: State): string | null => {
  const { current, kept, now, promised, rotating, users } = state
  if (scenario.hindrances > 0 && isOrphan(scenario, state)) return "all wait for a claim that nobody has"
  if (users[current.user] !== current.password) return "what is handed out does not work at the system"
  for (const user of ["a", "b"] as const) {
    const held = [current, ...Object.values(kept)].some(
      (login) => login.user === user && login.password === users[user]
    )
    if (users[user] !== 0 && !held) return "a secret works at the system that nobody here holds"
  }
  if (promised !== null && now < promised.until && users[promised.login.user] !== promised.login.password) {
    return "an old secret was taken away before its time"
  }
  const listed = new Set(rotating.cleanups.map(({ version }) => version))
  const { underWay } = rotating
  if (underWay !== null) listed.add(Life.pendingVersion(underWay.generation))
  for (const [place, login] of Object.entries(kept)) {
    // 0 and less are the person's own.
    const isLive = users[login.user] === login.password && login.password !== current.password
    if (isLive && Number(place) > 0 && !listed.has(Number(place))) return "a live secret is on nobody's list"
  }
  return null
}
