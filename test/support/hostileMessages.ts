/**
 * Messages of somebody who means harm, or of something that is broken: right ones with one part exchanged, runs of
 * one byte, lengths that cannot be, header blocks of any bytes, reply subjects of any form. The same ones for the same
 * random numbers.
 */
import { wire } from "./clientWire.ts"
import * as ecap from "./ecap.ts"
import type { RawMessage } from "./rawClient.ts"

type Random = () => number

export interface Target {
  /** Who sends it: the least user that may publish there. */
  readonly user: string
  readonly subject: string
  /** A right payload, as an object, and how it becomes bytes. */
  readonly sample: Readonly<Record<string, unknown>>
  readonly encode: (value: Readonly<Record<string, unknown>>) => Uint8Array
  /** An event: without a reply subject. */
  readonly isEvent?: boolean
  /** The largest payload that its account may send. */
  readonly bytesMax: number
}

const mebibyte = 1_048_576
const pick = <A>(random: Random, from: ReadonlyArray<A>): A => from[Math.floor(random() * from.length)]!
const chance = (random: Random, of: number): boolean => random() < of
const bytes = (random: Random, length: number): Uint8Array =>
  Uint8Array.from({ length }, () => Math.floor(random() * 256))
const latin1 = (block: Uint8Array): string => Buffer.from(block).toString("latin1")

/** Sizes around what limits are made at, and a few that are none. */
const sizes = [0, 1, 2, 63, 64, 65, 127, 128, 129, 255, 256, 257, 1_023, 1_024, 1_025, 4_096, 16_384, 65_535]
const characters = [
  "x",
  "\ud800",
  "\udfff",
  "\u0000",
  "\u2028",
  "é",
  "漢",
  "😀",
  '"',
  "\\",
  "\r\n",
  "*",
  ">",
  ".",
  "/",
  " "
]

/** A text of any size and form; a large one now and then. */
export const hostileText = (random: Random, bytesMax: number): string => {
  const character = pick(random, characters)
  const length = chance(random, 0.03) ? bytesMax - 1_024 : pick(random, sizes)
  return character.repeat(Math.max(0, Math.floor(length / Buffer.byteLength(character))))
}

const hostileValue = (random: Random, bytesMax: number): unknown =>
  chance(random, 0.7)
    ? hostileText(random, bytesMax)
    : pick<unknown>(random, [null, true, -1, 1e308, 2 ** 60, [], {}, [[[[[]]]]], { __proto__: null }])

/** One place in the value, at random, with something else in it. */
const exchanged = (random: Random, value: unknown, other: () => unknown): unknown => {
  if (typeof value !== "object" || value === null) return other()
  const keys = Object.keys(value)
  if (keys.length === 0 || chance(random, 0.05)) return other()
  const key = pick(random, keys)
  const inner = exchanged(random, (value as Record<string, unknown>)[key], other)
  return Array.isArray(value)
    ? value.map((item, at) => (String(at) === key ? inner : item))
    : { ...value, [key]: inner }
}

/** Avro's long in zigzag, for lengths that are larger than everything, or negative. */
const impossibleLengths = [
  [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01],
  [0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01],
  [0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80],
  [0x01],
  [0xfe, 0xff, 0xff, 0xff, 0x0f]
]

const mutated = (random: Random, right: Uint8Array): Uint8Array => {
  const copy = Array.from(right)
  for (let times = 1 + Math.floor(random() * 4); times > 0; times--) {
    const at = Math.floor(random() * (copy.length + 1))
    const what = random()
    if (what < 0.4) copy[at] = Math.floor(random() * 256)
    else if (what < 0.55) copy.splice(at, 1 + Math.floor(random() * 8))
    else if (what < 0.7) copy.splice(at, 0, ...bytes(random, 3))
    else if (what < 0.9) copy.splice(at, 1, ...pick(random, impossibleLengths))
    else copy.length = at
  }
  return Uint8Array.from(copy, (byte) => byte ?? 0)
}

const payloadOf = (random: Random, { bytesMax, encode, sample }: Target): Uint8Array => {
  const what = random()
  if (what < 0.15) {
    const length = chance(random, 0.05) ? Math.min(bytesMax - 1_024, mebibyte) : pick(random, [1, 100, 2_000, 65_536])
    return new Uint8Array(length).fill(pick(random, [0x00, 0xff, 0x80, 0x7f, 0x01, 0x20, 0x22, 0x5b, 0x7b]))
  }
  if (what < 0.25) return bytes(random, pick(random, [1, 10, 100, 1_000]))
  if (what < 0.5) return mutated(random, encode(sample))
  const value = exchanged(random, sample, () => hostileValue(random, bytesMax))
  try {
    return encode(value as Record<string, unknown>)
  } catch {
    // Not everything can be written in Avro.
    return mutated(random, encode(sample))
  }
}

const lines = [
  "a b: x",
  "Correlation-ID : x",
  ": x",
  "A: x\ny",
  "A: x\ry",
  "nothing",
  "Schlüssel: x",
  "\u0000: \u0000",
  "traceparent: 00-zz-zz-zz",
  "Idempotency-Key:   ",
  "Idempotency-Key: k",
  "Idempotency-Key: k\r\nIdempotency-Key: l",
  "Authorization: Bearer x",
  "Nats-Request-Info: {}",
  'nats-request-info: {"acc":"ADMIN","user":"admin"}',
  "Nats-Subject: $KV.CM_LEASES.lease.one.x.0",
  "Nats-Msg-Id: 1",
  "Nats-Expected-Last-Sequence: 99999"
]
const firstLines = ["NATS/1.0", "NATS/1.0 503", "NATS/1.0 204 EOB", "NATS/1.0 100 Idle Heartbeat", "NATS/1.0 abc"]

const headersOf = (random: Random): string | undefined => {
  const what = random()
  if (what < 0.4) return undefined
  if (what < 0.5) return `NATS/1.0\r\n${latin1(bytes(random, pick(random, [1, 20, 300, 4_000])))}`
  if (what < 0.55) return `NATS/1.0\r\nA: ${"x".repeat(pick(random, [1_000, 30_000]))}\r\n\r\n`
  const some = Array.from({ length: 1 + Math.floor(random() * 3) }, () => pick(random, lines))
  if (chance(random, 0.2)) some.push(`Correlation-ID: ${"x".repeat(pick(random, sizes))}`)
  return `${pick(random, firstLines)}\r\n${some.join("\r\n")}\r\n${chance(random, 0.9) ? "\r\n" : ""}`
}

/**
 * A reply subject with a wildcard is sent from within the service's account only. From an account that imports, the
 * server (2.15.2) forgets the way back of all requests of that account that match it: whoever shares an account can
 * lose each other's answers by it, which no service behind an import can see (docs/threat-model.md).
 */
const repliesOf = (user: string): ReadonlyArray<string> => [
  ...(user === "comms" ? ["_INBOX.>", "_INBOX.*", `_INBOX.${user}.*`] : []),
  "_INBOX.service.x",
  "$JS.API.STREAM.DELETE.CM_EVENTS",
  "$KV.CM_LEASES.lease.one.x.0",
  "cm.v1.demo.token.revoke",
  "cm.internal.v1.apply",
  "kaa.v1.events.cm.endpoint.token.revoked"
]

/** `own`: a reply subject at which the sender listens. */
export const hostileMessage = (random: Random, target: Target, own: () => string): RawMessage => {
  const headers = headersOf(random)
  const payload = payloadOf(random, target)
  const isNamed = chance(random, target.isEvent === true ? 0.1 : 0.9)
  const reply = !isNamed ? undefined : chance(random, 0.9) ? own() : pick(random, repliesOf(target.user))
  return {
    subject: target.subject,
    payload,
    ...(headers === undefined ? {} : { headers: Buffer.from(headers, "latin1") }),
    ...(reply === undefined ? {} : { reply })
  }
}

// ---- every subject, with the least user that may publish there ------------------

const json = (value: unknown): Uint8Array => Buffer.from(JSON.stringify(value))
const uuid = "01900000-0000-7000-8000-000000000000"
const consumerBytes = 65_536
const adminBytes = 8 * mebibyte
const othersBytes = mebibyte

const common = { correlationId: "hostile", timestamp: 1_700_000_000_000, timeout: 0 }
const transition = { ...common, appName: "app", token: "abcdefghij", targetStatus: "Revoked" }
const unregistered = {
  ...common,
  appVersionName: "v",
  endpointId: "nobody",
  tenantId: "never-there",
  originatorReplicaId: "epr"
}
const avro =
  (type: { readonly toBuffer: (value: unknown) => Uint8Array }) =>
  (value: Readonly<Record<string, unknown>>): Uint8Array =>
    type.toBuffer(value)

const ofTenant: Readonly<Record<string, Readonly<Record<string, unknown>>>> = {
  "application.register": { appName: "other" },
  "application.list": { limit: 5 },
  "application.remove": { appName: "never-there" },
  "token.provision": { appName: "app", endpointId: "e", description: "d", expiresDate: "2099-01-01T00:00:00.000Z" },
  "token.provision-batch": { appName: "app", items: [{ endpointId: "e" }, { endpointId: "f", token: "abcdefgh" }] },
  "token.get": { tokenId: uuid },
  "token.list": { appName: "app", endpointId: "e", status: ["Active"], order: "ASC", limit: 3, cursor: "x" },
  "token.transition": { tokenId: uuid, targetStatus: "Revoked", expectedVersion: 1, reason: "because" },
  "token.transition-batch": { tokenIds: [uuid], targetStatus: "Active" },
  "token.rotate": { tokenId: uuid, overlap: "PT5M", token: "abcdefgh" },
  "token.delete": { endpointId: "nobody" },
  "credential.store": {
    service_name: "s",
    type: "basic",
    credentials: { username: "u", password: "p" },
    scopes: ["a"],
    owner: { level: "user", user_id: "u" },
    allowed_consumers: ["mail"],
    metadata: { a: [1, "b"] }
  },
  "credential.list": { service_name: "s", expiring_within: "PT5M", limit: 3 },
  "credential.rotate": { credential_id: uuid, credentials: { username: "u", password: "p" } },
  "credential.update": { credential_id: uuid, scopes: ["a"], metadata: { a: 1 } },
  "credential.revoke": { credential_id: uuid, reason: "because" },
  "credential.history": { credential_id: uuid },
  "credential.delete": { credential_id: uuid },
  "client-credential.create-basic": { username: "hostile", password: "p", clientId: "c", description: "d" },
  "client-credential.create-certificate": { issuer: "CN=hostile", serialNumber: "1", clientId: "c" },
  "client-credential.get": { credentialId: uuid },
  "client-credential.list": { clientId: "c", kind: "basic", status: ["Active"], limit: 3, cursor: "x" },
  "client-credential.revoke": { credentialId: uuid, reason: "because", expectedVersion: 1 },
  "client-credential.delete": { credentialId: uuid },
  "token.revoke-all": { tokenIds: [uuid] },
  "service.enable": { service_name: "nobody" },
  "service.disable": { service_name: "nobody", reason: "because" },
  "audit.list": { entityId: uuid, limit: 3 },
  "no.such": { a: 1 }
}
const ofOperator: Readonly<Record<string, Readonly<Record<string, unknown>>>> = {
  "tenants.list": { limit: 2 },
  "tenants.configure": { tenantId: "never-there", name: "x" },
  "tenants.remove": { tenantId: "never-there" },
  "keys.list": { limit: 1 },
  "keys.status": {},
  "outbox.list": { limit: 1 },
  "outbox.release": { id: 999_999_999 },
  health: {},
  "config.show": {},
  "no.such": {}
}

/** Of two tenants, and under names that no tenant has. */
export const hostileTargets = (tenants: ReadonlyArray<string>): ReadonlyArray<Target> => [
  ...[...tenants, "*", ">", "a*b", "never-there"].flatMap((tenant) => [
    ...Object.entries(ofTenant).map(([operation, sample]) => ({
      user: "admin",
      subject: `cm.v1.${tenant}.${operation}`,
      sample,
      encode: json,
      bytesMax: adminBytes
    })),
    ...["credential.get.mail", "credential.describe"].map((operation) => ({
      user: "mail",
      subject: `cm.v1.${tenant}.${operation}`,
      sample: { credential_id: uuid },
      encode: json,
      bytesMax: consumerBytes
    })),
    {
      user: "comms",
      subject: `cm.v1.${tenant}.token.validate`,
      sample: { appName: "app", token: "abcdefghij", dryRun: true },
      encode: json,
      bytesMax: othersBytes
    },
    {
      user: "comms",
      subject: `cm.v1.${tenant}.token.validate-batch`,
      sample: { items: [{ appName: "app", token: "abcdefghij" }] },
      encode: json,
      bytesMax: othersBytes
    }
  ]),
  ...Object.entries(ofOperator).map(([operation, sample]) => ({
    user: "operator",
    subject: `cm.admin.v1.${operation}`,
    sample,
    encode: json,
    bytesMax: othersBytes
  })),
  ...["PING", "INFO.credential-management", "STATS.credential-management"].map((verb) => ({
    user: "operator",
    subject: `$SRV.${verb}`,
    sample: {},
    encode: json,
    bytesMax: othersBytes
  })),
  ...Object.entries(wire).map(([name, { request }]) => ({
    user: "comms",
    subject: `kaa.v1.service.cm.${name}`,
    sample: { ...common, tenantId: "demo", username: "u", password: "p", issuer: "CN=x", serialNumber: "1" },
    encode: avro(request),
    bytesMax: othersBytes
  })),
  {
    user: "comms",
    subject: "kaa.v1.service.cm.ecap.ep-token-request",
    sample: { ...common, appName: "app", token: "abcdefghij" },
    encode: avro(ecap.ValidationRequest),
    bytesMax: othersBytes
  },
  {
    user: "admin",
    subject: "kaa.v1.service.cm.ecap.ep-token-status-transition-request",
    sample: transition,
    encode: avro(ecap.TransitionRequest),
    bytesMax: adminBytes
  },
  ...["epr-cm.endpoint.lifecycle.unregistered", "epr-cm.endpoint.lifecycle.registered"].map((name) => ({
    user: "platform",
    subject: `kaa.v1.events.${name}`,
    sample: unregistered,
    encode: avro(ecap.UnregisteredEvent),
    isEvent: true,
    bytesMax: othersBytes
  })),
  ...["tm-cm.tenant.lifecycle.unregistered", "tm-cm.tenant.lifecycle.updated"].map((name) => ({
    user: "platform",
    subject: `kaa.v1.events.${name}`,
    sample: unregistered,
    encode: avro(ecap.TenantUnregisteredEvent),
    isEvent: true,
    bytesMax: othersBytes
  })),
  ...["upsert", "delete"].map((verb) => ({
    user: "platform",
    subject: `kaa.v1.service.cm.scmp.configuration.${verb}`,
    sample: unregistered,
    encode: avro(ecap.TenantUnregisteredEvent),
    isEvent: true,
    bytesMax: othersBytes
  }))
]

/** A status transition that is right but for one text: what it changes leads to events. */
export const transitionOf = (token: string, correlationId: string): Uint8Array =>
  ecap.TransitionRequest.toBuffer({ ...transition, token, correlationId })
/** An endpoint's end that is right but for one text. */
export const unregisteredOf = (endpointId: string, correlationId: string): Uint8Array =>
  ecap.UnregisteredEvent.toBuffer({ ...unregistered, endpointId, correlationId })
