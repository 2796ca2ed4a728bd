/**
 * Rows of a tenant that a sweep changes together: one that cannot be read keeps none of the others waiting.
 *
 * Whoever can write to the database can put a number or a word into a row that nothing of this service writes, and
 * reading it is a defect. So where a piece dies it is done in halves, down to the row that it dies of: that one is
 * told by its id and counted, and when it dies again, put aside for a while. What fails in a way that passes is not
 * touched by this.
 */
import { Clock, Effect, Metric } from "effect"

/** Then it is looked at again: somebody may have put it right. */
export const asideMs = 300_000
/** More than these are not remembered, and met again with the next piece. */
const rememberedMax = 10_000

const counted = Metric.counter("cm_sweep_rows_aside_total", {
  description: "Rows that a sweep put aside for a while, since reading or changing them is a defect",
  incremental: true
})

export type Change<E, R> = (tenantId: string, ids: ReadonlyArray<string>) => Effect.Effect<number, E, R>

/** `change` for all but the rows that it dies of. Answers how many of the others were changed. */
export const around = <E, R>(sweep: string, change: Change<E, R>): Change<E, R> => {
  /** What was died of, by id: until when that is remembered, and whether it is left out until then. */
  const known = new Map<string, { readonly until: number; readonly isAside: boolean }>()

  const putAside = (tenantId: string, id: string, defect: unknown) =>
    Effect.flatMap(Clock.currentTimeMillis, (now) => {
      if (known.has(id) || known.size < rememberedMax) known.set(id, { until: now + asideMs, isAside: known.has(id) })
      return Effect.logError("a row cannot be read or changed; the others go on", defect).pipe(
        Effect.andThen(Metric.update(Metric.withAttributes(counted, { sweep }), 1)),
        Effect.annotateLogs({ sweep, tenantId, id }),
        Effect.as(0)
      )
    })

  const apart: Change<E, R> = (tenantId, ids) =>
    Effect.catchDefect(change(tenantId, ids), (defect): Effect.Effect<number, E, R> => {
      if (ids.length === 1) return putAside(tenantId, ids[0]!, defect)
      const middle = Math.ceil(ids.length / 2)
      return Effect.zipWith(
        apart(tenantId, ids.slice(0, middle)),
        apart(tenantId, ids.slice(middle)),
        (first, second) => first + second
      )
    })

  return (tenantId, ids) =>
    Effect.flatMap(Clock.currentTimeMillis, (now) => {
      for (const [id, { until }] of known) if (until <= now) known.delete(id)
      const open = known.size === 0 ? ids : ids.filter((id) => known.get(id)?.isAside !== true)
      return open.length === 0 ? Effect.succeed(0) : apart(tenantId, open)
    })
}
