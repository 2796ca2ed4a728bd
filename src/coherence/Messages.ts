/**
 * What replicas say to each other, as bytes: JSON under `{instance}.internal.v1.`.
 *
 * - `apply`: revocations to apply, from a committer, who wants an acknowledgement of the message's id;
 * - `ack.<process>`: to that committer: this process applied that message;
 * - `appear`: something may be usable now;
 * - `in-force`: the store was told that revocations of these tenants are in force.
 *
 * None carries a reply subject or headers: what does was stored somewhere, and was not said here. Only the service's own bus
 * user may publish here; what arrives is checked all the same, and what makes no sense is null.
 */
import { Exit, Schema } from "effect"
import type { Appearance, Revocation, RevocationTarget } from "../domain/Revocation.ts"

/** `<replica id>.<incarnation>`: a name that no other process ever has. Two subject tokens. */
const processPattern = /^[A-Za-z0-9_-]{1,32}\.[A-Za-z0-9]{1,32}$/u
/** Of what one message carries; a larger revocation travels in several. */
export const targetsPerMessageMax = 1_000
/** Of what one message of `in-force` names. */
export const tenantsPerMessageMax = 1_000
const bytesMax = 1_048_576

const Process = Schema.String.check(Schema.isPattern(processPattern))
const Text = Schema.String.check(Schema.isMaxLength(1_024))
const Count = Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER }))

const Target = Schema.Union([
  Schema.Struct({
    kind: Schema.Literal("token"),
    tokenId: Text,
    appName: Text,
    cacheKey: Text,
    version: Count,
    usableUntil: Schema.NullOr(Schema.Int)
  }),
  Schema.Struct({ kind: Schema.Literal("application"), appName: Text }),
  Schema.Struct({ kind: Schema.Literal("tenant") }),
  Schema.Struct({ kind: Schema.Literal("credential"), credentialId: Text, version: Count }),
  Schema.Struct({ kind: Schema.Literal("service"), serviceName: Text }),
  Schema.Struct({
    kind: Schema.Literal("settings"),
    limits: Schema.optionalKey(Schema.Record(Text, Count))
  }),
  Schema.Struct({ kind: Schema.Literal("client"), credentialId: Text, version: Count })
])
const Revocations = Schema.Array(Schema.Struct({ tenantId: Text, seq: Count, targets: Schema.Array(Target) }))
const Apply = Schema.Struct({ from: Process, id: Count, revocations: Revocations })
const Ack = Schema.Struct({ from: Process, id: Count })
const Appear = Schema.Struct({
  from: Process,
  tenantId: Text,
  targets: Schema.Array(
    Schema.Union([
      Schema.Struct({ kind: Schema.Literal("token"), cacheKey: Text }),
      Schema.Struct({ kind: Schema.Literal("application"), appName: Text }),
      Schema.Struct({ kind: Schema.Literal("tenant") })
    ])
  )
})

const InForce = Schema.Struct({ from: Process, tenantIds: Schema.Array(Text) })

export interface ApplyMessage {
  readonly from: string
  readonly id: number
  readonly revocations: ReadonlyArray<Revocation>
}
export interface AckMessage {
  readonly from: string
  readonly id: number
}
export interface AppearMessage extends Appearance {
  readonly from: string
}
export interface InForceMessage {
  readonly from: string
  readonly tenantIds: ReadonlyArray<string>
}

const encoder = new TextEncoder()
const decoder = new TextDecoder()

const decodeWith = <S extends Schema.ConstraintDecoder<unknown>>(schema: S) => {
  const decode = Schema.decodeUnknownExit(Schema.fromJsonString(schema))
  return (bytes: Uint8Array): S["Type"] | null => {
    if (bytes.length > bytesMax) return null
    const exit = decode(decoder.decode(bytes))
    return Exit.isSuccess(exit) ? exit.value : null
  }
}

export const decodeApply: (bytes: Uint8Array) => ApplyMessage | null = decodeWith(Apply)
export const decodeAck: (bytes: Uint8Array) => AckMessage | null = decodeWith(Ack)
export const decodeAppear: (bytes: Uint8Array) => AppearMessage | null = decodeWith(Appear)
export const decodeInForce: (bytes: Uint8Array) => InForceMessage | null = decodeWith(InForce)

const decodeTarget = Schema.decodeUnknownExit(Schema.Array(Target))
/** Null: these are no targets. */
export const targetsIn = (stored: unknown): ReadonlyArray<RevocationTarget> | null => {
  const exit = decodeTarget(stored)
  return Exit.isSuccess(exit) ? exit.value : null
}

export const encode = (message: ApplyMessage | AckMessage | AppearMessage | InForceMessage): Uint8Array =>
  encoder.encode(JSON.stringify(message))

/** Whether `process` wrote it, told without decoding: what one says to all comes back to it. What looks otherwise is decoded. */
export const isBy = (bytes: Uint8Array, process: string): boolean => {
  const head = `{"from":"${process}",`
  if (bytes.length < head.length) return false
  return Buffer.from(bytes.buffer, bytes.byteOffset, head.length).toString("latin1") === head
}

export const subjects = (instance: string) => ({
  apply: `${instance}.internal.v1.apply`,
  appear: `${instance}.internal.v1.appear`,
  inForce: `${instance}.internal.v1.in-force`,
  ack: (process: string) => `${instance}.internal.v1.ack.${process}`
})

/** Cuts revocations into lists of at most `targetsMax` targets. A cut revocation keeps its sequence in every part. */
export const inPieces = (
  revocations: ReadonlyArray<Revocation>,
  targetsMax: number = targetsPerMessageMax
): ReadonlyArray<ReadonlyArray<Revocation>> => {
  const pieces: Array<Array<Revocation>> = []
  let room = 0
  for (const { seq, targets, tenantId } of revocations) {
    for (let from = 0; from < targets.length; ) {
      if (room === 0) {
        pieces.push([])
        room = targetsMax
      }
      const part: ReadonlyArray<RevocationTarget> = targets.slice(from, from + room)
      pieces[pieces.length - 1]!.push({ tenantId, seq, targets: part })
      from += part.length
      room -= part.length
    }
  }
  return pieces
}
