/**
 * The configuration of applications and tenants, in force on this replica.
 *
 * MariaDB holds what is in force; each replica reads what was changed there, after its own readings and
 * every few seconds for those of others. So a start while Tekton is away has what it knew.
 */
import { Duration, Effect, Metric } from "effect"
import { defaultTokenSettings, storedTokenSettings } from "../../domain/PlatformSettings.ts"
import * as Loop from "../../observability/Loop.ts"
import * as Seldom from "../../observability/Seldom.ts"
import { PlatformStore, type SettingsKind, type SettingsRow } from "../../store/PlatformStore.ts"
import { ApplicationSettings } from "../tenant/ApplicationSettings.ts"
import type { InForceSettings } from "../tenant/Platform.ts"
import { rowsChanged } from "../tenant/RowTagging.ts"
import { decideSettings, type SettingsRead } from "./decideSettings.ts"
import type { Told } from "./Told.ts"

const lookEvery = Duration.seconds(2)
/** Rows written by a statement that was slow to commit are looked for so far back. */
const overlapMs = 30_000
const shownMax = 1_000

const changedRows = Metric.withAttributes(rowsChanged, { kind: "settings" })
/** What a row of a tenant says, which no application is made by: null where it is none. */
const shownSettings = (text: string | null): unknown => {
  try {
    return text === null ? null : JSON.parse(text)
  } catch {
    return null
  }
}

export const make = Effect.fnUntraced(function* (told: Told) {
  const store = yield* PlatformStore
  const applications = yield* ApplicationSettings
  const lines = yield* Seldom.make
  const rows = new Map<string, SettingsRow>()
  let readUpTo = 0

  /** Answers whether it says something that may be in force; what else stands there was written by somebody else. */
  const take = (row: SettingsRow): boolean => {
    if (row.kind === "application") {
      const settings = row.settings === null ? defaultTokenSettings : storedTokenSettings(row.settings)
      if (settings === null) return false
      applications.set(row.name, settings)
    }
    rows.set(`${row.kind} ${row.name}`, row)
    return true
  }
  const refresh = Effect.gen(function* () {
    for (const row of yield* store.settingsSince(Math.max(0, readUpTo - overlapMs))) {
      readUpTo = Math.max(readUpTo, row.changedAt)
      if (take(row)) continue
      yield* Metric.update(changedRows, 1)
      yield* lines.tell(
        Effect.logError("the row of an application's settings was changed outside of the service, and is not taken", {
          tenantId: row.tenantId,
          appName: row.name
        })
      )
    }
  })

  /** Decides over what was read, writes what changed, and tells what is wrong. `first` is done before it is written. */
  const apply = Effect.fnUntraced(function* <E, R>(
    reads: ReadonlyArray<SettingsRead>,
    first: (changed: SettingsRow) => Effect.Effect<void, E, R>
  ) {
    const of = (kind: SettingsKind) =>
      store.settingsOf(
        kind,
        reads.filter((read) => read.kind === kind).map(({ name }) => name)
      )
    const before = new Map(
      [...(yield* of("application")), ...(yield* of("tenant"))].map((row) => [`${row.kind} ${row.name}`, row])
    )
    const changed: Array<SettingsRow> = []
    for (const read of reads) {
      const row = decideSettings(before.get(`${read.kind} ${read.name}`), read)
      if (row !== null) changed.push(row)
      if (read.parsed === null || !("problem" in read.parsed)) continue
      yield* told.refuse("tekton", "wrong_configuration", {
        tenantId: read.tenantId,
        ...(read.kind === "application" ? { appName: read.name } : {}),
        problem: read.parsed.problem
      })
    }
    for (const row of changed) yield* first(row)
    if (changed.length > 0) yield* store.saveSettings(changed)
    yield* refresh
  })

  // A bug in it is no reason not to start: it is read again, and told each time.
  yield* Effect.ignore(refresh).pipe(
    Effect.catchDefect((defect) => Effect.logError("settings could not be read at the start", defect))
  )
  yield* Effect.forkScoped(
    Loop.forever("platform settings", Effect.andThen(Effect.sleep(lookEvery), Effect.ignore(refresh)))
  )

  const shown = (kind: SettingsKind): ReadonlyArray<InForceSettings> =>
    Array.from(rows.values())
      .filter((row) => row.kind === kind)
      .slice(0, shownMax)
      .map(({ name, readAt, refused, refusedAt, settings, since, tenantId }) => ({
        name,
        tenantId,
        settings: shownSettings(settings),
        since,
        readAt,
        refused,
        refusedAt
      }))
  return { apply, shown }
})
export type LiveSettings = Effect.Success<ReturnType<typeof make>>
