/**
 * What the streams and buckets of an instance look like, and how an existing one differs.
 *
 * Everything is on file storage and discards the old, never the new: a full bucket must not refuse a
 * write that makes it right again. The lease bucket is not here; `coherence` owns it.
 */
import { DiscardPolicy, RetentionPolicy, StorageType, type StreamConfig, type StreamInfo } from "@nats-io/jetstream"
import { nanos } from "@nats-io/transport-node"
import { Duration } from "effect"
import type { NatsConfig } from "./NatsConfig.ts"

export type Limits = NatsConfig["Service"]["streams"]

export interface StreamNames {
  readonly events: string
  readonly revocations: string
  /** Events of other services, until this one has carried them out. */
  readonly inbox: string
  /** Bucket names, without the `KV_` of their streams. */
  readonly tokensBucket: string
  readonly metadataBucket: string
}

export const namesOf = (instance: string): StreamNames => {
  const upper = instance.toUpperCase()
  return {
    events: `${upper}_EVENTS`,
    revocations: `${upper}_REVOCATIONS`,
    inbox: `${upper}_INBOX`,
    tokensBucket: `${upper}_TOKENS`,
    metadataBucket: `${upper}_METADATA`
  }
}

const kvDuplicateWindow = Duration.minutes(1)

const shared = (limits: Limits) =>
  ({
    storage: StorageType.File,
    retention: RetentionPolicy.Limits,
    discard: DiscardPolicy.Old,
    num_replicas: limits.replicas,
    allow_direct: true,
    deny_delete: true,
    max_msgs: -1,
    max_msg_size: -1,
    no_ack: false,
    sealed: false
  }) as const

export type StreamPlan = Partial<StreamConfig> & { readonly name: string }

/** Nobody may remove single events, nor purge them: what was announced stays until its age or the size says otherwise. */
const events = (
  name: string,
  description: string,
  subjects: ReadonlyArray<string>,
  bytesMax: number,
  limits: Limits
): StreamPlan => ({
  ...shared(limits),
  name,
  description,
  subjects: Array.from(subjects),
  max_age: nanos(Duration.toMillis(limits.eventsAge)),
  max_bytes: bytesMax,
  duplicate_window: nanos(Math.min(Duration.toMillis(limits.duplicateWindow), Duration.toMillis(limits.eventsAge))),
  deny_purge: true
})

const bucket = (
  name: string,
  description: string,
  age: Duration.Duration,
  bytesMax: number,
  limits: Limits
): StreamPlan => ({
  ...shared(limits),
  name: `KV_${name}`,
  description,
  subjects: [`$KV.${name}.>`],
  max_msgs_per_subject: 1,
  max_age: nanos(Duration.toMillis(age)),
  max_bytes: bytesMax,
  duplicate_window: nanos(Math.min(Duration.toMillis(kvDuplicateWindow), Duration.toMillis(age))),
  allow_rollup_hdrs: true
})

/** One by one, so that no event of another service is among them. */
const revocationSubjects = (instance: string): ReadonlyArray<string> =>
  [
    "endpoint.token.revoked",
    "client.credential.revoked",
    "client-credentials.basic.revoked",
    "client-credentials.certificate.revoked"
  ].map((name) => `kaa.v1.events.${instance}.${name}`)

/** Where the events come from that must not be lost: names of service instances, or `*`. */
const inboxSubjects = ({ elceOriginators, tleOriginators }: Limits): ReadonlyArray<string> => {
  const of = (originators: string, name: string) =>
    originators.split(",").map((originator) => `kaa.v1.events.${originator}.${name}`)
  return [
    ...of(elceOriginators, "endpoint.lifecycle.unregistered"),
    ...of(tleOriginators, "tenant.lifecycle.updated"),
    ...of(tleOriginators, "tenant.lifecycle.unregistered")
  ]
}

/**
 * What was acknowledged goes. The stream acknowledges nothing itself: its answer would land on a subject
 * of the publisher's choice.
 */
const inbox = (name: string, description: string, limits: Limits): StreamPlan => ({
  ...shared(limits),
  name,
  description,
  subjects: Array.from(inboxSubjects(limits)),
  retention: RetentionPolicy.Workqueue,
  no_ack: true,
  max_age: nanos(Duration.toMillis(limits.inboxAge)),
  max_bytes: limits.inboxBytesMax,
  duplicate_window: nanos(Math.min(Duration.toMillis(kvDuplicateWindow), Duration.toMillis(limits.inboxAge)))
})

/** What somebody reads who lists the streams. */
const about = {
  events: "Events of the credential service, one subject a tenant and type",
  revocations: "Revocations for communication services (16/ECAP, 22/CAP)",
  inbox: "Events of other services that are not carried out yet: 9/ELCE and 21/TLE",
  tokens: "Cache of token validations: may be emptied at any time",
  metadata: "Cache of credential metadata, no secrets: may be emptied at any time"
}

/** Every stream and bucket that is made at the start and watched from then on. */
export const plansOf = (instance: string, limits: Limits): ReadonlyArray<StreamPlan> => {
  const names = namesOf(instance)
  return [
    events(names.events, about.events, [`${instance}.events.v1.>`], limits.eventsBytesMax, limits),
    events(names.revocations, about.revocations, revocationSubjects(instance), limits.revocationsBytesMax, limits),
    inbox(names.inbox, about.inbox, limits),
    bucket(names.tokensBucket, about.tokens, limits.tokensAge, limits.tokensBytesMax, limits),
    bucket(names.metadataBucket, about.metadata, limits.metadataAge, limits.metadataBytesMax, limits)
  ]
}

/** What a server lets nobody change on a stream that exists. */
const fixed = new Set<string>(["storage", "retention", "deny_delete", "deny_purge", "sealed"])
/** What decides only how much is kept, how often and what people read about it. */
const measures = new Set<string>([
  "max_age",
  "max_bytes",
  "max_msgs",
  "num_replicas",
  "duplicate_window",
  "description"
])

export interface Difference {
  readonly changeable: ReadonlyArray<string>
  readonly fixed: ReadonlyArray<string>
}

/** Names of the fields in which `existing` differs from `plan`. A field the server leaves out is its zero value. */
export const differenceOf = (existing: Partial<StreamConfig>, plan: StreamPlan): Difference => {
  const zeroOf = (value: unknown) => (typeof value === "boolean" ? false : typeof value === "number" ? 0 : undefined)
  const differing = (Object.keys(plan) as Array<keyof StreamConfig>).filter((field) => {
    const planned: unknown = plan[field]
    return JSON.stringify(existing[field] ?? zeroOf(planned)) !== JSON.stringify(planned)
  })
  return {
    changeable: differing.filter((field) => !fixed.has(field)),
    fixed: differing.filter((field) => fixed.has(field))
  }
}

/** What happened to a stream between two looks. */
export type ChangeFound =
  | { readonly kind: "gone" | "remade" }
  | { readonly kind: "emptied"; readonly messages: number }
  /** `hurts`: more than how much is kept. */
  | { readonly kind: "settings"; readonly fields: ReadonlyArray<string>; readonly hurts: boolean }

/** Fewer may have come to their age at once. */
const emptiedMin = 10

/** Settings that a plan never has, and that take messages elsewhere or bring others in. */
const foreign = ["mirror", "sources", "republish", "subject_transform"] as const

/** What is to be told of a stream that was seen as `before` (null: never) and is `now` (null: not there). */
export const changesOf = (
  before: Pick<StreamInfo, "created" | "state"> | null,
  now: StreamInfo | null,
  plan: StreamPlan
): ReadonlyArray<ChangeFound> => {
  if (now === null) return [{ kind: "gone" }]
  const found: Array<ChangeFound> = []
  if (before !== null && before.created !== now.created) found.push({ kind: "remade" })
  else if (
    before !== null &&
    // What waits in a work queue goes when it was worked off.
    plan.retention !== RetentionPolicy.Workqueue &&
    now.state.messages === 0 &&
    before.state.messages >= emptiedMin
  ) {
    found.push({ kind: "emptied", messages: before.state.messages })
  }
  const { changeable, fixed: unchangeable } = differenceOf(now.config, plan)
  const fields = [...unchangeable, ...changeable, ...foreign.filter((field) => now.config[field] !== undefined)]
  if (fields.length > 0) found.push({ kind: "settings", fields, hurts: fields.some((field) => !measures.has(field)) })
  return found
}
