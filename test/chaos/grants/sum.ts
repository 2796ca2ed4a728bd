/** Runs that are counted together, and how they are shown to people. */
import type { Figures } from "./run.ts"

export interface Part extends Figures {
  readonly seed: number
  /** False while it is under way: everything was not yet looked at once more. */
  readonly isWhole: boolean
}

export interface Total {
  readonly refreshes: number
  readonly exchanges: number
  readonly lost: number
  readonly inevitable: { readonly wire: number; readonly window: number }
  readonly secretsFound: number
  readonly parts: ReadonlyArray<Part>
}

const nothingYet: Total = {
  refreshes: 0,
  exchanges: 0,
  lost: 0,
  inevitable: { wire: 0, window: 0 },
  secretsFound: 0,
  parts: []
}

export const add = (total: Total, part: Part): Total => ({
  refreshes: total.refreshes + part.refreshes,
  exchanges: total.exchanges + part.exchanges,
  lost: total.lost + part.lost,
  inevitable: {
    wire: total.inevitable.wire + part.inevitable.wire,
    window: total.inevitable.window + part.inevitable.window
  },
  secretsFound: total.secretsFound + part.secretsFound,
  parts: [...total.parts, part]
})

export const sumOf = (parts: ReadonlyArray<Part>): Total => parts.reduce(add, nothingYet)

/** Without what was under way when it was ended: nobody has looked at its grants once more. */
export const wholeOf = ({ parts }: Total): Total => sumOf(parts.filter(({ isWhole }) => isWhole))

export const line = ({ exchanges, inevitable, lost, misuses, refreshes, seconds }: Figures): string =>
  `${seconds} s: ${refreshes} refreshes in ${exchanges} exchanges, ${lost} lost, ` +
  `inevitably ${inevitable.wire} on the wire and ${inevitable.window} with a killed replica, ${misuses} spent ones used again`

export const shownPart = (part: Part): string => JSON.stringify(part, null, 2)
