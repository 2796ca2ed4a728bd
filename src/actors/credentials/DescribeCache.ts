/**
 * Descriptions of credentials, from the metadata cache where that is right.
 *
 * Every change of a tenant's credentials or services puts a new mark under the tenant, before it is
 * answered; an entry is believed only while it carries the marks of its tenant and of `global` and is
 * younger than `CM_METADATA_TTL`. The marks are read before the database, so what is put late is never
 * taken for new. If a mark is lost, or an old copy of the bucket answers, a description is behind by
 * at most that time. No secret is ever here, and no key is touched.
 */
import { createHash } from "node:crypto"
import { Clock, Deferred, Duration, Effect } from "effect"
import { MetadataCache } from "../../cache/MetadataCache.ts"
import { ownerKey } from "../../domain/Credential.ts"
import { globalTenantId } from "../../domain/Names.ts"
import type { CredentialView } from "../../store/CredentialStore.ts"
import { Ids } from "../tenant/Ids.ts"
import type { CredentialName } from "./Credentials.ts"
import { CredentialsConfig } from "./CredentialsConfig.ts"

interface Entry {
  readonly marks: ReadonlyArray<string>
  /** UNIX milliseconds of the replica that put it. */
  readonly at: number
  readonly view: CredentialView
}

const markKey = (tenantId: string): string => `${tenantId}.changed`

const entryKey = (tenantId: string, name: CredentialName): string => {
  const what = "credentialId" in name ? [name.credentialId] : [name.serviceName, ownerKey(name.owner)]
  return `${tenantId}.${createHash("sha256").update(JSON.stringify(what), "utf8").digest("hex").slice(0, 40)}`
}

const parse = (text: string | undefined): Entry | undefined => {
  if (text === undefined) return undefined
  try {
    return JSON.parse(text) as Entry
  } catch {
    return undefined
  }
}

export const make = Effect.gen(function* () {
  const cache = yield* MetadataCache
  const { metadataTtl } = yield* CredentialsConfig
  const ids = yield* Ids
  const ttlMs = Duration.toMillis(metadataTtl)

  const through = Effect.fnUntraced(function* <E>(
    tenantId: string,
    name: CredentialName,
    load: Effect.Effect<CredentialView, E>
  ) {
    const [own, global, key] = [markKey(tenantId), markKey(globalTenantId), entryKey(tenantId, name)]
    const found = yield* cache.getMany([own, global, key])
    const marks = [found.get(own) ?? "", found.get(global) ?? ""]
    const entry = parse(found.get(key))
    const now = yield* Clock.currentTimeMillis
    if (entry !== undefined && Math.abs(now - entry.at) < ttlMs && entry.marks.join() === marks.join()) {
      return entry.view
    }
    const view = yield* load
    yield* cache.put(key, JSON.stringify({ marks, at: now, view } satisfies Entry))
    return view
  })

  /** Tenants whose mark is being put, and what waits for the one after it. */
  const putting = new Map<string, { next: Deferred.Deferred<void> | null }>()
  /**
   * Puts a mark that was made after the call. Calls that come while one is under way share the next
   * one: many changes of a tenant cost few writes.
   */
  const changed = (tenantId: string): Effect.Effect<void> =>
    Effect.suspend(() => {
      const under = putting.get(tenantId)
      if (under === undefined) {
        const mine: { next: Deferred.Deferred<void> | null } = { next: null }
        putting.set(tenantId, mine)
        return Effect.ensuring(
          Effect.asVoid(Effect.suspend(() => cache.put(markKey(tenantId), ids.next()))),
          Effect.suspend(() => {
            putting.delete(tenantId)
            return mine.next === null
              ? Effect.void
              : Deferred.into(changed(tenantId), mine.next).pipe(Effect.forkDetach)
          })
        )
      }
      under.next ??= Deferred.makeUnsafe<void>()
      return Deferred.await(under.next)
    })

  return {
    /** The description from the cache, or from `load`, which is then kept. */
    through,
    /** Ends what the cache holds of the tenant; for `global`, of everyone. */
    changed
  }
})
