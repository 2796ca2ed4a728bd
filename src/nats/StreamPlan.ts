/**
 * What the streams and buckets of an instance look like, and how an existing one differs.
 *
 * Everything is on file storage and discards the old, never the new: a full bucket must not refuse a
 * write that makes it right again. The lease bucket is not here; `coherence` owns it.
 */
import { DiscardPolicy, RetentionPolicy, StorageType, type StreamConfig } from "@nats-io/jetstream"
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
    deny_delete: true
  }) as const

export type StreamPlan = Partial<StreamConfig> & { readonly name: string }

/** Nobody may remove single events, nor purge them: what was announced stays until its age or the size says otherwise. */
const events = (name: string, subjects: ReadonlyArray<string>, bytesMax: number, limits: Limits): StreamPlan => ({
  ...shared(limits),
  name,
  subjects: Array.from(subjects),
  max_age: nanos(Duration.toMillis(limits.eventsAge)),
  max_bytes: bytesMax,
  duplicate_window: nanos(Math.min(Duration.toMillis(limits.duplicateWindow), Duration.toMillis(limits.eventsAge))),
  deny_purge: true
})

const bucket = (name: string, age: Duration.Duration, bytesMax: number, limits: Limits): StreamPlan => ({
  ...shared(limits),
  name: `KV_${name}`,
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
const inbox = (name: string, limits: Limits): StreamPlan => ({
  ...shared(limits),
  name,
  subjects: Array.from(inboxSubjects(limits)),
  retention: RetentionPolicy.Workqueue,
  no_ack: true,
  max_age: nanos(Duration.toMillis(limits.inboxAge)),
  max_bytes: limits.inboxBytesMax,
  duplicate_window: nanos(Math.min(Duration.toMillis(kvDuplicateWindow), Duration.toMillis(limits.inboxAge)))
})

export const plansOf = (instance: string, limits: Limits): ReadonlyArray<StreamPlan> => {
  const names = namesOf(instance)
  return [
    events(names.events, [`${instance}.events.v1.>`], limits.eventsBytesMax, limits),
    events(names.revocations, revocationSubjects(instance), limits.revocationsBytesMax, limits),
    inbox(names.inbox, limits),
    bucket(names.tokensBucket, limits.tokensAge, limits.tokensBytesMax, limits),
    bucket(names.metadataBucket, limits.metadataAge, limits.metadataBytesMax, limits)
  ]
}

/** What a server lets nobody change on a stream that exists. */
const fixed = new Set<string>(["storage", "retention", "deny_delete", "deny_purge"])

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
