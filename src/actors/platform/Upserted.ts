/**
 * Names that a 17/SCMP `upsert` gave, until what it asks for was read: an application whose configuration
 * was deleted is back when it is listed and named so. A `delete` that came since takes its name away. Of more
 * names than are kept the oldest is given up.
 */
import { Effect } from "effect"

const namesMax = 1_000

export const make = Effect.sync(() => {
  const names = new Map<string, number>()
  let count = 0
  return {
    add: (appName: string): void => {
      count += 1
      names.delete(appName)
      if (names.size >= namesMax) names.delete(names.keys().next().value!)
      names.set(appName, count)
    },
    forget: (appName: string): void => void names.delete(appName),
    /** A reading of one name, or (null) of more than one. Names that came meanwhile stay. */
    during: <A, E>(
      only: string | null,
      reading: (named: ReadonlySet<string>) => Effect.Effect<A, E>
    ): Effect.Effect<A, E> =>
      Effect.suspend(() => {
        const before = new Map(Array.from(names).filter(([appName]) => only === null || only === appName))
        return Effect.tap(reading(new Set(before.keys())), () =>
          Effect.sync(() => {
            for (const [appName, number] of before) if (names.get(appName) === number) names.delete(appName)
          })
        )
      })
  }
})
