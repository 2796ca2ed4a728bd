/** What the actors say about credentials and services, as it is answered. */
import { Redacted } from "effect"
import type {
  CredentialMetadata,
  HandedOut,
  RefreshShown,
  RetirePending,
  VersionEntry
} from "../actors/credentials/Credentials.ts"
import type { TenantService } from "../domain/Credential.ts"
import { reasonWords } from "../domain/Refresh.ts"
import {
  type CredentialAnswer,
  encodeOwner,
  type HistoryAnswer,
  type MetadataAnswer,
  type ServiceAnswer
} from "../schema/CredentialJson.ts"
import { formatDate } from "../schema/Timestamp.ts"

const dateOrNull = (time: number | null): string | null => (time === null ? null : formatDate(time))

const dated = (name: string, time: number | null) => (time === null ? {} : { [name]: formatDate(time) })

/** Reasons in words of our own; what the provider said is in the audit alone. */
const encodeRefresh = (refresh: RefreshShown | null): (typeof MetadataAnswer.Type)["refresh"] =>
  refresh === null
    ? null
    : {
        state: refresh.state,
        ...dated("last_refreshed_at", refresh.lastRefreshedAt),
        ...dated("next_refresh_at", refresh.nextRefreshAt),
        ...dated("grant_expires_at", refresh.grantExpiresAt),
        attempts: refresh.attempts,
        ...(refresh.lastError === null
          ? {}
          : {
              last_error: {
                reason: refresh.lastError.reason,
                message: reasonWords[refresh.lastError.reason],
                at: formatDate(refresh.lastError.at),
                ...(refresh.lastError.httpStatus === null ? {} : { http_status: refresh.lastError.httpStatus })
              }
            })
      }

const encodeRetirePending = (pending: ReadonlyArray<RetirePending> | null) =>
  pending === null
    ? {}
    : {
        retire_pending: pending.map((one) => ({
          generation: one.generation,
          since: formatDate(one.since),
          attempts: one.attempts,
          ...(one.reason === null ? {} : { reason: one.reason }),
          next_attempt_at: formatDate(one.nextAttemptAt)
        }))
      }

const common = (credential: CredentialMetadata) => ({
  credential_id: credential.credentialId,
  tenant_id: credential.tenantId,
  service_name: credential.serviceName,
  type: credential.type,
  scopes: credential.scopes,
  expires_at: dateOrNull(credential.expiresAt),
  is_active: credential.state === "active",
  owner: encodeOwner(credential.owner),
  version: credential.version,
  created_at: formatDate(credential.createdAt),
  updated_at: formatDate(credential.updatedAt),
  refresh: encodeRefresh(credential.refresh ?? null),
  ...encodeRetirePending(credential.retirePending ?? null)
})

export const encodeMetadata = (credential: CredentialMetadata): typeof MetadataAnswer.Type => ({
  ...common(credential),
  state: credential.state,
  reason: credential.reason,
  service_active: credential.serviceActive,
  allowed_consumers: credential.allowedConsumers,
  metadata: credential.metadata,
  created_by: credential.createdBy,
  updated_by: credential.updatedBy
})

/** The one place where a secret becomes what is sent. */
export const encodeHandedOut = ({ secret, ...credential }: HandedOut): typeof CredentialAnswer.Type => ({
  ...common(credential),
  ...(secret._tag === "Clear"
    ? { credentials: Redacted.value(secret.value) }
    : { sealed: secret.sealed, sealed_by: secret.sealedBy })
})

export const encodeVersion = (entry: VersionEntry): (typeof HistoryAnswer.Type)["content"][number] => ({
  version: entry.version,
  state: entry.state,
  created_at: formatDate(entry.createdAt),
  created_by: entry.createdBy,
  reason: entry.reason,
  expires_at: dateOrNull(entry.expiresAt)
})

export const encodeService = ({
  isActive,
  reason,
  serviceName,
  updatedAt
}: TenantService): typeof ServiceAnswer.Type => ({
  service_name: serviceName,
  is_active: isActive,
  ...(reason === null ? {} : { reason }),
  updated_at: formatDate(updatedAt)
})
