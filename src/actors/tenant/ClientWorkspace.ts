/**
 * The client credentials of a group of commands, in memory, before anything is written. Part of `Workspace`:
 * each command sees what the ones before it decided.
 */
import { type ClientCredential, type ClientName, nameKey } from "../../domain/ClientCredential.ts"
import type { ClientChanges, ClientLoaded } from "../../store/ClientStore.ts"
import { countsAsClient } from "../../store/Stock.ts"

export class ClientWorkspace {
  private readonly credentials: Map<string, ClientCredential>
  private readonly namesTaken: Map<string, string>
  private readonly inserted = new Set<string>()
  private readonly updated = new Set<string>()
  private readonly deleted = new Set<string>()
  /** By how much what counts against the tenant's limit grew. */
  added = 0

  constructor(loaded: ClientLoaded | undefined) {
    this.credentials = new Map(loaded?.credentials)
    this.namesTaken = new Map(loaded?.namesTaken)
  }

  find(credentialId: string): ClientCredential | undefined {
    return this.credentials.get(credentialId)
  }

  /** Whether somebody has the name, of whichever tenant; for a command that loaded it. */
  isTaken(name: ClientName): boolean {
    return this.namesTaken.has(nameKey(name))
  }

  private count(after: ClientCredential | undefined, credentialId: string): void {
    this.added += Number(countsAsClient(after)) - Number(countsAsClient(this.credentials.get(credentialId)))
  }

  insert(credential: ClientCredential): void {
    this.count(credential, credential.credentialId)
    this.credentials.set(credential.credentialId, credential)
    this.namesTaken.set(nameKey(credential.name), credential.credentialId)
    this.inserted.add(credential.credentialId)
  }

  update(credential: ClientCredential): void {
    this.count(credential, credential.credentialId)
    this.credentials.set(credential.credentialId, credential)
    if (!this.inserted.has(credential.credentialId)) this.updated.add(credential.credentialId)
  }

  delete({ credentialId, name }: ClientCredential): void {
    this.count(undefined, credentialId)
    this.credentials.delete(credentialId)
    this.namesTaken.delete(nameKey(name))
    this.updated.delete(credentialId)
    if (!this.inserted.delete(credentialId)) this.deleted.add(credentialId)
  }

  changes(): ClientChanges {
    const now = (credentialId: string) => this.credentials.get(credentialId)!
    return {
      inserted: Array.from(this.inserted, now),
      updated: Array.from(this.updated, now),
      deleted: Array.from(this.deleted)
    }
  }
}
