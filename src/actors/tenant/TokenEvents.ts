/**
 * What the world is told of a token's change: the messages of one transaction.
 *
 * - a JSON event `token.<type>` for every change (contract section 4), CloudEvents in binary mode;
 * - 16/ECAP EndpointTokenRevokedEvent, one for each application and endpoint, with all the token
 *   ids of this transaction whose sessions end (16/ECAP, "Endpoint token revocation event").
 *
 * None carries a token value or a hash of one. What takes a right away leaves only once it is in
 * force. Order per token and per endpoint is the order in which they are written.
 */
import { Context, Effect, Layer } from "effect"
import { Replica } from "../../observability/Replica.ts"
import { EndpointTokenRevokedEvent } from "../../schema/Ecap.ts"
import { formatDate } from "../../schema/Timestamp.ts"
import type { OutboxEntry } from "../../store/TenantStore.ts"
import { Ids } from "./Ids.ts"
import type { TokenFact, Workspace } from "./Workspace.ts"

export class EventWriter extends Context.Service<
  EventWriter,
  {
    /** The messages of all that happened in this workspace, in order. */
    readonly ofFacts: (workspace: Workspace) => ReadonlyArray<OutboxEntry>
    /** One JSON event about an entity that is not a token. `data` is the whole body. */
    readonly json: (options: {
      readonly tenantId: string
      readonly type: string
      readonly entityKey: string
      /** `ce-subject`. */
      readonly subject: string
      readonly version: number
      readonly at: number
      readonly data: Readonly<Record<string, unknown>>
      readonly afterRevocation: boolean
    }) => OutboxEntry
    /** ISO 8601 UTC with milliseconds. */
    readonly iso: (ms: number) => string
  }
>()("cm/actors/EventWriter") {
  static readonly layer = Layer.effect(
    EventWriter,
    Effect.gen(function* () {
      const { instance, replicaId } = yield* Replica
      const ids = yield* Ids
      const encoder = new TextEncoder()

      const json: EventWriter["Service"]["json"] = (options) => {
        const { afterRevocation, at, data, entityKey, subject, tenantId, type, version } = options
        const eventId = ids.next()
        return {
          eventId,
          stream: "events",
          subject: `${instance}.events.v1.${tenantId}.${type}`,
          entityKey,
          headers: {
            "ce-specversion": "1.0",
            "ce-id": eventId,
            "ce-source": `/${instance}/${tenantId}`,
            "ce-type": type,
            "ce-subject": subject,
            "ce-time": formatDate(at),
            "ce-entityversion": String(version),
            "content-type": "application/json"
          },
          payload: encoder.encode(JSON.stringify(data)),
          afterRevocation
        }
      }

      const tokenChanged = (fact: TokenFact, at: number, afterRevocation: boolean): OutboxEntry => {
        const { appName, endpointId, status, tenantId, tokenId, version } = fact.token
        return json({
          tenantId,
          type: `token.${fact.type}`,
          entityKey: `token/${tokenId}`,
          subject: tokenId,
          version,
          at,
          data: {
            eventType: `token.${fact.type}`,
            tenantId,
            appName,
            endpointId,
            tokenId,
            status,
            previousStatus: fact.previousStatus,
            ...(fact.reason === null ? {} : { reason: fact.reason }),
            timestamp: formatDate(at)
          },
          afterRevocation
        })
      }

      const sessionsEnd = (facts: ReadonlyArray<TokenFact>, workspace: Workspace): OutboxEntry => {
        const { appName, endpointId } = facts[0]!.token
        const eventId = ids.next()
        return {
          eventId,
          stream: "revocations",
          subject: `kaa.v1.events.${instance}.endpoint.token.revoked`,
          entityKey: `endpoint/${appName}/${endpointId}`,
          headers: { "ce-entityversion": String(workspace.nextSeq) },
          payload: EndpointTokenRevokedEvent.encode({
            correlationId: facts[0]!.caller.correlationId,
            timestamp: BigInt(workspace.now),
            timeout: 0n,
            appName,
            endpointId,
            tokenIds: Array.from(new Set(facts.map((fact) => fact.token.tokenId))),
            originatorReplicaId: replicaId
          }),
          afterRevocation: true
        }
      }

      const ofFacts = (workspace: Workspace): ReadonlyArray<OutboxEntry> => {
        const endings = new Map<string, Array<TokenFact>>()
        for (const fact of workspace.facts) {
          if (!fact.endsSessions) continue
          const key = `${fact.token.appName}/${fact.token.endpointId}`
          const facts = endings.get(key)
          if (facts === undefined) endings.set(key, [fact])
          else facts.push(fact)
        }
        const inForceFirst = workspace.targetCount > 0
        return [
          ...Array.from(endings.values(), (facts) => sessionsEnd(facts, workspace)),
          ...workspace.facts.map((fact) => tokenChanged(fact, workspace.now, inForceFirst && takesAway(fact)))
        ]
      }

      return { ofFacts, json, iso: formatDate }
    })
  )
}

const takesAway = (fact: TokenFact): boolean =>
  fact.type !== "provisioned" && fact.type !== "activated" && fact.type !== "reactivated"
