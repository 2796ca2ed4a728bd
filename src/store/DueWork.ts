/**
 * What replicas look for all the time: work that nobody asked for by request, and that is hardly ever there.
 *
 * Each loop says what it looks for, and how often. All that look as often as each other share one look, which is one
 * statement: who has nothing to do asks nothing by itself.
 *
 * Promises: from the moment on that there is work, its loop goes on within the time that it named, and the time of the look;
 * a look that fails says of all work that there may be some, and so does one that takes longer than that time, each time that
 * it is over: then each loop asks by itself, as it would without this, and none waits for another's table.
 * That there is none is never remembered: a loop is woken by each look that finds its work.
 *
 * Without a layer for it each loop looks by itself.
 */
import { Context, type Duration, Effect, type Scope } from "effect"

export const works = [
  "tokens that ended",
  "applications or tenants that were removed",
  "answers that are too old",
  "open revocations of populations",
  "keys of removed tenants",
  "keys of the service that were followed",
  "rows or keys to be moved",
  "erased keys that rows need",
  "applications out of service",
  "numbers that ran away",
  "credentials that ended",
  "overlaps that are over",
  "notices to be given",
  "refreshes that are due"
] as const
export type Work = (typeof works)[number]

/** What some kinds of work depend on besides. Without them there may always be some. */
export interface Ages {
  /** For how long answers are kept. */
  readonly answersMs?: number
  /** For how long keys of a removed tenant are, which says nothing else itself. */
  readonly retentionMs?: number
  /** How long before its end the first notice of a credential is given. */
  readonly noticeMs?: number
  /** The master key that wraps all others, and after how many records the sealing key is followed by another. */
  readonly masterKeyId?: string
  readonly sealUsesMax?: number
}

export interface Sought {
  readonly work: ReadonlyArray<Work>
  readonly every: Duration.Input
  readonly ages?: Ages
}

interface DueWorkShape {
  /** From then on it is looked for, as long as the scope lives. Answers what waits until there may be some that no wait before was told of. */
  readonly seek: (sought: Sought) => Effect.Effect<Effect.Effect<void>, never, Scope.Scope>
}

const alone: DueWorkShape = { seek: ({ every }) => Effect.succeed(Effect.sleep(every)) }

export const DueWork = Context.Reference<DueWorkShape>("cm/store/DueWork", { defaultValue: () => alone })
