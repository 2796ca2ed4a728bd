/** For what fails once something was begun that may yet be done, here or elsewhere, though this one failed: not undone. */
import type { ChangeError } from "../actors/tenant/Tenants.ts"
import { Unavailable } from "../domain/errors.ts"

/** @param part what was begun, where the failure names no part of its own */
export const perhapsDone = (error: ChangeError, part: string): Unavailable =>
  new Unavailable({ part: error._tag === "Unavailable" ? error.part : part, committed: null })
