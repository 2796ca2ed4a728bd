/**
 * What the world is told of a token's change: the messages of one transaction.
 *
 * - a JSON event `token.<type>` for every change (contract section 4), CloudEvents in binary mode;
 * - 16/ECAP EndpointTokenRevokedEvent, one for each application and endpoint, with all the token
 *   ids of this transaction whose sessions end (16/ECAP, "Endpoint token revocation event").
 *
 * None carries a token value or a hash of one. What takes a right away leaves only once it is in
 * force. Order per token and per endpoint is the order in which they are written.
 *
 * Every message fits: what a caller gave without a limit is left out of it, and a list that is too long for
 * one message makes several. An event that could never leave would hold back its entity for ever.
 */
import { Context, Effect, Layer } from "effect"
import { eventBytesMax } from "../../domain/Names.ts"
import type { Token } from "../../domain/Token.ts"
import * as Pieces from "../../observability/Pieces.ts"
import { Replica } from "../../observability/Replica.ts"
import { EndpointTokenRevokedEvent } from "../../schema/Ecap.ts"
import { formatDate } from "../../schema/Timestamp.ts"
import type { OutboxEntry } from "../../store/TenantStore.ts"
import { Ids } from "./Ids.ts"
import { inTrace, type TokenFact, type Workspace } from "./Workspace.ts"

export class EventWriter extends Context.Service<
  EventWriter,
  {
    /** The messages of all that happened in this workspace, in order. */
    readonly ofFacts: (workspace: Workspace) => Pieces.Pieces<ReadonlyArray<OutboxEntry>>
    /**
     * That the sessions of these tokens end though nothing of the tokens changed: what they belong to is out of
     * service, and that is in force.
     */
    readonly endSessions: (
      workspace: Workspace,
      tokens: ReadonlyArray<Token>,
      correlationId: string
    ) => ReadonlyArray<OutboxEntry>
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
            "ce-datacontenttype": "application/json",
            "content-type": "application/json"
          },
          payload: bodyOf(data),
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

      const sessionsEnd = (
        tokens: ReadonlyArray<Token>,
        workspace: Workspace,
        correlationId: string,
        afterRevocation: boolean
      ): OutboxEntry => {
        const { appName, endpointId } = tokens[0]!
        const eventId = ids.next()
        return {
          eventId,
          stream: "revocations",
          subject: `kaa.v1.events.${instance}.endpoint.token.revoked`,
          entityKey: `endpoint/${appName}/${endpointId}`,
          headers: { "ce-entityversion": String(workspace.nextSeq) },
          payload: EndpointTokenRevokedEvent.encode({
            correlationId: workspace.correlationIdOf({ correlationId }),
            timestamp: BigInt(workspace.now),
            timeout: 0n,
            appName,
            endpointId,
            tokenIds: Array.from(new Set(tokens.map(({ tokenId }) => tokenId))),
            originatorReplicaId: replicaId
          }),
          afterRevocation
        }
      }

      const endSessions: EventWriter["Service"]["endSessions"] = (workspace, tokens, correlationId) => {
        const byEndpoint = new Map<string, Array<Token>>()
        for (const token of tokens) {
          const key = `${token.appName}/${token.endpointId}`
          const others = byEndpoint.get(key)
          if (others === undefined) byEndpoint.set(key, [token])
          else others.push(token)
        }
        return Array.from(byEndpoint.values(), (ended) => sessionsEnd(ended, workspace, correlationId, false))
      }

      const ofFacts = function* (workspace: Workspace): Pieces.Pieces<ReadonlyArray<OutboxEntry>> {
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
          ...Array.from(endings.values(), inPieces).flatMap((pieces) =>
            pieces.map((facts) => {
              const { correlationId, trace } = facts[0]!.caller
              const tokens = facts.map(({ token }) => token)
              return inTrace(sessionsEnd(tokens, workspace, correlationId, true), trace)
            })
          ),
          ...(yield* Pieces.map(workspace.facts, (fact) =>
            inTrace(tokenChanged(fact, workspace.now, inForceFirst && takesAway(fact)), fact.caller.trace)
          ))
        ]
      }

      return { ofFacts, endSessions, json, iso: formatDate }
    })
  )
}

/** Ids in one event of ended sessions. */
const tokenIdsMax = 1_000
const inPieces = (facts: ReadonlyArray<TokenFact>): ReadonlyArray<ReadonlyArray<TokenFact>> =>
  Array.from({ length: Math.ceil(facts.length / tokenIdsMax) }, (_, index) =>
    facts.slice(index * tokenIdsMax, (index + 1) * tokenIdsMax)
  )

/** What is left of the room of an event beside its body. */
const bodyBytesMax = eventBytesMax - 8_192
const encoder = new TextEncoder()

/** The JSON of `data`; without its longest fields, which `leftOut` names then, when it would be too long. */
export const bodyOf = (data: Readonly<Record<string, unknown>>): Uint8Array => {
  // Short ones share memory: a piece of its own for each costs more than all that stands in it.
  const whole = Buffer.from(JSON.stringify(data))
  if (whole.length <= bodyBytesMax) return whole
  const bySize = Object.keys(data)
    .map((name) => ({ name, bytes: encoder.encode(JSON.stringify(data[name]) ?? "").length }))
    .toSorted((a, b) => b.bytes - a.bytes)
  const leftOut: Array<string> = []
  let bytes = whole.length
  for (const field of bySize) {
    if (bytes <= bodyBytesMax - 1_024) break
    leftOut.push(field.name)
    bytes -= field.bytes
  }
  const short = Object.fromEntries(Object.entries(data).filter(([name]) => !leftOut.includes(name)))
  return encoder.encode(JSON.stringify({ ...short, leftOut }))
}

const takesAway = (fact: TokenFact): boolean =>
  fact.type !== "provisioned" && fact.type !== "activated" && fact.type !== "reactivated"
