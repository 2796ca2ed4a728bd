/** Credentials, versions and changes for store suites, with what a test does not care about filled in. */
import type { Credential, CredentialVersion } from "../../src/domain/Credential.ts"
import { type CredentialChanges, type CredentialLoad, noCredentials } from "../../src/store/CredentialStore.ts"
import { type Changes, emptyLoad, type Load, noChanges } from "../../src/store/TenantStore.ts"

let counter = 0
/** UUIDv7 texts in ascending order. */
export const nextId = (): string => `01900000-0000-7000-8000-${(++counter).toString(16).padStart(12, "0")}`

export const credentialRow = (over: Partial<Credential> = {}): Credential => ({
  credentialId: nextId(),
  tenantId: "acme",
  serviceName: "outlook",
  type: "basic",
  owner: { level: "tenant" },
  state: "active",
  version: 1,
  secretVersion: 1,
  scopes: ["mail.read", "ümläut"],
  allowedConsumers: ["mail"],
  metadata: { note: "n", nested: { list: [1, null, "x"] } },
  rotation: null,
  expiresAt: null,
  noticedMs: null,
  reason: null,
  createdAt: 1_700_000_000_000,
  updatedAt: 1_700_000_000_001,
  createdBy: "bus",
  updatedBy: "bus",
  ...over
})

export const versionRow = (credential: Credential, over: Partial<CredentialVersion> = {}): CredentialVersion => ({
  credentialId: credential.credentialId,
  version: credential.secretVersion,
  state: "current",
  sealed: new Uint8Array([1, 2, 3]),
  keyId: "01900000-0000-7000-8000-00000000aaaa",
  fingerprints: { password: "ab12" },
  expiresAt: credential.expiresAt,
  validUntil: null,
  reason: null,
  createdAt: credential.createdAt,
  createdBy: "bus",
  ...over
})

export const loadOf = (credentials: Partial<CredentialLoad>, others: Partial<Load> = {}): Load => ({
  ...emptyLoad,
  ...others,
  credentials: { ...noCredentials, ...credentials }
})

export const changesOf = (credentials: Partial<CredentialChanges>, others: Partial<Changes> = {}): Changes => ({
  ...noChanges,
  ...others,
  credentials: { inserted: [], updated: [], deleted: [], versions: [], services: [], ...credentials }
})
