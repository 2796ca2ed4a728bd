/**
 * The lease bucket: JetStream KV, written by compare-and-set and listed behind a barrier.
 *
 * Promises:
 * - a write that succeeds was acknowledged by the stream's leader; one that fails `unavailable` may
 *   have happened, one that fails `conflict` did not;
 * - `list` writes a barrier entry, and returns every entry that was acknowledged before it, or
 *   something newer; never less. It fails rather than return an older listing.
 *
 * A read of JetStream by itself proves nothing: a leader that is cut off answers from the past, but
 * acknowledges no write. Hence the barrier's sequence, which the listing must have reached.
 *
 * Nor does an answer prove who was asked: a server delivers what one stream acknowledges, holds or ends with onto any
 * subject that is named to it. So an acknowledgement names the bucket's stream, a listing shows the barrier itself, and
 * nobody knows where a question is answered before it is asked.
 *
 * Nor does its end prove that all of it came: where a connection or a route is lost and had anew in the middle, what was
 * under way there is missing, and what is behind it comes. Each message names the one before it.
 */
import { DiscardPolicy, JetStreamApiCodes, JetStreamApiError, RetentionPolicy, StorageType } from "@nats-io/jetstream"
import { type Msg, nanos } from "@nats-io/transport-node"
import { Clock, type Context, Duration, Effect, Schema } from "effect"
import * as AckInbox from "../nats/AckInbox.ts"
import { drawNumber } from "../nats/drawn.ts"
import { Nats } from "../nats/Nats.ts"
import { NatsConfig } from "../nats/NatsConfig.ts"
import { PublishLines } from "../nats/PublishLines.ts"
import { differenceOf, type StreamPlan } from "../nats/StreamPlan.ts"
import { isNextAfter, isStoredMessage } from "../nats/storedMessage.ts"
import * as Deadlines from "../observability/Deadlines.ts"
import { Replica } from "../observability/Replica.ts"
import { accepts, type Entry, type EntryState, type Listing, type Seen, seenAfter, seenNothing } from "./Barrier.ts"
import { monotonicMsUnsafe } from "./Coherence.ts"
import { CoherenceConfig, timingOf } from "./CoherenceConfig.ts"
import * as Metrics from "./CoherenceMetrics.ts"
import type { LeaseTiming } from "./Lease.ts"
import { barrierKey, bucketOf, type Decoded, decodeEntry, encodeEntry } from "./LeaseEntry.ts"
import { LeaseSeal } from "./LeaseSeal.ts"

export class BucketError extends Schema.TaggedError<BucketError>()("BucketError", {
  /** `conflict`: somebody else wrote last, or the entry is gone. `unavailable`: not known, or not as new as asked. */
  reason: Schema.Literals(["conflict", "unavailable"]),
  cause: Schema.optionalKey(Schema.Defect())
}) {}

export interface LeaseBucket {
  readonly plan: StreamPlan
  /** Makes the bucket if it is missing and corrects its settings. */
  readonly ensure: Effect.Effect<void, BucketError>
  /** Writes `key` if its last revision is `revision` (0: it must not exist). Returns the new revision. */
  readonly write: (
    key: string,
    revision: number,
    state: EntryState,
    heldMs: number,
    timing: LeaseTiming
  ) => Effect.Effect<number, BucketError>
  readonly list: Effect.Effect<Listing, BucketError>
  /** What the acknowledgements so far tell of the bucket. */
  readonly seen: () => Seen
}

const wrongLastSequence = new Set<number>([10071, 10164])
const listingLimit = Duration.seconds(1)
const listingAttemptsMax = 3
const writeTimeoutMsMax = 1_000

const asBucketError = (cause: unknown): BucketError =>
  new BucketError({
    reason: cause instanceof JetStreamApiError && wrongLastSequence.has(cause.code) ? "conflict" : "unavailable",
    cause
  })

export const planOf = (bucket: string, replicas: number, settings: CoherenceConfig["Service"]): StreamPlan => ({
  name: `KV_${bucket}`,
  description: "Leases of the service's replicas: never write here",
  subjects: [`$KV.${bucket}.>`],
  storage: StorageType.File,
  retention: RetentionPolicy.Limits,
  // Bounded by its age alone: a size would make entries of living replicas give way, or refuse new ones.
  discard: DiscardPolicy.Old,
  num_replicas: replicas,
  max_msgs_per_subject: 1,
  max_age: nanos(Duration.toMillis(settings.bucketAge)),
  max_bytes: -1,
  duplicate_window: nanos(Math.min(120_000, Duration.toMillis(settings.bucketAge))),
  allow_direct: true,
  deny_delete: true,
  // Entries that were purged would be missed in a listing, while their owners still trust them.
  deny_purge: true
})

/** What the server says it says last: an entry may have been stored with headers of the same names. */
const numberOf = (msg: Msg, header: string): number => {
  const text = msg.headers?.last(header) ?? ""
  return /^[0-9]{1,15}$/u.test(text) ? Number(text) : Number.NaN
}

export const make = Effect.gen(function* () {
  const { control, inboxPrefix, jetstream, jetstreamManager } = yield* Nats
  const { instance, replicaId } = yield* Replica
  const settings = yield* CoherenceConfig
  const { streams } = yield* NatsConfig
  const clock = yield* Clock.Clock
  const context: Context.Context<never> = yield* Effect.context<never>()
  const seal = yield* LeaseSeal
  const timing = timingOf(settings)
  const bucket = bucketOf(instance)
  const plan = planOf(bucket, streams.replicas, settings)
  const prefix = `$KV.${bucket}.`
  const timeout = Math.min(writeTimeoutMsMax, Math.max(100, timing.leaseMs / 3))
  const listSubject = `$JS.API.DIRECT.GET.KV_${bucket}`
  const listRequest = Buffer.from(JSON.stringify({ multi_last: [`${prefix}>`] }))
  const barrier = { bucket, key: barrierKey(replicaId) }
  const barrierBody = encodeEntry(seal, barrier, "released", 0, timing)
  let seen = seenNothing
  const heard = (before: Seen, sequence: number): void => {
    seen = seenAfter(seen, before, sequence, monotonicMsUnsafe(clock))
  }

  const api = <A>(request: () => Promise<A>) => Effect.tryPromise({ try: request, catch: asBucketError })

  const publish = (key: string, body: Uint8Array, revision: number) =>
    Effect.suspend(() => {
      const before = seen
      return api(() =>
        jetstream.publish(`${prefix}${key}`, body, {
          timeout,
          expect: { lastSubjectSequence: revision }
        })
      ).pipe(
        Effect.map(({ seq }) => {
          heard(before, seq)
          return seq
        })
      )
    })

  const ensure = Effect.gen(function* () {
    const existing = yield* Effect.tryPromise({
      try: () => jetstreamManager.streams.info(plan.name),
      catch: (cause) => cause
    }).pipe(
      Effect.catchIf(
        (cause) => cause instanceof JetStreamApiError && cause.code === JetStreamApiCodes.StreamNotFound,
        () => Effect.succeed(null)
      ),
      Effect.mapError(asBucketError)
    )
    if (existing === null) {
      yield* api(() => jetstreamManager.streams.add({ ...plan }))
      return yield* Effect.logInfo(`lease bucket ${bucket} made`)
    }
    const { changeable } = differenceOf(existing.config, plan)
    if (changeable.length === 0) return
    const { name, ...changes } = plan
    yield* api(() => jetstreamManager.streams.update(name, changes))
    yield* Effect.logInfo(`lease bucket ${bucket} changed: ${changeable.join(", ")}`)
  })

  /** What stood under each key when it was last listed: a seal is proven once for the same bytes. */
  let proven = new Map<string, { readonly bytes: Uint8Array; readonly decoded: Decoded }>()
  const decodeMessage = (msg: Msg, key: string, revision: number, proving: typeof proven): Entry | null => {
    const place = { bucket, key }
    const before = proven.get(place.key)
    const known = before !== undefined && Buffer.compare(before.bytes, msg.data) === 0 ? before : undefined
    const decoded = known?.decoded ?? decodeEntry(seal, place, revision, msg.data, timing)
    if (decoded === null) return null
    if (decoded.isSealed) proving.set(place.key, known ?? { bytes: Buffer.from(msg.data), decoded })
    else Metrics.entriesRefused.updateUnsafe(1, context)
    return { ...decoded.entry, revision }
  }

  // ---- the barrier and its listing: callbacks, since every revocation waits for them
  const lines = new PublishLines(control, { slabBytes: 0x4000 })
  const waits = new Map<number, (msg: Msg) => void>()
  // One subscription for all listings, each with a subject of its own: what comes late for one is nobody's.
  const inbox = yield* AckInbox.make(control, inboxPrefix, (number, msg) => waits.get(number)?.(msg))
  const acknowledgements = yield* Deadlines.make("barriers", Duration.millis(timeout))
  const listings = yield* Deadlines.make("listings", listingLimit)

  const list = Effect.callback<Listing, BucketError>((resume) => {
    const sentMs = monotonicMsUnsafe(clock)
    const before = seen
    let stop = (): void => {}

    const fail = (cause: unknown): void => {
      stop()
      resume(Effect.fail(new BucketError({ reason: "unavailable", cause })))
    }
    /** One question, and whoever takes what comes; `stop` ends it. */
    const ask = (limit: Deadlines.Deadlines, subject: string, payload: Uint8Array, take: (msg: Msg) => void): void => {
      stop()
      const number = drawNumber()
      const ended = limit.begin(() => fail("no answer in time"))
      stop = () => {
        ended()
        waits.delete(number)
      }
      waits.set(number, take)
      try {
        inbox.listen()
        const refusal = lines.putPlain(subject, `${inbox.prefix}${number}`, payload)
        lines.flush()
        if (refusal !== null) fail(refusal)
      } catch (cause) {
        fail(cause)
      }
    }
    const askListing = (sequence: number, attempt: number): void => {
      const entries: Array<Entry> = []
      const proving: typeof proven = new Map()
      /** Whether the barrier was in it. Entries come as they were written: so was all that was acknowledged before. */
      let isBehindBarrier = false
      /** Whether each came behind the one that it names, and so all of them. */
      let isWhole = true
      let last = 0
      const follows = (msg: Msg): void => {
        if (!isNextAfter(msg, last)) isWhole = false
      }
      ask(listings, listSubject, listRequest, (msg) => {
        // A stored message with a status line of its own is no status.
        const status = isStoredMessage(msg) ? 0 : (msg.headers?.code ?? 0)
        if (status === 204) {
          const end = { pending: numberOf(msg, "Nats-Num-Pending"), upTo: numberOf(msg, "Nats-UpTo-Sequence") }
          follows(msg)
          if (!isWhole || !isBehindBarrier || !accepts(sequence, end)) {
            Metrics.listingsRefused.updateUnsafe(1, context)
            return attempt < listingAttemptsMax ? askListing(sequence, attempt + 1) : fail("an old or broken listing")
          }
          stop()
          proven = proving
          return resume(Effect.succeed({ sentMs, receivedMs: monotonicMsUnsafe(clock), barrier: sequence, entries }))
        }
        if (status >= 400 || msg.headers === undefined) return fail(`status ${status}`)
        const subject = msg.headers.last("Nats-Subject")
        if (!subject.startsWith(prefix)) return
        const [key, revision] = [subject.slice(prefix.length), numberOf(msg, "Nats-Sequence")]
        follows(msg)
        last = revision
        if (key === barrier.key && revision >= sequence) isBehindBarrier = true
        const entry = decodeMessage(msg, key, revision, proving)
        if (entry !== null) entries.push(entry)
      })
    }
    ask(acknowledgements, `${prefix}${barrier.key}`, barrierBody, (msg) => {
      const ack = AckInbox.ackOf(msg, plan.name)
      if (ack.kind !== "stored") return fail(ack)
      heard(before, ack.sequence)
      askListing(ack.sequence, 1)
    })
    return Effect.sync(() => stop())
  })

  const leaseBucket: LeaseBucket = {
    plan,
    ensure,
    write: (key, revision, state, heldMs, of) =>
      publish(key, encodeEntry(seal, { bucket, key }, state, heldMs, of), revision),
    list,
    seen: () => seen
  }
  return leaseBucket
})
