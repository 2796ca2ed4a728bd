/**
 * The file that says ready, for whoever started the service and looks at files alone.
 *
 * It is there from the moment it is told until the scope ends, and is touched every few seconds as long as the process
 * does anything: an age of a minute means that it hangs. What it depends on (the bus, the database) does not make it older:
 * starting it again would not bring them back. A file that cannot be touched is told once; the service goes on.
 */
import { rmSync, writeFileSync } from "node:fs"
import { utimes } from "node:fs/promises"
import { Clock, Effect } from "effect"
import * as Loop from "../observability/Loop.ts"

const touchEvery = "5 seconds"

/** Removes what a killed predecessor left, which says nothing of this process. */
export const clear = (file: string): void => rmSync(file, { force: true })

/** Writes the file; it goes with the scope. */
export const hold = Effect.fnUntraced(function* (file: string, told: string) {
  yield* Effect.acquireRelease(
    Effect.sync(() => writeFileSync(file, told)),
    () => Effect.sync(() => rmSync(file, { force: true }))
  )
  let saidWrong = false
  const touch = Effect.gen(function* () {
    yield* Effect.sleep(touchEvery)
    const seconds = (yield* Clock.currentTimeMillis) / 1_000
    const wasTouched = yield* Effect.tryPromise(() => utimes(file, seconds, seconds)).pipe(
      Effect.match({ onFailure: () => false, onSuccess: () => true })
    )
    if (!wasTouched && !saidWrong) {
      yield* Effect.logWarning("the ready file cannot be touched: who goes by its age takes this replica for hung")
    }
    saidWrong = !wasTouched
  })
  yield* Effect.forkScoped(Loop.forever("the ready file", touch))
})
