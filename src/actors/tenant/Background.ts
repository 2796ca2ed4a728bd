/**
 * Who changes something when nobody asked: the service itself, by the name of the work, under the
 * correlation id of the turn that it is part of. Contract, section 8.1.
 */
import { Effect } from "effect"
import { servicePrincipal } from "../../domain/Principal.ts"
import * as Turn from "../../observability/Turn.ts"
import type { Caller } from "./Tenants.ts"

/** An event of another service has an id of its own. */
type Background = "sweep" | "refresh" | "relay"

export const caller = (name: Background): Effect.Effect<Caller> =>
  Effect.map(Turn.CorrelationId, (correlationId) => ({ ...servicePrincipal(name), correlationId, idempotency: null }))
