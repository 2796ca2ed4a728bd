/**
 * Which rights end again in a database that was put back, from what was announced since: pure.
 *
 * An end is final: a token that was revoked, deleted, expired or followed by another one does not come back by
 * anything that was said of it. The last word counts of one that was only suspended. What is not known any
 * more (a token that was made since, a secret that was stored since) has no row, and needs none.
 */
import type { Announced } from "../store/RestoreMark.ts"

export type TokenEnd = "revoked" | "suspended" | "deleted"

export interface Replay {
  /** By token id. */
  readonly tokens: Map<string, { readonly tenantId: string; readonly end: TokenEnd | "none" }>
  /** Credentials that were revoked or deleted, to their tenants. */
  readonly credentials: Map<string, string>
  /** Client credentials that were good no more at some moment, to their tenants. */
  readonly clients: Map<string, string>
  readonly tenants: Set<string>
  /** Tenants whose configuration was changed: what it is now is not known from events. */
  readonly configured: Set<string>
}

export const nothing = (): Replay => ({
  tokens: new Map(),
  credentials: new Map(),
  clients: new Map(),
  tenants: new Set(),
  configured: new Set()
})

const tokenEnds: Readonly<Record<string, TokenEnd | "none">> = {
  "token.revoked": "revoked",
  "token.expired": "revoked",
  // Its successor is lost; the value that was followed must not be good again.
  "token.rotated": "revoked",
  "token.deleted": "deleted",
  "token.suspended": "suspended",
  "token.reactivated": "none",
  "token.activated": "none"
}
const rank = { none: 0, suspended: 0, revoked: 1, deleted: 2 }

/** Adds what one event says; events in order. */
export const add = (replay: Replay, { subject, tenantId, type }: Announced): void => {
  const end = tokenEnds[type]
  if (end !== undefined) {
    const before = replay.tokens.get(subject)
    if (before === undefined || rank[end] >= rank[before.end]) replay.tokens.set(subject, { tenantId, end })
  } else if (type === "credential.revoked") replay.credentials.set(subject, tenantId)
  else if (type === "client-credential.revoked") replay.clients.set(subject, tenantId)
  else if (type === "tenant.unregistered") replay.tenants.add(tenantId)
  else if (type === "tenant.updated") replay.configured.add(tenantId)
}
