/**
 * What stands in the lease bucket, as keys and bytes.
 *
 * - `lease.<replica id>.<incarnation>.<n>`: one right of one process. Never created twice.
 * - `barrier.<replica id>`: written by committers so that the bucket's sequence proves a listing new.
 *
 * Every entry is sealed to its bucket and key (`LeaseSeal`): a copy under another key is none. A lease entry that
 * cannot be read, or whose seal does not fit, counts as held for an unknown time: somebody may trust it.
 */
import { type Context, Exit, Schema } from "effect"
import type { Entry, EntryState } from "./Barrier.ts"
import type { LeaseTiming } from "./Lease.ts"
import type { LeaseSeal } from "./LeaseSeal.ts"

const keyPattern = /^lease\.([A-Za-z0-9_-]{1,32}\.[A-Za-z0-9]{1,32})\.[0-9]{1,15}$/u
/** No replica's lease is longer, whatever an entry says. */
const timingMsMax = 60_000

const Milliseconds = Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER }))
const Body = Schema.Struct({
  state: Schema.Literals(["held", "evicted", "released", "removed"]),
  heldMs: Milliseconds,
  leaseMs: Milliseconds,
  marginMs: Milliseconds,
  seal: Schema.String
})
const decodeBody = Schema.decodeUnknownExit(Schema.fromJsonString(Body))

const encoder = new TextEncoder()
const decoder = new TextDecoder()

export const bucketOf = (instance: string): string => `${instance.toUpperCase()}_LEASES`
export const leaseKey = (process: string, count: number): string => `lease.${process}.${count}`
export const barrierKey = (replicaId: string): string => `barrier.${replicaId}`

/** What an entry says under its key, and what is sealed of it. */
interface Said {
  readonly state: EntryState
  readonly heldMs: number
  readonly leaseMs: number
  readonly marginMs: number
}

/** Where an entry stands: sealed along with what it says. */
export interface Place {
  readonly bucket: string
  readonly key: string
}

type Seal = Context.Service.Shape<typeof LeaseSeal>

const sealedText = ({ bucket, key }: Place, { heldMs, leaseMs, marginMs, state }: Said): string =>
  ["lease entry", bucket, key, state, heldMs, leaseMs, marginMs].join(" ")

export const encodeEntry = (
  seal: Seal,
  place: Place,
  state: EntryState,
  heldMs: number,
  { leaseMs, marginMs }: LeaseTiming
): Uint8Array => {
  const said = { state, heldMs: Math.max(0, Math.floor(heldMs)), leaseMs, marginMs }
  return encoder.encode(JSON.stringify({ ...said, seal: seal.tagOf(sealedText(place, said)) }))
}

export interface Decoded {
  readonly entry: Entry
  /** False: unreadable, of an older version, or no replica wrote it here. */
  readonly isSealed: boolean
}

/** The entry under a key of the bucket, or null when the key is no lease. */
export const decodeEntry = (
  seal: Seal,
  place: Place,
  revision: number,
  bytes: Uint8Array,
  own: LeaseTiming
): Decoded | null => {
  const { key } = place
  const process = keyPattern.exec(key)?.[1]
  if (process === undefined) return null
  const exit = decodeBody(decoder.decode(bytes))
  if (!Exit.isSuccess(exit) || !seal.matches(sealedText(place, exit.value), exit.value.seal)) {
    return { entry: { key, process, revision, state: "held", heldMs: 0, timing: own }, isSealed: false }
  }
  const { heldMs, leaseMs, marginMs, state } = exit.value
  const timing = { leaseMs: Math.min(leaseMs, timingMsMax), marginMs: Math.min(marginMs, timingMsMax) }
  return { entry: { key, process, revision, state, heldMs, timing }, isSealed: true }
}
