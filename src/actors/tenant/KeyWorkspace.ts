/**
 * The keys of a group of commands, in memory, before anything is written: part of `Workspace`.
 *
 * Holds what was loaded and locked, shows each command what the ones before it decided, and says at
 * the end what the store has to write.
 */
import type { AgedKey, KeyChanges, KeysLoaded } from "../../store/KeyRotationStore.ts"
import type { StoredKey } from "../../store/KeyStore.ts"

export class KeyWorkspace {
  private readonly keys: Map<string, AgedKey>
  private readonly rows: ReadonlyMap<string, number>
  private tenantKeys: number
  private readonly replaced: Array<KeyChanges["replaced"][number]> = []
  private tenantKeysDemoted = false
  private readonly retired: Array<string> = []
  private readonly destroyed: Array<string> = []

  constructor(loaded: KeysLoaded | undefined) {
    this.keys = new Map(loaded?.keys)
    this.rows = loaded?.rows ?? new Map()
    this.tenantKeys = loaded?.tenantKeys ?? 0
  }

  // ---- seeing
  key(keyId: string): AgedKey | undefined {
    return this.keys.get(keyId)
  }

  /** Keys of the whole service. */
  get ofService(): ReadonlyArray<AgedKey> {
    return Array.from(this.keys.values()).filter(({ tenantId }) => tenantId === null)
  }

  /** Rows that need a key that was named, counted up to a limit. */
  rowsOf(keyId: string): number {
    return this.rows.get(keyId) ?? 0
  }

  // ---- changing
  replace(key: AgedKey, successor: StoredKey): void {
    this.keys.set(key.keyId, { ...key, state: "retiring" })
    this.keys.set(successor.keyId, { ...successor, state: "active", ageMs: 0 })
    this.replaced.push({ keyId: key.keyId, successor })
  }

  /** Answers how many tenants had one. */
  demoteTenantKeys(): number {
    for (const key of this.keys.values()) {
      if (key.purpose === "tenant-data" && key.state === "active")
        this.keys.set(key.keyId, { ...key, state: "retiring" })
    }
    const demoted = this.tenantKeys
    this.tenantKeys = 0
    this.tenantKeysDemoted = true
    return demoted
  }

  retire(key: AgedKey): void {
    this.keys.set(key.keyId, { ...key, state: "retired" })
    this.retired.push(key.keyId)
  }

  destroy(key: AgedKey): void {
    this.keys.set(key.keyId, { ...key, state: "retired", wrapped: new Uint8Array(0) })
    this.destroyed.push(key.keyId)
  }

  changes(): KeyChanges {
    const { destroyed, replaced, retired, tenantKeysDemoted } = this
    return { replaced, tenantKeysDemoted, retired, ...(destroyed.length === 0 ? {} : { destroyed }) }
  }
}
