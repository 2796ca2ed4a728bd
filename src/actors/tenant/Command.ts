/**
 * A command: what it has to see, and what it decides over that.
 *
 * Commands are values. The tenant's actor loads what a group of them needs, lets each decide over one
 * workspace, and commits all of it together.
 */
import type { Result } from "effect"
import type { Refusal } from "../../domain/errors.ts"
import * as Pieces from "../../observability/Pieces.ts"
import { mergeClientLoads } from "../../store/ClientStore.ts"
import { mergeCredentialLoads } from "../../store/CredentialStore.ts"
import { mergeKeyLoads } from "../../store/KeyRotationStore.ts"
import type { Load } from "../../store/TenantStore.ts"
import type { Caller } from "./Tenants.ts"
import type { Workspace } from "./Workspace.ts"

/** One change of one tenant, as the actor's mailbox carries it. */
export interface Command<A> {
  readonly name: string
  readonly caller: Caller
  readonly load: Partial<Load>
  readonly decide: (workspace: Workspace) => Result.Result<A, Refusal>
  /** Of a command that may have many items: the same decision, which may be left after each. */
  readonly inPieces?: InPieces<A> | undefined
  /** What a constraint that only the database knows means for this command. */
  readonly rejected?: (() => Refusal) | undefined
  /** True for background work on a tenant that is being removed. */
  readonly onRemovedTenant?: boolean | undefined
  /** True for what ends its tenant: an answer that was kept is given again though no tenant has the id any more. */
  readonly outlivesTenant?: boolean | undefined
  /** For what must not wait in the mailbox: the command itself, made when its turn has come. */
  readonly prepare?: Prepare<A> | undefined
  /** Asked when the rows are locked and read; false: what it was prepared with does not hold any more. */
  readonly stillHolds?: (() => boolean) | undefined
}

export interface Prepare<A> {
  /** How many things are prepared. */
  readonly count: number
  readonly make: () => Pieces.Pieces<Command<A>>
}

export interface InPieces<A> {
  /** How many items. */
  readonly count: number
  readonly decide: (workspace: Workspace) => Pieces.Pieces<Result.Result<A, Refusal>>
}

/** The decision of a command that may have many items. */
export const ofItems = <A>(
  count: number,
  decide: InPieces<A>["decide"]
): Required<Pick<Command<A>, "decide" | "inPieces">> => ({
  inPieces: { count, decide },
  decide: (workspace) => Pieces.atOnce(decide(workspace))
})

/** How many things are decided in it. */
export const countOf = ({ inPieces }: AnyCommand): number => inPieces?.count ?? 1

/** A command whose answer's type its asker remembers. */
export type AnyCommand = Command<unknown>

const union = (
  loads: ReadonlyArray<Partial<Load>>,
  key: Exclude<keyof Load, "credentials" | "clients" | "keys" | "createsTenant" | "aside">
): ReadonlyArray<string> => {
  let all: Set<string> | undefined
  for (const load of loads) {
    for (const name of load[key] ?? []) all = (all ?? new Set()).add(name)
  }
  return all === undefined ? [] : Array.from(all)
}

/** Everything that any of the commands needs to see. */
export const mergeLoads = (loads: ReadonlyArray<Partial<Load>>): Load => ({
  tokenIds: union(loads, "tokenIds"),
  tokenHashes: union(loads, "tokenHashes"),
  endpointIds: union(loads, "endpointIds"),
  endpointCounts: union(loads, "endpointCounts"),
  appNames: union(loads, "appNames"),
  idempotencyKeyHashes: union(loads, "idempotencyKeyHashes"),
  createsTenant: loads.some((load) => load.createsTenant === true),
  ...(loads.some((load) => load.credentials !== undefined)
    ? { credentials: mergeCredentialLoads(loads.flatMap((load) => load.credentials ?? [])) }
    : {}),
  ...(loads.some((load) => load.clients !== undefined)
    ? { clients: mergeClientLoads(loads.flatMap((load) => load.clients ?? [])) }
    : {}),
  ...(loads.some((load) => load.keys !== undefined)
    ? { keys: mergeKeyLoads(loads.flatMap((load) => load.keys ?? [])) }
    : {}),
  ...(loads.some((load) => load.aside !== undefined)
    ? { aside: Array.from(new Set(loads.flatMap((load) => load.aside ?? []))) }
    : {}),
  ...(loads.some((load) => load.revokeAlls !== undefined) ? { revokeAlls: union(loads, "revokeAlls") } : {})
})
