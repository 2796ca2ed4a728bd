/**
 * What every decision must hold to, whichever layer writes it. A decision that does not is a bug:
 * it dies here, before anything is written.
 */
import { eventBytesMax } from "../domain/Names.ts"
import type { ClientChanges } from "./ClientStore.ts"
import type { CredentialChanges } from "./CredentialStore.ts"
import type { KeyChanges } from "./KeyRotationStore.ts"
import type { Changes, Load, Loaded, OutboxEntry } from "./TenantStore.ts"

const noCredentialChanges = (changes: CredentialChanges | undefined): boolean =>
  changes === undefined || Object.values(changes).every((list) => (list ?? []).length === 0)

const noClientChanges = (changes: ClientChanges | undefined): boolean =>
  changes === undefined || Object.values(changes).every((list) => list.length === 0)

const noKeyChanges = (changes: KeyChanges | undefined): boolean =>
  changes === undefined ||
  (changes.replaced.length === 0 &&
    !changes.tenantKeysDemoted &&
    changes.retired.length === 0 &&
    (changes.destroyed ?? []).length === 0)

/** Nothing in it: nothing to write. */
export const isEmpty = (changes: Changes): boolean =>
  changes.tokensInserted.length === 0 &&
  changes.tokensUpdated.length === 0 &&
  changes.tokensDeleted.length === 0 &&
  changes.applicationsInserted.length === 0 &&
  changes.applicationsRemoved.length === 0 &&
  (changes.applicationsMoved ?? []).length === 0 &&
  (changes.withdrawals ?? []).length === 0 &&
  changes.tenantCreated === undefined &&
  changes.tenantConfigured === undefined &&
  !changes.tenantRemoved &&
  changes.tenantMac === undefined &&
  changes.revocation === null &&
  changes.outbox.length === 0 &&
  changes.idempotent.length === 0 &&
  changes.audit.length === 0 &&
  noCredentialChanges(changes.credentials) &&
  noClientChanges(changes.clients) &&
  noKeyChanges(changes.keys) &&
  (changes.asideEnded ?? []).length === 0 &&
  (changes.revokeAlls ?? []).length === 0 &&
  (changes.auditCheckpoints ?? []).length === 0

const must = (holds: boolean, what: string): void => {
  if (!holds) throw new Error(`a decision ${what}`)
}

/** Bytes of a character in JSON, at most. */
const jsonBytesMax = 6

/** Whatever a message's frame adds, there is room for it. Nearly all are so short that their headers need not be written to see it. */
export const fitsMessage = ({ headers, payload, subject }: OutboxEntry): boolean => {
  let characters = subject.length + 1
  for (const name in headers) characters += name.length + headers[name]!.length + jsonBytesMax
  if (jsonBytesMax * characters + payload.length < eventBytesMax) return true
  return Buffer.byteLength(subject) + Buffer.byteLength(JSON.stringify(headers)) + payload.length <= eventBytesMax
}

export const checkChanges = (tenantId: string, load: Load, loaded: Loaded, changes: Changes): void => {
  const creates = changes.tenantCreated !== undefined
  must(loaded.tenant !== undefined || creates || isEmpty(changes), "changes a tenant that does not exist")
  must(!creates || (loaded.tenant === undefined && load.createsTenant === true), "creates a tenant that it may not")
  must(
    changes.tokensInserted.every((token) => token.tenantId === tenantId),
    "inserts another tenant's token"
  )
  must(
    changes.tokensUpdated.every((token) => loaded.tokens.has(token.tokenId)),
    "updates a token that was not loaded"
  )
  must(
    changes.tokensDeleted.every((tokenId) => loaded.tokens.has(tokenId)),
    "deletes a token that was not loaded"
  )
  must(new Set(changes.tokensDeleted).size === changes.tokensDeleted.length, "deletes a token twice")
  must(
    changes.revocation === null ||
      (changes.revocation.tenantId === tenantId && changes.revocation.seq === loaded.revocationSeq + 1),
    "does not raise the revocation sequence by one"
  )
  must(
    changes.revocation !== null || changes.outbox.every((entry) => !entry.afterRevocation),
    "holds a message for a revocation that is not there"
  )
  must(changes.outbox.every(fitsMessage), "writes an event that no message can carry")
  must(
    changes.asideEnded?.every(({ id }) => loaded.aside?.has(id)) ?? true,
    "ends the waiting of a row that is not loaded as set aside"
  )
  must(
    changes.revokeAlls?.every((one) => one.tenantId === tenantId) ?? true,
    "writes another tenant's population of tokens"
  )
  const credentials = changes.credentials
  const touched = [...(credentials?.updated ?? []), ...(credentials?.inserted ?? [])]
  must(
    touched.every((credential) => credential.tenantId === tenantId),
    "writes another tenant's credential"
  )
  must(
    [
      ...(credentials?.updated.map((credential) => credential.credentialId) ?? []),
      ...(credentials?.deleted ?? [])
    ].every((credentialId) => loaded.credentials?.credentials.get(credentialId)?.tenantId === tenantId),
    "changes a credential that was not loaded as this tenant's"
  )
  const { clients } = changes
  must(
    [...(clients?.inserted ?? []), ...(clients?.updated ?? [])].every((client) => client.tenantId === tenantId),
    "writes another tenant's client credential"
  )
  must(
    [...(clients?.updated.map(({ credentialId }) => credentialId) ?? []), ...(clients?.deleted ?? [])].every(
      (credentialId) => loaded.clients?.credentials.get(credentialId)?.tenantId === tenantId
    ),
    "changes a client credential that was not loaded"
  )
  const keys = changes.keys
  must(
    keys?.replaced.every(({ keyId, successor }) => {
      const key = loaded.keys?.keys.get(keyId)
      return key?.state === "active" && key.purpose === successor.purpose && key.tenantId === successor.tenantId
    }) ?? true,
    "replaces a key that was not loaded as the active one of its kind"
  )
  must(
    [...(keys?.retired ?? []), ...(keys?.destroyed ?? [])].every((keyId) => loaded.keys?.rows.get(keyId) === 0),
    "retires a key that was not loaded as one that no row needs"
  )
}
