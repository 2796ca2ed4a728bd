/**
 * What stands in the lease bucket, as keys and bytes.
 *
 * - `lease.<replica id>.<incarnation>.<n>`: one right of one process. Never created twice.
 * - `barrier.<replica id>`: written by committers so that the bucket's sequence proves a listing new.
 *
 * A lease entry that cannot be read counts as held for an unknown time: somebody may trust it.
 */
import { Exit, Schema } from "effect"
import type { Entry, EntryState } from "./Barrier.ts"
import type { LeaseTiming } from "./Lease.ts"

const keyPattern = /^lease\.([A-Za-z0-9_-]{1,32}\.[A-Za-z0-9]{1,32})\.[0-9]{1,15}$/u
/** No replica's lease is longer, whatever an entry says. */
const timingMsMax = 60_000

const Milliseconds = Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER }))
const Body = Schema.Struct({
  state: Schema.Literals(["held", "evicted", "released", "removed"]),
  heldMs: Milliseconds,
  leaseMs: Milliseconds,
  marginMs: Milliseconds
})
const decodeBody = Schema.decodeUnknownExit(Schema.fromJsonString(Body))

const encoder = new TextEncoder()
const decoder = new TextDecoder()

export const bucketOf = (instance: string): string => `${instance.toUpperCase()}_LEASES`
export const leaseKey = (process: string, count: number): string => `lease.${process}.${count}`
export const barrierKey = (replicaId: string): string => `barrier.${replicaId}`

export const encodeEntry = (state: EntryState, heldMs: number, timing: LeaseTiming): Uint8Array =>
  encoder.encode(JSON.stringify({ state, heldMs: Math.max(0, Math.floor(heldMs)), ...timing }))

/** The entry under a key of the bucket, or null when the key is no lease. */
export const decodeEntry = (key: string, revision: number, bytes: Uint8Array, own: LeaseTiming): Entry | null => {
  const process = keyPattern.exec(key)?.[1]
  if (process === undefined) return null
  const exit = decodeBody(decoder.decode(bytes))
  if (!Exit.isSuccess(exit)) return { key, process, revision, state: "held", heldMs: 0, timing: own }
  const { heldMs, leaseMs, marginMs, state } = exit.value
  const timing = { leaseMs: Math.min(leaseMs, timingMsMax), marginMs: Math.min(marginMs, timingMsMax) }
  return { key, process, revision, state, heldMs, timing }
}
