/**
 * `{instance}.gateway.v1.*`: what the HTTP gateway asks beside the tenants' operations, and nobody else may.
 *
 * `resolve` is asked before anybody is known, so it needs no bearer token. `events` goes by the caller's: each page
 * is decided anew, so a token that has ended, or an issuer that was taken away, ends the reading.
 *
 * Source: contract, section 9.
 */
import { Effect, Option, Schema } from "effect"
import { AccessConfig } from "../access/AccessConfig.ts"
import { isSeen } from "../access/Decision.ts"
import { Tenants } from "../actors/tenant/Tenants.ts"
import { KnownTenants } from "../actors/validation/KnownTenants.ts"
import { IssuerNotFound, Unavailable } from "../domain/errors.ts"
import { EventPages } from "../nats/EventPages.ts"
import { EventsAnswer, eventsAtOnceMax, OwnerAnswer, ReadEvents } from "../schema/GatewayJson.ts"
import { ResolveIssuer } from "../schema/TenantJson.ts"
import { operation } from "./Operation.ts"
import { EventGone } from "./ProtocolError.ts"

const decodeEvent = Schema.decodeUnknownOption(Schema.fromJsonString(Schema.Record(Schema.String, Schema.Unknown)))
const text = new TextDecoder()
const textOf = (value: unknown): string => (typeof value === "string" ? value : "")

const eventOf = (message: { readonly data: Uint8Array; readonly header: (name: string) => string | null }) =>
  Option.map(decodeEvent(text.decode(message.data)), (data) => ({ type: message.header("ce-type") ?? "", data }))

export const gatewayOperations = [
  operation({
    family: "gateway",
    name: "resolve",
    about:
      "The tenant whose issuer this is, or that it is the platform's own. Without a bearer token, for the gateway's account only.",
    request: ResolveIssuer,
    answer: OwnerAnswer,
    errors: ["TENANT_NOT_FOUND"],
    always: true,
    handle: Effect.fnUntraced(function* ({ issuer }) {
      const { platform } = yield* AccessConfig
      if (issuer === platform?.issuer) return { platform: true as const }
      const tenants = yield* Tenants
      const tenant = yield* tenants.tenantOfIssuer(issuer)
      return tenant === undefined ? yield* new IssuerNotFound() : { tenantId: tenant.tenantId }
    })
  }),
  operation({
    family: "gateway",
    name: "events",
    about:
      "A tenant's events behind an id, those that the caller's scopes show; without an id where the stream ends now. For the gateway's account only.",
    request: ReadEvents,
    answer: EventsAnswer,
    errors: ["TENANT_NOT_FOUND", "EVENT_GONE"],
    tenantOf: ({ tenantId }) => tenantId,
    handle: Effect.fnUntraced(function* ({ after = null, limit, tenantId }, { among }) {
      // A token of the platform's is for any tenant that there is, and for no other.
      yield* (yield* KnownTenants).require(tenantId)
      const pages = yield* EventPages
      const page = yield* pages
        .read(tenantId, after, Math.min(limit, eventsAtOnceMax))
        .pipe(
          Effect.mapError((error) =>
            error._tag === "PlaceGone" ? new EventGone() : new Unavailable({ part: "events", committed: null })
          )
        )
      const content = page.messages.flatMap((message) =>
        Option.match(eventOf(message), {
          onNone: () => [],
          onSome: ({ data, type }) => {
            const about = { type, endpointId: textOf(data.endpointId), appName: textOf(data.appName) }
            return isSeen(among, about) ? [{ id: message.place, type, data }] : []
          }
        })
      )
      return { content, last: page.last, more: page.more }
    })
  })
]
