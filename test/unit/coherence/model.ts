/**
 * A model of the revocation protocol, small enough to be walked completely.
 *
 * The steps of the world (the bus, the bucket, the database, time, faults) are written here; every
 * decision is made by the functions in production (`Lease.ts`, `Barrier.ts`, `Belief.ts`). A mutant
 * exchanges one of them.
 *
 * One tenant; every token was good at first. A replica that takes no step is a paused one, and a
 * message that is never delivered is a lost one, so neither needs a step of its own. The cache is
 * assumed to hold every good entry that was ever read, at every sequence: whatever a lost write, a
 * restored bucket or a stale leader may show is among them. A read of the database in flight is one of
 * those entries, arriving late. Hence nothing is stored for caches and fills; only what a replica
 * keeps in its hot table is.
 */
import * as Barrier from "../../../src/coherence/Barrier.ts"
import * as Lease from "../../../src/coherence/Lease.ts"
import { isSpent, mayBelieve } from "../../../src/domain/Belief.ts"

/** What a mutant may exchange. */
export interface Protocol {
  readonly holds: typeof Lease.holds
  readonly afterRenewal: typeof Lease.afterRenewal
  readonly afterLapse: typeof Lease.afterLapse
  readonly accepts: typeof Barrier.accepts
  readonly begin: typeof Barrier.begin
  readonly observe: typeof Barrier.observe
  readonly evicted: typeof Barrier.evicted
  readonly expire: typeof Barrier.expire
  readonly isOver: typeof Barrier.isOver
  readonly believes: typeof mayBelieve
  /** The same question about an entry of the shared cache or a late read, at its arrival. */
  readonly believesArrival: typeof mayBelieve
  /** Applying remembers the revocation, so that what was read before it is known as such. */
  readonly remembersTombstones: boolean
  /** Whether a tombstone is dropped, or not even remembered, since it proves nothing beside the covered sequence. */
  readonly isSpent: typeof isSpent
  /** Trimming tombstones raises the covered sequence. */
  readonly coversWhatIsTrimmed: boolean
  /** The generation that a coverage counts for: the one in which its read was sent, or in which it arrives. */
  readonly coverageCountsFrom: "read" | "arrival"
  /** A request may join a statement that has been sent. */
  readonly joinsSentStatement: boolean
  /** "Already so" is answered only when the change is in force. */
  readonly alreadySoWaits: boolean
  /** A rotation with overlap is put in force like any other. */
  readonly overlapHasBarrier: boolean
  /** The relay puts in force what a dead committer left, before it counts as in force. */
  readonly relayHasBarrier: boolean
  /** An entry that somebody copied from elsewhere in the bucket is taken for what it says. */
  readonly believesCopies: boolean
  readonly seenAfter: typeof Barrier.seenAfter
}

export const production: Protocol = {
  ...Lease,
  ...Barrier,
  believes: mayBelieve,
  believesArrival: mayBelieve,
  remembersTombstones: true,
  isSpent,
  coversWhatIsTrimmed: true,
  coverageCountsFrom: "read",
  joinsSentStatement: false,
  alreadySoWaits: true,
  overlapHasBarrier: true,
  relayHasBarrier: true,
  believesCopies: false
}

/** What may happen, and how often. */
export interface Scenario {
  readonly name: string
  readonly tokens: number
  /** Which token each replica revokes, or null. */
  readonly commits: ReadonlyArray<number | null>
  /** Which replicas hold leases and answer validations. */
  readonly reads: ReadonlyArray<boolean>
  readonly kind: "token" | "tenant" | "overlap"
  readonly ticks: number
  readonly renewals: number
  readonly listings: number
  /** A follower that lags, or a deposed leader, may answer listings. */
  readonly lag: boolean
  readonly lostRenewals?: number
  readonly lapses?: number
  readonly restarts?: number
  readonly recreations?: number
  /** Somebody who can make the server copy messages writes over an entry with another one. */
  readonly copies?: number
  readonly vanishings?: number
  readonly suspensions?: number
  readonly trims?: number
  readonly statements?: number
  /** How often the relay goes on with what was answered, since the store was not told yet. */
  readonly untold?: number
  /** A barrier entry is sent and stored in steps of its own. */
  readonly slowBarrier?: boolean
  /** Coverage is read and arrives in steps of its own. */
  readonly lazyCoverage?: boolean
}

const leaseMs = 2
export const timing: Lease.LeaseTiming = { leaseMs, marginMs: 0 }
const outwait = Lease.outwaitMs(timing)

interface Renewal {
  readonly sent: Lease.Moment
  readonly key: string
  readonly expected: number
  readonly heldMs: number
  /** What was known when it was sent. */
  readonly seen: Barrier.Seen
  /** Null: on its way. -1: refused. Else the revision that it was stored as. */
  readonly result: number | null
}

interface Batch {
  readonly seqs: ReadonlyArray<number>
  readonly acked: ReadonlyArray<string>
  readonly round: Barrier.Round | null
  /** A barrier entry on its way or stored. */
  readonly barrier: { readonly sentMs: number; readonly stored: number | null; readonly known: Barrier.Known } | null
  readonly listings: number
  readonly listedAtMs: number
}

interface Replica {
  readonly incarnation: number
  readonly right: Lease.Right
  readonly key: string | null
  readonly revision: number
  readonly takenMs: number
  readonly keys: number
  readonly renewals: number
  readonly seen: Barrier.Seen
  readonly monotonicLag: number
  readonly renewal: Renewal | null
  readonly covered: { readonly seq: number; readonly generation: number } | null
  readonly coverRead: { readonly seq: number; readonly generation: number } | null
  /** Sequence at which the good entry in the hot table was read, or -1. */
  readonly hot: ReadonlyArray<number>
  readonly tombstones: ReadonlyArray<number>
  readonly tenantEpoch: number
  /** A statement that was sent, saw this token good, and has not answered. */
  readonly statement: number | null
  readonly waiting: ReadonlyArray<number>
  readonly batch: Batch | null
}

interface Bucket {
  readonly last: number
  readonly entries: ReadonlyArray<Barrier.Entry>
}

export interface State {
  readonly nowMs: number
  readonly seq: number
  /** Per token: the sequence that took it away, 0 for none. */
  readonly goneAt: ReadonlyArray<number>
  /** When a rotated token's overlap ends. */
  readonly endsMs: number
  /** Bit per sequence: answered. */
  readonly answered: number
  readonly bucket: Bucket
  readonly follower: Bucket
  readonly replicas: ReadonlyArray<Replica>
  readonly left: {
    readonly lostRenewals: number
    readonly lapses: number
    readonly restarts: number
    readonly recreations: number
    readonly copies: number
    readonly vanishings: number
    readonly suspensions: number
    readonly trims: number
    readonly statements: number
    readonly untold: number
  }
}

export type Step = readonly [label: string, next: State]

// ---- parts --------------------------------------------------------------------

const processOf = (index: number, replica: Replica) => `${"abc"[index]}.${replica.incarnation}`

const newReplica = (incarnation: number, tokens: number): Replica => ({
  incarnation,
  right: { trustedUntilMonotonicMs: 0, trustedUntilWallMs: 0, generation: 1 },
  key: null,
  revision: 0,
  takenMs: 0,
  keys: 0,
  renewals: 0,
  seen: Barrier.seenNothing,
  monotonicLag: 0,
  renewal: null,
  covered: null,
  coverRead: null,
  hot: Array.from({ length: tokens }, () => -1),
  tombstones: Array.from({ length: tokens }, () => 0),
  tenantEpoch: 0,
  statement: null,
  waiting: [],
  batch: null
})

/** Long ago the bucket was made; a replica that reads holds a lease from the start, so that steps are few. */
export const initial = (scenario: Scenario): State => {
  const startMs = 100
  const entries: Array<Barrier.Entry> = []
  const replicas = scenario.reads.map((reads, index) => {
    const empty = newReplica(0, scenario.tokens)
    if (!reads) return empty
    const process = processOf(index, empty)
    const key = `${process}.0`
    entries.push({ key, process, revision: index + 1, state: "held", heldMs: outwait, timing })
    const moment = { monotonicMs: startMs, wallMs: startMs }
    const right = Lease.afterRenewal(empty.right, moment, moment, timing)
    return {
      ...empty,
      right,
      covered: { seq: 0, generation: right.generation },
      hot: empty.hot.map(() => 0),
      key,
      keys: 1,
      revision: index + 1,
      seen: { ...Barrier.seenNothing, highest: index + 1 },
      takenMs: startMs - outwait
    }
  })
  const bucket = { last: scenario.reads.length, entries }
  return {
    nowMs: startMs,
    seq: 0,
    goneAt: Array.from({ length: scenario.tokens }, () => 0),
    endsMs: 0,
    answered: 0,
    bucket,
    follower: bucket,
    replicas,
    left: {
      lostRenewals: scenario.lostRenewals ?? 0,
      lapses: scenario.lapses ?? 0,
      restarts: scenario.restarts ?? 0,
      recreations: scenario.recreations ?? 0,
      copies: scenario.copies ?? 0,
      vanishings: scenario.vanishings ?? 0,
      suspensions: scenario.suspensions ?? 0,
      trims: scenario.trims ?? 0,
      statements: scenario.statements ?? 0,
      untold: scenario.untold ?? 0
    }
  }
}

const momentOf = (state: State, replica: Replica): Lease.Moment => ({
  monotonicMs: state.nowMs - replica.monotonicLag,
  wallMs: state.nowMs
})

const withReplica = (state: State, index: number, change: Partial<Replica>): State => ({
  ...state,
  replicas: state.replicas.map((replica, at) => (at === index ? { ...replica, ...change } : replica))
})

const put = (bucket: Bucket, entry: Barrier.Entry): Bucket => ({
  last: entry.revision,
  entries: [...bucket.entries.filter(({ key }) => key !== entry.key), entry].toSorted((a, b) =>
    a.key < b.key ? -1 : 1
  )
})

/** Compare-and-set by a committer on an entry that it saw. */
const overwrite = (bucket: Bucket, seen: Barrier.Entry, state: Barrier.EntryState): Bucket =>
  bucket.entries.some(({ key, revision }) => key === seen.key && revision === seen.revision)
    ? put(bucket, { ...seen, state, revision: bucket.last + 1 })
    : bucket

const applied = (
  scenario: Scenario,
  protocol: Protocol,
  state: State,
  replica: Replica,
  seqs: ReadonlyArray<number>
) => {
  const isTarget = (token: number) => scenario.kind === "tenant" || seqs.includes(state.goneAt[token]!)
  const newest = Math.max(...seqs)
  return {
    hot: replica.hot.map((readSeq, token) => (isTarget(token) && readSeq < newest ? -1 : readSeq)),
    tombstones:
      protocol.remembersTombstones && scenario.kind !== "tenant"
        ? replica.tombstones.map((seq, token) => {
            const goneAt = state.goneAt[token]!
            const isSpentNow = protocol.isSpent(goneAt, replica.covered?.seq ?? 0)
            return isTarget(token) && !isSpentNow ? Math.max(seq, goneAt) : seq
          })
        : replica.tombstones,
    tenantEpoch:
      protocol.remembersTombstones && scenario.kind === "tenant"
        ? Math.max(replica.tenantEpoch, newest)
        : replica.tenantEpoch
  }
}

/** Covered anew, or by what was trimmed: never lower than before; and what is spent by that goes. */
const cover = (protocol: Protocol, replica: Replica, seq: number, generation: number): Partial<Replica> => {
  const covered = { seq: Math.max(seq, replica.covered?.seq ?? 0), generation }
  return {
    covered,
    tombstones: replica.tombstones.map((tombstone) => (protocol.isSpent(tombstone, covered.seq) ? 0 : tombstone))
  }
}

const coveredSeq = (replica: Replica): number | null =>
  replica.covered !== null && replica.covered.generation === replica.right.generation ? replica.covered.seq : null

const mask = (seqs: ReadonlyArray<number>) => seqs.reduce((bits, seq) => bits | (1 << seq), 0)

/** Whether the moment of a coverage's read matters, so that it is a step of its own. */
const isLazy = (scenario: Scenario, protocol: Protocol) =>
  scenario.lazyCoverage === true || protocol.coverageCountsFrom === "arrival"

/**
 * What a violation would want to happen as early as it can, and what costs it nothing: a hot table
 * that holds whatever it may, a tenant that was covered as soon as it could be (when the sequence was
 * lowest), and a round that has begun. Done at once, it keeps the number of states small.
 */
const settle = (scenario: Scenario, protocol: Protocol, state: State): State => ({
  ...state,
  follower: scenario.lag ? state.follower : state.bucket,
  replicas: state.replicas.map((before, index) => {
    let replica = before
    if (replica.batch === null && replica.waiting.length > 0) {
      const batch = { seqs: replica.waiting, acked: [], round: null, barrier: null, listings: 0, listedAtMs: 0 }
      replica = { ...replica, batch, waiting: [] }
    }
    if (!scenario.reads[index]) return replica
    const holds = protocol.holds(replica.right, momentOf(state, replica))
    if (holds && coveredSeq(replica) === null && !isLazy(scenario, protocol)) {
      replica = { ...replica, ...cover(protocol, replica, state.seq, replica.right.generation) }
    }
    const covered = coveredSeq(replica)
    const { tenantEpoch, tombstones } = replica
    const hot = replica.hot.map((kept, token) => {
      const goneAt = state.goneAt[token]!
      const newest = goneAt === 0 ? state.seq : goneAt - 1
      const isKept =
        newest > kept && protocol.believesArrival(holds, covered, newest, tombstones[token]!, 0, tenantEpoch)
      return isKept ? newest : kept
    })
    return hot.some((kept, token) => kept !== replica.hot[token]) ? { ...replica, hot } : replica
  })
})

// ---- what may happen next -----------------------------------------------------

export const stepsOf = (scenario: Scenario, protocol: Protocol, state: State, startMs: number): ReadonlyArray<Step> =>
  rawSteps(scenario, protocol, state, startMs).map(([label, next]) => [label, settle(scenario, protocol, next)])

const rawSteps = (scenario: Scenario, protocol: Protocol, state: State, startMs: number): Array<Step> => {
  const steps: Array<Step> = []
  const { nowMs } = state
  const spend = (name: keyof State["left"], next: State): State => ({
    ...next,
    left: { ...next.left, [name]: next.left[name] - 1 }
  })

  if (nowMs - startMs < scenario.ticks) {
    const later = { ...state, nowMs: nowMs + 1 }
    steps.push(["time passes", later])
    if (state.left.suspensions > 0) {
      state.replicas.forEach((replica, index) => {
        if (!scenario.reads[index]) return
        const suspended = withReplica(later, index, { monotonicLag: replica.monotonicLag + 1 })
        steps.push([`time passes, ${"abc"[index]} is suspended`, spend("suspensions", suspended)])
      })
    }
  }
  if (scenario.lag && state.follower !== state.bucket) {
    steps.push(["the follower catches up", { ...state, follower: state.bucket }])
  }
  if (state.left.recreations > 0) {
    const empty = { last: 0, entries: [] }
    steps.push(["the bucket is made anew", spend("recreations", { ...state, bucket: empty, follower: empty })])
  }
  if (state.left.vanishings > 0) {
    for (const { key, process } of state.bucket.entries) {
      const bucket = { ...state.bucket, entries: state.bucket.entries.filter((entry) => entry.key !== key) }
      steps.push([`the entry of ${process} vanishes`, spend("vanishings", { ...state, bucket })])
    }
  }

  if (state.left.copies > 0) {
    for (const entry of state.bucket.entries) {
      // A barrier entry says "released", and there always is one to copy.
      const said = protocol.believesCopies ? "released" : "held"
      const bucket = put(state.bucket, { ...entry, state: said, heldMs: 0, revision: state.bucket.last + 1 })
      steps.push([`the entry of ${entry.process} is overwritten with a copy`, spend("copies", { ...state, bucket })])
    }
  }

  state.replicas.forEach((replica, index) => {
    const name = "abc"[index]!
    const process = processOf(index, replica)
    const moment = momentOf(state, replica)

    // ---- the lease
    if (scenario.reads[index]) {
      const { renewal } = replica
      if (renewal === null && replica.renewals < scenario.renewals) {
        const isNew = replica.key === null
        const sent: Renewal = {
          sent: moment,
          key: replica.key ?? `${process}.${replica.keys}`,
          expected: isNew ? 0 : replica.revision,
          heldMs: isNew ? 0 : moment.monotonicMs - replica.takenMs,
          seen: replica.seen,
          result: null
        }
        const next = { renewal: sent, renewals: replica.renewals + 1, keys: replica.keys + (isNew ? 1 : 0) }
        steps.push([`${name} sends ${isNew ? "a new lease" : "its renewal"}`, withReplica(state, index, next)])
      }
      if (renewal !== null && renewal.result === null) {
        const current = state.bucket.entries.find(({ key }) => key === renewal.key)?.revision ?? 0
        const revision = state.bucket.last + 1
        const { heldMs, key } = renewal
        steps.push(
          current === renewal.expected
            ? [
                `${name}'s lease is stored`,
                withReplica(
                  { ...state, bucket: put(state.bucket, { key, process, revision, state: "held", heldMs, timing }) },
                  index,
                  { renewal: { ...renewal, result: revision } }
                )
              ]
            : [`${name}'s lease is refused`, withReplica(state, index, { renewal: { ...renewal, result: -1 } })]
        )
      }
      if (renewal !== null && renewal.result !== null) {
        if (renewal.result === -1) {
          const right = protocol.afterLapse(replica.right)
          steps.push([`${name} learns of its lapse`, withReplica(state, index, { renewal: null, right, key: null })])
        } else {
          const right = protocol.afterRenewal(replica.right, renewal.sent, moment, timing)
          const { key, result: revision } = renewal
          const takenMs = replica.key === key ? replica.takenMs : moment.monotonicMs
          const seen = protocol.seenAfter(replica.seen, renewal.seen, revision, nowMs)
          const next = { renewal: null, right, key, revision, takenMs, seen }
          steps.push([`${name} gets its acknowledgement`, withReplica(state, index, next)])
        }
      }
      if (renewal !== null && state.left.lostRenewals > 0) {
        steps.push([`${name} hears nothing`, spend("lostRenewals", withReplica(state, index, { renewal: null }))])
      }
      if (replica.key !== null && state.left.lapses > 0) {
        const right = protocol.afterLapse(replica.right)
        const next = { right, key: null, renewal: null }
        steps.push([`${name} loses its connection`, spend("lapses", withReplica(state, index, next))])
      }

      // ---- what it caches
      if (isLazy(scenario, protocol) && replica.coverRead === null) {
        const coverRead = { seq: state.seq, generation: replica.right.generation }
        steps.push([`${name} reads the sequence`, withReplica(state, index, { coverRead })])
      }
      if (replica.coverRead !== null) {
        const { generation, seq } = replica.coverRead
        const counts = protocol.coverageCountsFrom === "arrival" || generation === replica.right.generation
        const covered = counts ? cover(protocol, replica, seq, replica.right.generation) : {}
        steps.push([`${name} has its coverage`, withReplica(state, index, { coverRead: null, ...covered })])
      }
      if (state.left.statements > 0 && replica.statement === null && state.goneAt[0] === 0) {
        steps.push([`${name} sends a statement`, spend("statements", withReplica(state, index, { statement: 0 }))])
      }
      if (replica.statement !== null) {
        steps.push([`${name}'s statement answers`, withReplica(state, index, { statement: null })])
      }
      if (state.left.trims > 0 && replica.tombstones.some((seq) => seq > 0)) {
        const newest = Math.max(...replica.tombstones)
        const { covered } = replica
        const raised = covered === null ? null : { ...covered, seq: Math.max(covered.seq, newest) }
        const next = {
          tombstones: replica.tombstones.map(() => 0),
          covered: protocol.coversWhatIsTrimmed ? raised : covered
        }
        steps.push([`${name} trims its tombstones`, spend("trims", withReplica(state, index, next))])
      }
    }

    if (state.left.restarts > 0) {
      const reborn = { ...newReplica(replica.incarnation + 1, scenario.tokens), renewals: replica.renewals }
      steps.push([`${name} dies and starts again`, spend("restarts", withReplica(state, index, reborn))])
    }

    // ---- committing
    const token = scenario.commits[index] ?? null
    if (token !== null && state.goneAt[token] === 0) {
      const seq = state.seq + 1
      const committed: State = {
        ...state,
        seq,
        goneAt: state.goneAt.map((before, at) => (at === token || scenario.kind === "tenant" ? seq : before)),
        endsMs: scenario.kind === "overlap" ? nowMs + 1 : 0
      }
      if (scenario.kind === "overlap" && !protocol.overlapHasBarrier) {
        steps.push([`${name} commits and answers`, { ...committed, answered: committed.answered | mask([seq]) }])
      } else {
        const next = { ...applied(scenario, protocol, committed, replica, [seq]), waiting: [...replica.waiting, seq] }
        steps.push([`${name} commits ${seq}`, withReplica(committed, index, next)])
      }
    }
    for (let seq = 1; seq <= state.seq; seq++) {
      const isAnswered = (state.answered & (1 << seq)) !== 0
      if (!isAnswered && !protocol.alreadySoWaits) {
        steps.push([`${name} answers already so`, { ...state, answered: state.answered | (1 << seq) }])
      }
      const isUnderWay = state.replicas.some(
        ({ batch, waiting }) => waiting.includes(seq) || batch?.seqs.includes(seq) === true
      )
      if (isAnswered && !isUnderWay && state.left.untold > 0) {
        const next = { ...applied(scenario, protocol, state, replica, [seq]), waiting: [...replica.waiting, seq] }
        steps.push([`${name} relays the answered ${seq}`, spend("untold", withReplica(state, index, next))])
      }
      const isOrphan = !isAnswered && !isUnderWay
      if (isOrphan && !protocol.relayHasBarrier) {
        steps.push([`${name} relays ${seq}`, { ...state, answered: state.answered | (1 << seq) }])
      } else if (isOrphan) {
        const next = { ...applied(scenario, protocol, state, replica, [seq]), waiting: [...replica.waiting, seq] }
        steps.push([`${name} relays ${seq}`, withReplica(state, index, next)])
      }
    }

    // ---- the barrier
    const { batch } = replica
    if (batch === null) return
    if (
      batch.barrier === null &&
      batch.listings < scenario.listings &&
      (batch.round === null || (nowMs > batch.listedAtMs && batch.round.awaited.length > 0))
    ) {
      const known = { process, seen: replica.seen, ownKey: replica.key, timing }
      const stored = scenario.slowBarrier === true ? null : state.bucket.last + 1
      const bucket = stored === null ? state.bucket : { ...state.bucket, last: stored }
      const next = { batch: { ...batch, barrier: { sentMs: nowMs, stored, known } } }
      steps.push([`${name} sends a barrier`, withReplica({ ...state, bucket }, index, next)])
    }
    if (batch.barrier !== null && batch.barrier.stored === null) {
      const stored = state.bucket.last + 1
      const next = withReplica({ ...state, bucket: { ...state.bucket, last: stored } }, index, {
        batch: { ...batch, barrier: { ...batch.barrier, stored } }
      })
      steps.push([`${name}'s barrier is stored`, next])
    }
    if (batch.barrier !== null && batch.barrier.stored !== null) {
      const { known, sentMs, stored } = batch.barrier
      const sources = state.follower === state.bucket ? [state.bucket] : [state.bucket, state.follower]
      for (const source of sources) {
        if (!protocol.accepts(stored, { pending: 0, upTo: source.last })) continue
        const listing = { sentMs, receivedMs: nowMs, barrier: stored, entries: source.entries }
        let bucket = state.bucket
        let round: Barrier.Round
        let removed = 0
        if (batch.round === null) {
          round = batch.acked.reduce(Barrier.acknowledged, protocol.begin(listing, known))
        } else {
          const observed = protocol.observe(batch.round, listing, timing)
          round = observed.round
          removed = observed.remove.length
          for (const entry of observed.remove) bucket = overwrite(bucket, entry, "removed")
          for (const entry of observed.evict) {
            const after = overwrite(bucket, entry, "evicted")
            if (after !== bucket) round = protocol.evicted(round, entry.key, after.last, nowMs)
            bucket = after
          }
        }
        const next = { ...batch, round, barrier: null, listings: batch.listings + 1, listedAtMs: nowMs }
        const seen = protocol.seenAfter(replica.seen, known.seen, stored, nowMs)
        const label = `${name} ${source === state.bucket ? "lists" : "lists from the past"}`
        steps.push([label, withReplica({ ...state, bucket }, index, { batch: next, seen })])
        if (removed > 0) {
          steps.push([`${label} and cannot remove`, withReplica(state, index, { batch: next, seen })])
        }
      }
    }
    state.replicas.forEach((other, at) => {
      const from = processOf(at, other)
      if (at === index || !scenario.reads[at] || batch.acked.includes(from)) return
      const heard = withReplica(state, at, applied(scenario, protocol, state, other, batch.seqs))
      const round = batch.round === null ? null : Barrier.acknowledged(batch.round, from)
      const next = { batch: { ...batch, round, acked: [...batch.acked, from].toSorted() } }
      steps.push([`${"abc"[at]} applies for ${name}`, withReplica(heard, index, next)])
    })
    if (batch.round !== null) {
      const { remove, round } = protocol.expire(batch.round, nowMs)
      if (protocol.isOver(round, nowMs)) {
        let { bucket } = state
        for (const entry of remove) bucket = overwrite(bucket, entry, "removed")
        const answered = state.answered | mask(batch.seqs)
        steps.push([`${name} answers`, withReplica({ ...state, bucket, answered }, index, { batch: null })])
      }
    }
  })
  return steps
}

// ---- the invariant ------------------------------------------------------------

/** A validation that begins now and is answered 200 although the answer to its revocation was given, or null. */
export const violationOf = (scenario: Scenario, protocol: Protocol, state: State): string | null => {
  if (state.answered === 0) return null
  for (let index = 0; index < state.replicas.length; index++) {
    if (!scenario.reads[index]) continue
    const replica = state.replicas[index]!
    for (let token = 0; token < scenario.tokens; token++) {
      const goneAt = state.goneAt[token]!
      if (goneAt === 0 || (state.answered & (1 << goneAt)) === 0) continue
      if (scenario.kind === "overlap" && state.nowMs < state.endsMs) continue
      const holds = protocol.holds(replica.right, momentOf(state, replica))
      const covered = coveredSeq(replica)
      const name = "abc"[index]!
      const hot = replica.hot[token]!
      if (hot >= 0 && protocol.believes(holds, covered, hot, 0, 0, 0)) return `${name} answers 200 from its hot table`
      const { tenantEpoch, tombstones } = replica
      if (protocol.believesArrival(holds, covered, goneAt - 1, tombstones[token]!, 0, tenantEpoch)) {
        return `${name} answers 200 from the shared cache`
      }
      if (protocol.joinsSentStatement && replica.statement === token) {
        return `${name} answers 200 to a request that joined a sent statement`
      }
    }
  }
  return null
}

// ---- encoding -----------------------------------------------------------------

const numbers = new Int32Array(1_024)
const ranked = new Int32Array(128)

/**
 * The state as small numbers in which only what can matter later differs: times count from now and
 * are cut where they have no further effect, revisions are replaced by their order. The result is
 * good until the next call.
 */
export const encode = (state: State, startMs: number, scenario: Scenario): Int32Array => {
  const { bucket, follower, nowMs } = state
  let revisions = 0
  const note = (revision: number) => {
    let at = 0
    while (at < revisions && ranked[at]! < revision) at++
    if (at < revisions && ranked[at] === revision) return
    ranked.copyWithin(at + 1, at, revisions++)
    ranked[at] = revision
  }
  note(0)
  note(bucket.last)
  note(follower.last)
  for (const { revision } of bucket.entries) note(revision)
  if (follower !== bucket) for (const { revision } of follower.entries) note(revision)
  for (const { batch, renewal, revision, seen } of state.replicas) {
    note(seen.highest)
    note(revision)
    if (renewal !== null) {
      note(renewal.expected)
      note(renewal.seen.highest)
      if (renewal.result !== null) note(renewal.result)
    }
    if (batch === null) continue
    if (batch.round !== null) for (const { entry } of batch.round.awaited) note(entry.revision)
    if (batch.barrier === null) continue
    note(batch.barrier.known.seen.highest)
    if (batch.barrier.stored !== null) note(batch.barrier.stored)
  }
  const rank = (revision: number) => {
    let at = 0
    while (ranked[at]! !== revision) at++
    return at
  }
  /** A moment in the past that matters for `reach` at most. */
  const since = (ms: number, reach: number) => Math.max(-reach, ms - nowMs)
  const until = (ms: number) => Math.max(0, ms - nowMs)
  const keyCode = (key: string) => key.charCodeAt(0) * 64 + key.charCodeAt(2) * 8 + key.charCodeAt(4)
  let length = 0
  const out = (number: number) => {
    numbers[length++] = number
  }
  const outAll = (all: ReadonlyArray<number>) => {
    for (const number of all) out(number)
    out(-6)
  }
  const outBucket = ({ entries, last }: Bucket) => {
    out(rank(last))
    for (const { heldMs, key, revision, state: is } of entries) {
      out(keyCode(key))
      out(rank(revision))
      out(is.charCodeAt(2))
      out(Math.min(outwait, heldMs))
    }
    out(-7)
  }

  out(scenario.ticks - (nowMs - startMs))
  out(state.seq)
  out(state.answered)
  out(until(state.endsMs))
  outAll(state.goneAt)
  const { left } = state
  out(left.lostRenewals * 64 + left.lapses * 16 + left.restarts * 4 + left.recreations)
  out(left.copies * 4 + left.untold)
  out(left.vanishings * 64 + left.suspensions * 16 + left.trims * 4 + left.statements)
  outBucket(bucket)
  if (follower !== bucket) outBucket(follower)
  for (const replica of state.replicas) {
    const { batch, coverRead, covered, renewal, right } = replica
    const lag = replica.monotonicLag
    out(replica.incarnation * 8 + replica.keys)
    out(replica.renewals)
    out(rank(replica.seen.highest))
    out(since(replica.seen.changedAtMs, 2 * outwait))
    out(right.trustedUntilMonotonicMs === 0 ? -1 : until(right.trustedUntilMonotonicMs + lag))
    out(until(right.trustedUntilWallMs))
    out(right.generation)
    if (replica.key !== null) {
      out(keyCode(replica.key))
      out(rank(replica.revision))
      out(since(replica.takenMs + lag, outwait))
    }
    out(-8)
    if (renewal !== null) {
      out(keyCode(renewal.key))
      out(rank(renewal.expected))
      out(rank(renewal.seen.highest))
      out(Math.min(outwait, renewal.heldMs))
      out(since(renewal.sent.monotonicMs + lag, leaseMs))
      out(since(renewal.sent.wallMs, leaseMs))
      out(renewal.result === null ? -2 : renewal.result === -1 ? -1 : rank(renewal.result))
    }
    out(-9)
    out(covered !== null && covered.generation === right.generation ? covered.seq : -1)
    if (coverRead !== null) {
      out(coverRead.seq)
      out(right.generation - coverRead.generation)
    }
    out(-10)
    outAll(replica.hot)
    outAll(replica.tombstones)
    out(replica.tenantEpoch)
    out(replica.statement ?? -1)
    outAll(replica.waiting)
    if (batch === null) continue
    outAll(batch.seqs)
    out(batch.listings)
    out(nowMs > batch.listedAtMs ? 1 : 0)
    for (const process of batch.acked) out(process.charCodeAt(0) * 8 + process.charCodeAt(2))
    out(-11)
    if (batch.barrier !== null) {
      const { known, sentMs, stored } = batch.barrier
      out(since(sentMs, 2 * outwait))
      out(stored === null ? -1 : rank(stored))
      out(rank(known.seen.highest))
      out(since(known.seen.changedAtMs, 2 * outwait))
      out(known.ownKey === null ? -1 : keyCode(known.ownKey))
    }
    out(-12)
    if (batch.round === null) continue
    out(until(batch.round.settledAtMs))
    out(since(batch.round.begunAtMs, leaseMs))
    for (const { entry, frozen, gone, sinceMs } of batch.round.awaited) {
      out(keyCode(entry.key))
      out(rank(entry.revision))
      out(since(sinceMs, outwait))
      out((frozen ? 2 : 0) + (gone ? 1 : 0))
    }
    out(-13)
  }
  return numbers.subarray(0, length)
}
