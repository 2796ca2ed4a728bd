/**
 * Rows of the first version whose text was no Unicode: hashed with lone surrogates, stored with U+FFFD.
 *
 * Whoever finds which surrogates they were has the very text that was hashed, and the row's own hash proves
 * it: no other text has it. So a repair can be checked by anybody, and cannot make a forged row good.
 */
import { type AuditRow, linkHash } from "./AuditChain.ts"

const lostCharacter = "\ufffd"
const surrogateFirst = 0xd800
const surrogateLast = 0xdfff
/** Tries between two pauses of `guesses`: some milliseconds. */
export const triesAtOnce = 4_096

/** Where the text of `entityId` lost what: place in it, and the code unit that was there. */
export type LostText = ReadonlyArray<readonly [at: number, codeUnit: number]>

const restored = (text: string, lost: LostText): string => {
  const units = text.split("")
  for (const [at, codeUnit] of lost) units[at] = String.fromCharCode(codeUnit)
  return units.join("")
}

/** Whether the row is what was hashed, but for what its text lost. */
export const explains = ({ hash, ...row }: AuditRow, lost: LostText): boolean =>
  row.version === 1 &&
  lost.length > 0 &&
  lost.every(([at, unit]) => row.entityId[at] === lostCharacter && unit >= surrogateFirst && unit <= surrogateLast) &&
  linkHash({ ...row, entityId: restored(row.entityId, lost) }) === hash

/**
 * What a row's text may have lost, guess by guess; `null` now and then, to let others work. Where it lost more
 * than two characters, only that they were all the same is tried.
 */
export function* guesses({ entityId }: AuditRow): Generator<LostText | null> {
  const places = Array.from(entityId).length === 0 ? [] : [...entityId.matchAll(/\ufffd/gu)].map(({ index }) => index)
  let tries = 0
  for (let unit = surrogateFirst; unit <= surrogateLast; unit++) {
    yield places.map((at) => [at, unit] as const)
    for (const at of places) yield [[at, unit]]
    if (++tries % triesAtOnce === 0) yield null
  }
  const [one, two] = places
  if (one === undefined || two === undefined || places.length > 2) return
  for (let first = surrogateFirst; first <= surrogateLast; first++) {
    for (let second = surrogateFirst; second <= surrogateLast; second++) {
      yield [
        [one, first],
        [two, second]
      ]
      if (++tries % triesAtOnce === 0) yield null
    }
  }
}
