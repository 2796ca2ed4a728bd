/** What is in force × what was read → what is in force now. Pure. A wrong one keeps the last good one. */
import type { SettingsKind, SettingsRow } from "../../store/PlatformStore.ts"

export interface SettingsRead {
  readonly kind: SettingsKind
  readonly name: string
  readonly tenantId: string
  /** Null: there is no configuration. */
  readonly parsed: { readonly settings: unknown } | { readonly problem: string } | null
  readonly at: number
}

/** Null: as before, and nothing to write. */
export const decideSettings = (before: SettingsRow | undefined, read: SettingsRead): SettingsRow | null => {
  const { at, kind, name, parsed, tenantId } = read
  if (before !== undefined && before.readAt > at) return null
  if (parsed !== null && "problem" in parsed) {
    if (before !== undefined && before.refused === parsed.problem) return null
    const kept = { settings: before?.settings ?? null, since: before?.since ?? at }
    return { kind, name, tenantId, ...kept, readAt: at, refused: parsed.problem, refusedAt: at }
  }
  const settings = parsed === null ? null : JSON.stringify(parsed.settings)
  if (before === undefined && settings === null) return null
  const isSame = before !== undefined && before.settings === settings
  if (isSame && before.refused === null && before.tenantId === tenantId) return null
  const since = isSame ? before.since : at
  return { kind, name, tenantId, settings, since, readAt: at, refused: null, refusedAt: null }
}
