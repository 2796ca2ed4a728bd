/** Where the inbox stands, compared with where it was seen: by one replica at a time, so that a gap is told once. */
import { Effect } from "effect"
import type { InboxSeen } from "../../store/PlatformStore.ts"
import { type InboxStand, inboxGap } from "../tenant/Platform.ts"
import type { ChangeError } from "../tenant/Tenants.ts"

interface Watch {
  readonly claim: Effect.Effect<boolean, ChangeError>
  readonly seen: Effect.Effect<InboxSeen | null, ChangeError>
  readonly now: Effect.Effect<number, ChangeError>
  readonly save: (seen: InboxSeen) => Effect.Effect<void, ChangeError>
  readonly tell: (gap: NonNullable<ReturnType<typeof inboxGap>>, since: number) => Effect.Effect<void, ChangeError>
}

export const watchInbox = ({ claim, now, save, seen, tell }: Watch) =>
  Effect.fnUntraced(function* (stand: InboxStand, ageMs: number) {
    if (!(yield* claim)) return
    const before = yield* seen
    const seenAt = yield* now
    const gap = inboxGap(before, stand, seenAt, ageMs)
    if (gap !== null) yield* tell(gap, before?.seenAt ?? seenAt)
    const lostUpTo = Math.max(stand.firstSeq - 1, gap === "made_anew" ? 0 : (before?.lostUpTo ?? 0))
    yield* save({ madeAt: stand.madeAt, lostUpTo, seenAt })
  })
