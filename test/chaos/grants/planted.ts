/**
 * Every secret of a run holds the same text, twice, so that it is found wherever it got to, whole or in
 * part: as it is, in base64 at any offset, and in hexadecimal.
 */
import { randomBytes } from "node:crypto"

const mark = "pl4nt3d.s3cr3t"

/**
 * Half of them of characters that tokens usually have; half with others that RFC 6749 (appendix A) allows,
 * so that nothing in them looks like a token.
 */
export const makeSecret = (kind: string, isOdd: boolean): string => {
  const random = randomBytes(15).toString("base64url")
  return isOdd
    ? `${kind}!${mark}!${random.slice(0, 6)}:$${random.slice(6, 12)}~${random.slice(12)}!${mark}`
    : `${kind}-${mark}-${random}-${mark}`
}

/** What of the mark's base64 does not depend on what stands before and behind it. */
const inBase64 = (offset: number): string => {
  const skipped = (3 - offset) % 3
  const whole = mark.length - skipped
  return Buffer.from(mark.slice(skipped, skipped + whole - (whole % 3))).toString("base64")
}

export const forms: ReadonlyArray<string> = [
  mark,
  Buffer.from(mark).toString("hex"),
  encodeURIComponent(mark).replaceAll(".", "%2E"),
  ...[0, 1, 2].map(inBase64)
]

/** Whether any planted secret, or a part of one, stands in the text. */
export const holdsSecret = (text: string): boolean => forms.some((form) => text.includes(form))

/** Where the first one stands, with what is before it, cut: enough to find who wrote it. */
export const excerpt = (text: string): string => {
  const at = forms.map((form) => text.indexOf(form)).find((found) => found !== -1) ?? 0
  return text.slice(Math.max(0, at - 160), at + 4)
}
